"""The criteria of scripts: their names, the types of their values, and the comparison with a request."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import escape
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, assert_never

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.gateways import Gateway, every_operation
from kling_contracts.image_fields import Picture, PictureList
from kling_mock.records import RuleRecord
from kling_mock.suggestions import unknown
from kling_mock.task_request import TaskRequest

SUBJECTS: Final = "subjects"
# Longer values are truncated in messages.
SHOWN_CHARACTERS: Final = 200


class Subject(Protocol):
    """A request as scripts see it: the value with which a criterion of this name is compared."""

    def criterion(self, name: str) -> object: ...


class CreateFacts(NamedTuple):
    """An accepted create as scripts see it."""

    request: TaskRequest

    def criterion(self, name: str) -> object:
        match name:
            case "subjects":
                return len(self.request.subjects)
            case "prompt":
                return self.request.prompt
            case "n":
                return self.request.n
            case _:
                return self.request.get(name)


class CriterionKind(NamedTuple):
    """The values of a criterion that can match: their types, a text for messages, and whether None is one."""

    types: tuple[type, ...]
    text: str
    absent: bool


@lru_cache(maxsize=8)
def criteria_of(gateways: tuple[Gateway, ...]) -> Mapping[str, CriterionKind]:
    """The criteria for creates at these gateways: the fields, and `subjects` (their number)."""
    operations = tuple(every_operation(gateways))
    kinds: dict[str, CriterionKind] = {}
    for operation in operations:
        for name in operation.value_names:
            found = _kind(operation.field(name))
            known = kinds.get(name, found)
            types = tuple(dict.fromkeys((*known.types, *found.types)))
            text = found.text if found.text == known.text else f"{known.text} or {found.text}"
            kinds[name] = CriterionKind(types, text, known.absent or found.absent)
    for name in kinds.keys() - {"prompt", "n"}:  # those two have a value for every request, see `criterion`
        if any(name not in operation.value_names for operation in operations):
            kinds[name] = kinds[name]._replace(absent=True)
    return MappingProxyType({**kinds, SUBJECTS: CriterionKind((int,), "an integer", absent=False)})


def _kind(field: AnyField) -> CriterionKind:
    types: tuple[type, ...]
    match field:
        case Integer():
            types, text = (int,), "an integer"
        case Number():
            types, text = (int, float), "a number"
        case Flag():
            types, text = (bool,), "True or False"
        case Nested():
            types, text = (dict,), "a dict"
        case ListOf() | PictureList():
            types, text = (list,), "a list"
        case CallbackUrl() | Text() | Choice() | Picture():
            types, text = (str,), "a string"
        case _:
            assert_never(field)
    always = field.required or field.default is not None or field.name in ("prompt", "n")
    return CriterionKind(types, text, absent=not always)


def check_criteria(
    criteria: Mapping[str, object], known: Mapping[str, CriterionKind], noun: str = "field"
) -> None:
    """Raise TypeError for an unknown name or for a value of a type that no request has."""
    for name, value in criteria.items():
        if name not in known:
            raise TypeError(unknown(noun, name, known))
        types, text, absent = known[name]
        if (absent and value is None) or (
            isinstance(value, types) and (bool in types or not isinstance(value, bool))
        ):
            continue
        way_out = " ('' matches a request without one)" if value is None and name == "prompt" else ""
        also = " or None" if absent else ""
        raise TypeError(f"{name} must be {text}{also}, not {shown(value)}{way_out}")


def shown(value: object) -> str:
    """A value for a message: its `repr` or, if that is long, its beginning and its length."""
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return f"{value[:SHOWN_CHARACTERS]!r}... ({len(value)} characters)"
    text = repr(value)
    return (
        text
        if len(text) <= 2 * SHOWN_CHARACTERS
        else f"{text[:SHOWN_CHARACTERS]}... ({len(text)} characters)"
    )


def suggested_glob(wanted: object, actual: object) -> str | None:
    """The glob that was probably meant if `wanted` does not match `actual`, or None."""
    if not isinstance(wanted, str) or not isinstance(actual, str) or not wanted:
        return None
    literal = escape(wanted)
    for glob in (literal, f"*{wanted}*", f"*{literal}*"):
        if fnmatchcase(actual, glob):
            return glob
    return None


def mismatches(rule: RuleRecord, asked: Subject) -> Mapping[str, tuple[object, object]]:
    """The criteria that a request does not meet, each with the expected and the actual value."""
    missed: dict[str, tuple[object, object]] = {}
    for name, wanted in (rule.criteria or {}).items():
        actual = asked.criterion(name)
        if not _fits(wanted, actual):
            missed[name] = (wanted, actual)
    return missed


def _fits(wanted: object, actual: object) -> bool:
    if isinstance(wanted, str) and isinstance(actual, str):
        return fnmatchcase(actual, wanted)
    return wanted == actual
