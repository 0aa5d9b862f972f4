"""Script documents: a scripted rule as plain data (JSON, TOML), for scenario files and the control API.

A document names the requests as Python does, then one key for each method of the script, with the value of
its argument, a table of arguments by name, or true:

>>> from kling_mock import Fake
>>> fake = Fake()
>>> apply_script(fake, {"when": {"prompt": "*cat*"}, "fails": "Image pixel is invalid", "times": 2}).id
0
>>> apply_script(fake, {"next_query": True, "answers": {"status": 429, "code": 1303}}).id
1
>>> script_document(fake.scripts[0])
{'when': {'prompt': '*cat*'}, 'fails': 'Image pixel is invalid', 'times': 2}

`account` is an API key, or the name of its account in reports. `{"$base64": "..."}` stands for bytes. Keys,
values and messages are derived from the signatures of `RequestScripts`, `Script` and `RequestScript`.

`apply_script(view, document)` writes a rule, `read_script(document)` makes it without a fake; both raise
`DocumentError`, which lists every `DocumentProblem(pointer, message, accepted, nearest)`.
`script_document(rule)` is the inverse, and `script_schema()` the JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, cast, get_type_hints

from msgspec.structs import replace

from kling_contracts.explained_error import ExplainedError
from kling_contracts.gateways import GATEWAYS, Gateway
from kling_mock.auth import account_name
from kling_mock.criteria import CriterionKind, criteria_of
from kling_mock.json_schema import (
    DocumentProblem,
    Schema,
    any_of,
    array_of,
    escaped,
    misspelled,
    schema_of,
    table_of,
    violations,
)
from kling_mock.records import CREATE, RuleRecord
from kling_mock.request_facts import BODY, CRITERIA, HEADER
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.rule_builder import RuleBuilder
from kling_mock.scripts.signatures import arguments_of, plain, signature_of
from kling_mock.scripts.written_scripts import WrittenScripts
from kling_mock.testing.base_view import View
from kling_mock.testing.request_scripts import RequestScripts

ACCOUNT: Final = "account"
_ACCOUNT_DOC: Final = "the API key of the account whose requests the script is about; without it, all"
# The name of an account whose key is a secret, as `account_name` makes it.
_NAME_OF_ACCOUNT: Final = re.compile(r"account-[0-9a-f]{16}")
_NO_OUTCOME: Final = "the script has no outcome and so no effect; add one, such as fails or answers"


class DocumentError(ExplainedError, ValueError):
    """A document with errors; `problems` lists all of them."""

    def __init__(self, problems: Sequence[DocumentProblem]) -> None:
        super().__init__("\n".join(f"{each.pointer or '/'}: {each.message}" for each in problems))
        self.problems = tuple(problems)


class SubjectKey(NamedTuple):
    """A key that names requests, such as `next` or `when_query`: their kind, and the class of its script.

    `selects`: its value are criteria.
    """

    kind: str
    script: type[RuleBuilder]
    selects: bool
    summary: str


def _subjects() -> Mapping[str, SubjectKey]:
    found: dict[str, SubjectKey] = {}
    for name, member in vars(RequestScripts).items():
        if not name.startswith("_"):
            selects = not isinstance(member, property)
            function = cast("Callable[..., object]", member if selects else member.fget)
            kind = name.partition("_")[2] or CREATE
            script = get_type_hints(function)["return"]
            found[name] = SubjectKey(kind, script, selects, (function.__doc__ or "").partition("\n")[0])
    return found


SUBJECTS: Final = _subjects()


def methods_of(script: type[RuleBuilder]) -> Mapping[str, Callable[..., object]]:
    """The methods of a class of scripts by name, as documents accept them."""
    names = {name: None for each in reversed(script.mro()) for name in vars(each) if not name.startswith("_")}
    return {name: method for name in names if callable(method := getattr(script, name))}


# -- reading


def read_script(
    document: object, *, gateways: tuple[Gateway, ...] = GATEWAYS, account: str | None = None, place: str = ""
) -> RuleRecord:
    """The rule of a document, without a number. Raises DocumentError with all problems.

    `account` is the name of the account whose view reads it; `place`, such as `F.toml:12`, is the rule's
    `written_at`.
    """
    problems = list(_structure(document, gateways))
    wrong = {each.pointer.split("/")[1] if each.pointer else "" for each in problems}
    if "" in wrong:
        raise DocumentError(problems)
    keys = cast("dict[str, Any]", document)
    given = _account(keys[ACCOUNT]) if ACCOUNT in keys and ACCOUNT not in wrong else account
    if account not in (None, given):
        message = f"account: this view is that of {account}; omit the key"
        problems.append(DocumentProblem(f"/{ACCOUNT}", message))
    reader = _Reader(gateways, given)
    (name,) = keys.keys() & SUBJECTS.keys()
    # With wrong criteria the methods are called on a script without criteria, so that all errors are found.
    script = getattr(reader, name.replace("when", "next"))
    if SUBJECTS[name].selects and name not in wrong:
        try:
            script = getattr(reader, name)(**keys[name])
        except (TypeError, ValueError) as error:
            problems.append(_problem(name, keys[name], error))
    calls = {key: value for key, value in keys.items() if escaped(key) not in {*wrong, name, ACCOUNT}}
    problems += _call_methods(script, calls)
    if problems:
        raise DocumentError(problems)
    rule = reader.written()[-1]
    if not rule.outcomes:
        raise DocumentError([DocumentProblem("", _NO_OUTCOME, tuple(methods_of(SUBJECTS[name].script)))])
    return replace(rule, written_at=place)


def apply_script(view: View, document: object, place: str = "") -> RuleRecord:
    """Write the rule of a document and return it with its number. A DocumentError writes nothing."""
    rule = read_script(document, gateways=view.gateways, account=view.account_name, place=place)
    return view.add_script(rule)


def script_document(rule: RuleRecord) -> dict[str, object]:
    """The document of a rule. It has the name of an account, not its key."""
    document: dict[str, object] = {} if rule.account is None else {ACCOUNT: rule.account}
    suffix = "" if rule.kind == CREATE else f"_{rule.kind}"
    if rule.criteria is None:
        document[f"next{suffix}"] = True
    else:
        document[f"when{suffix}"] = _nested(rule.criteria) if suffix else plain(rule.criteria)
    return document | cast("dict[str, object]", plain(rule.calls))


def _nested(criteria: Mapping[str, object]) -> dict[str, object]:
    """Criteria with those of headers and of fields of the body in tables of their own."""
    found: dict[str, Any] = {}
    for name, value in criteria.items():
        for prefix in (HEADER, BODY):
            if name.startswith(prefix):
                found.setdefault(prefix.rstrip("."), {})[name.removeprefix(prefix)] = plain(value)
                break
        else:
            found[name] = plain(value)
    return found


class _Reader(RequestScripts):
    """Makes scripts that are not written to any store."""

    def __init__(self, gateways: tuple[Gateway, ...], account: str | None) -> None:
        self._gateways = gateways
        self._account = account
        self._written = WrittenScripts()

    def written(self) -> Sequence[RuleRecord]:
        return self._written.take().rules

    @property
    def _criteria(self) -> Mapping[str, CriterionKind]:
        return criteria_of(self._gateways)

    def _write_rule(self, rule: RuleRecord) -> RuleRecord:
        return rule


def _call_methods(script: object, keys: Mapping[str, object]) -> Iterator[DocumentProblem]:
    for name, value in keys.items():
        method = methods_of(cast("type[RuleBuilder]", type(script)))[name]
        try:
            positional, named = arguments_of(method, value)
            method(script, *positional, **named)
        except (TypeError, ValueError) as error:
            yield _problem(name, value, error)


def _problem(key: str, value: object, error: Exception) -> DocumentProblem:
    """The problem for an error of a method; its message begins with the argument, or names the key."""
    message = str(error)
    argument = re.match(r"\w*", message)
    first = "" if argument is None else argument[0]
    pointer = f"/{key}"
    if isinstance(value, dict) and first in value:
        pointer += f"/{escaped(first)}"
    return DocumentProblem(pointer, message if first == key else f"{key}: {message}")


def _account(text: str) -> str:
    return text if _NAME_OF_ACCOUNT.fullmatch(text) else account_name(text)


# -- structure


def script_schema(gateways: tuple[Gateway, ...] = GATEWAYS) -> Schema:
    """The JSON Schema of a document, for editors."""
    classes = list(dict.fromkeys(each.script for each in SUBJECTS.values()))
    properties: dict[str, Schema] = {ACCOUNT: {"type": "string", "description": _ACCOUNT_DOC}}
    for name, subject in SUBJECTS.items():
        properties[name] = {**_subject_schema(subject, gateways), "description": subject.summary}
    for script in classes:
        properties |= {
            name: {**_call_schema(method), "description": signature_of(method).summary}
            for name, method in methods_of(script).items()
        }
    rules: list[Schema] = []
    for script in classes:  # a key of another class of scripts is not accepted
        others = [name for each in classes for name in methods_of(each) if name not in methods_of(script)]
        if others:
            own = [{"required": [name]} for name, each in SUBJECTS.items() if each.script is script]
            rules.append({"if": {"anyOf": own}, "then": {"properties": dict.fromkeys(others, False)}})
    one = [{"required": [name]} for name in SUBJECTS]
    return {**table_of(properties), "oneOf": one, "allOf": rules}


def _structure(document: object, gateways: tuple[Gateway, ...]) -> Iterator[DocumentProblem]:
    """The problems of a document that its schema has: keys and types."""
    if not isinstance(document, dict):
        yield from violations(document, table_of({}), "", "a script")
        return
    keys = cast("dict[str, object]", document)
    subjects = [name for name in keys if name in SUBJECTS]
    if len(subjects) != 1:
        got = " and ".join(subjects) if subjects else "none"
        yield DocumentProblem(
            "", f"a script needs exactly one of {', '.join(SUBJECTS)}; got {got}", tuple(SUBJECTS)
        )
    kinds = [SUBJECTS[name].script for name in subjects] or [each.script for each in SUBJECTS.values()]
    methods = {name: each for script in kinds for name, each in methods_of(script).items()}
    known: list[str] = [*(() if len(subjects) == 1 else SUBJECTS), *methods, ACCOUNT]
    for key, value in keys.items():
        place = f"/{escaped(str(key))}"
        if key in SUBJECTS:
            yield from violations(value, _subject_schema(SUBJECTS[key], gateways), place, key)
        elif key in methods:
            yield from violations(value, _call_schema(methods[key]), place, key)
        elif key == ACCOUNT:
            yield from violations(value, {"type": "string"}, place, key)
        elif key in methods_of(Script):
            only = " or ".join(name for name, each in SUBJECTS.items() if each.script is Script)
            yield DocumentProblem(place, f"{key} needs a script with {only}, not {subjects[0]}", tuple(known))
        else:
            yield misspelled(place, "key", str(key), known)


def _subject_schema(subject: SubjectKey, gateways: tuple[Gateway, ...]) -> Schema:
    if not subject.selects:
        return {"const": True}
    kinds = criteria_of(gateways) if subject.kind == CREATE else CRITERIA[subject.kind]
    return table_of({name: _criterion_schema(kind) for name, kind in kinds.items()})


def _criterion_schema(kind: CriterionKind) -> Schema:
    hints = [*kind.types, *([type(None)] if kind.absent else [])]
    return any_of(schema_of(hint) for hint in hints)


@cache
def _call_schema(method: Callable[..., object]) -> Schema:
    """The schema of the value of a method: true, the first argument, or a table of arguments."""
    signature = signature_of(method)
    schemas = {
        name: array_of(schema_of(each.hint)) if each.variadic else schema_of(each.hint)
        for name, each in signature.parameters.items()
    }
    required = [name for name, each in signature.parameters.items() if each.required]
    forms: list[Schema] = [] if required else [{"const": True}]
    if signature.first is not None and set(required) <= {signature.first.name}:
        first = schemas[signature.first.name]
        # A table has the names of arguments, so an argument that is a table needs its name; null is omitted.
        alone = [each for each in first.get("anyOf", [first]) if each.get("type") not in ("object", "null")]
        forms += [each for each in alone if each]
    if schemas:
        forms.append(table_of(schemas, required))
    return any_of(forms)
