"""Triggers in prompts: `[mock fails=1301 polls=3]`, a script for one create, for tests through a UI.

The names are those of script documents, and the kinds of a pace: `polls=3` is `pace=polls:3`. An argument of
a method is `name.argument=value`. With an error the trigger has no effect; the API never refuses a request
for it.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from kling_contracts.redaction import escape_controls
from kling_mock.documents import ACCOUNT, SUBJECTS, DocumentError, methods_of, read_script
from kling_mock.outcomes import Outcome
from kling_mock.plan import Pace
from kling_mock.scripts.rule_builder import RuleBuilder

BEGIN: Final = "[mock"
LONGEST: Final = 300  # characters of a note or header
_TRIGGER: Final = re.compile(r'\[mock(?=[\s\]])((?:[^\]"]|"[^"]*")*)\]')
_ITEM: Final = re.compile(r'\s+(\w+)(?:\.(\w+))?(?:=("[^"]*"|[^\s"]*))?(?=\s|$)')
_COMMA: Final = re.compile(r"[^\"].*[,;]\w+=")
_PACES: Final = get_args(get_type_hints(Pace)["kind"])


class Trigger(NamedTuple):
    """The outcomes of a trigger, none if it has an error; `note` describes it in ASCII."""

    outcomes: tuple[Outcome, ...]
    note: str


def read_trigger(prompt: str) -> Trigger | None:
    """The first trigger of a prompt; None if it has none."""
    found = _TRIGGER.search(prompt)
    if found is None:
        begun = re.search(r"\[mock\s", prompt)
        return None if begun is None else ignored("no ']' follows '[mock'")
    try:
        rule = read_script({"next": True, **_document(found[1])})
    except DocumentError as error:
        return ignored(error.problems[0].message)
    except ValueError as error:
        return ignored(str(error))
    return Trigger(rule.outcomes, _short(f"prompt trigger applied: {' '.join(found[1].split())}"))


def ignored(reason: str) -> Trigger:
    """A trigger without effect."""
    return Trigger((), _short(f"prompt trigger ignored: {reason}"))


def _document(text: str) -> dict[str, Any]:
    """The keys of a document from the text of a trigger. Raises ValueError."""
    document: dict[str, Any] = {}
    end = 0
    while (item := _ITEM.match(text, end)) is not None:
        end = item.end()
        name, argument, written = item.groups()
        if written is not None and _COMMA.match(written):
            raise ValueError(f"'{name}={written}': names are separated by spaces")
        value = True if written is None else _value(written)
        if name in methods_of(RuleBuilder) or name in SUBJECTS or name == ACCOUNT:
            raise ValueError(f"{name} has no meaning for one request")
        if name in _PACES:
            name, value = "pace", name if written is None else f"{name}:{value}"
        if argument is not None:
            table = document.setdefault(name, {})
            if not isinstance(table, dict):
                raise ValueError(f"{name} is given twice")
            table[argument] = value
        elif name in document:
            raise ValueError(f"{name} is given twice")
        else:
            document[name] = value
    if text[end:].strip():
        raise ValueError(f"{text[end:].strip()!r} is not a name, or a name and a value such as fails=1301")
    return document


def _value(written: str) -> object:
    if written.startswith('"'):
        return written[1:-1]
    for kind in (int, float):
        try:
            return kind(written)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(written, written)


def _short(text: str) -> str:
    ascii_only = escape_controls(text).encode("ascii", "backslashreplace").decode()
    return ascii_only if len(ascii_only) <= LONGEST else f"{ascii_only[:LONGEST]}..."
