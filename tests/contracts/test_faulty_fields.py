"""Kinds of fields with a small fault, which the requests of the strategies must find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.constraints import Constraint, ExactlyOne, RequiredWhen
from kling_contracts.fields import Flag, Number
from kling_contracts.operations import Operation
from kling_contracts.rules import ValidationResult
from kling_contracts.strategies import BoundaryRequest, InvalidRequest, boundary_classes, invalid_classes
from tests.contracts.test_trial_operations import draw_each
from tests.rows import some_rows
from tests.trial_operations import SERIES, SOUND, SPEECH, VIDEO


class OneIsTrue(Flag):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(bool(value) if value in (0, 1) else value, path, reading)


class WordIsTrue(Flag):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(value == "true" if value in ("true", "false") else value, path, reading)


class Exclusive(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(99 if value == self.maximum.value else value, path, reading)


class Rounding(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return super().read(round(value, 2) if isinstance(value, float) else value, path, reading)


class BinaryFraction(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        near = isinstance(value, float) and abs(value - round(value, 2)) < 1e-9
        return super().read(round(cast("float", value), 2) if near else value, path, reading)


class Refusing(Number):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        high = self.maximum.value
        beyond = isinstance(value, int | float) and value > high
        return super().read("too large" if beyond else value, path, reading)


@dataclass(frozen=True, kw_only=True)
class Shallow(Nested):
    """Checks the type only."""

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return value if isinstance(value, dict) else super().read(value, path, reading)


@dataclass(frozen=True, kw_only=True)
class NoAliases(Nested):
    """Ignores aliases of its parts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(replace(each, aliases=()) for each in self.fields))


@dataclass(frozen=True, kw_only=True)
class Strict(Nested):
    """Treats null as a value."""

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        strict = ValidationResult(null_is_absent=False)
        read = super().read(value, path, strict)
        reading.violations += strict.violations
        return read


@dataclass(frozen=True, kw_only=True)
class FirstOnly(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        items = cast("list[object]", value)
        seen = [items[0]] * len(items) if isinstance(value, list) and items else value
        return super().read(seen, path, reading)


@dataclass(frozen=True, kw_only=True)
class OneMore(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        long = isinstance(value, list) and len(cast("list[object]", value)) == self.maximum.value + 1
        return super().read(cast("list[object]", value)[:-1] if long else value, path, reading)


@dataclass(frozen=True, kw_only=True)
class OneLess(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        full = isinstance(value, list) and len(cast("list[object]", value)) == self.maximum.value
        return super().read([*cast("list[object]", value), None] if full else value, path, reading)


@dataclass(frozen=True, kw_only=True)
class NullItems(ListOf):
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        items = cast("list[object]", value) if isinstance(value, list) else None
        kept = None if items is None else [item for item in items if item is not None]
        return super().read(kept or value, path, reading)


Kind = Callable[..., Any]


def misread(operation: Operation, name: str, kind: Kind) -> Operation:
    """The operation with one field, possibly nested, of a faulty kind."""

    def changed(each: AnyField) -> AnyField:
        if each.name == name:
            known = {key: getattr(each, key) for key in each.__dataclass_fields__}
            return cast("AnyField", kind(**known))
        if isinstance(each, Nested):
            return replace(each, fields=tuple(map(changed, each.fields)))
        return replace(each, item=changed(each.item)) if isinstance(each, ListOf) else each

    return replace(operation, fields=tuple(map(changed, operation.fields)))


@dataclass(frozen=True, kw_only=True)
class AtMostOne(ExactlyOne):
    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        if any(name in given for name in self.names):
            super().check(given, reading, defaults)


@dataclass(frozen=True, kw_only=True)
class AtLeastOne(ExactlyOne):
    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        if not any(name in given for name in self.names):
            super().check(given, reading, defaults)


@dataclass(frozen=True, kw_only=True)
class NoDefault(RequiredWhen):
    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        super().check(given, reading, {})


@dataclass(frozen=True, kw_only=True)
class Always(RequiredWhen):
    values: tuple[str | float, ...] = field(default=(), init=False)

    def check(self, given: Any, reading: ValidationResult, defaults: Mapping[str, object]) -> None:
        super().check({*given, self.when}, reading, defaults)


def constrained(operation: Operation, constraint: Constraint) -> Operation:
    return replace(operation, constraints=(constraint,))


SOURCE = SOUND.source
SOURCES = ("video_id", "video_url", "image")
MISTAKEN: dict[str, tuple[Operation, Operation]] = {
    "1 is true": (SOUND, misread(SOUND, "asmr_mode", OneIsTrue)),
    "'true' is true": (SOUND, misread(SOUND, "asmr_mode", WordIsTrue)),
    "< for <=": (VIDEO, misread(VIDEO, "cfg_scale", Exclusive)),
    "decimals rounded": (VIDEO, misread(VIDEO, "cfg_scale", Rounding)),
    "0.1 + 0.2 is 0.3": (VIDEO, misread(VIDEO, "cfg_scale", BinaryFraction)),
    "refused instead of clamped": (SPEECH, misread(SPEECH, "voice_speed", Refusing)),
    "an object is not read": (VIDEO, misread(VIDEO, "camera_control", Shallow)),
    "an object in an object is not read": (VIDEO, misread(VIDEO, "config", Shallow)),
    "an object in a list is not read": (VIDEO, misread(VIDEO, "shot", Shallow)),
    "aliases at the top only": (VIDEO, misread(VIDEO, "config", NoAliases)),
    "null is a value in an object": (VIDEO, misread(VIDEO, "camera_control", Strict)),
    "only the first item": (VIDEO, misread(VIDEO, "multi_prompt", FirstOnly)),
    "seven shots": (VIDEO, misread(VIDEO, "multi_prompt", OneMore)),
    "five shots": (VIDEO, misread(VIDEO, "multi_prompt", OneLess)),
    "null items are left out": (VIDEO, misread(VIDEO, "multi_prompt", NullItems)),
    "none is enough": (SOUND, constrained(SOUND, AtMostOne(names=SOURCES, source=SOURCE))),
    "several are right": (SOUND, constrained(SOUND, AtLeastOne(names=SOURCES, source=SOURCE))),
    "the third is forgotten": (SOUND, constrained(SOUND, ExactlyOne(names=SOURCES[:2], source=SOURCE))),
    "the default does not count": (
        SERIES,
        constrained(
            SERIES,
            NoDefault(field="series_amount", when="result_type", values=("series",), source=SOURCE),
        ),
    ),
    "always needed": (
        SERIES,
        constrained(SERIES, Always(field="series_amount", when="result_type", source=SOURCE)),
    ),
}


def test_the_right_kinds_in_place_of_themselves_change_nothing() -> None:
    same = misread(misread(VIDEO, "config", Nested), "multi_prompt", ListOf)
    assert same == VIDEO


def drawn(right: Operation) -> list[BoundaryRequest | InvalidRequest]:
    """Requests on limits and beyond them, for a trial operation."""
    cases = [*draw_each(boundary_classes(right), 3), *draw_each(invalid_classes(right), 3)]
    return cast("list[BoundaryRequest | InvalidRequest]", cases)


@some_rows("right", [SOUND, SPEECH, SERIES, VIDEO], usual=[SOUND, SPEECH], ids=lambda each: each.name)
def test_mistaken_kinds_are_caught(right: Operation) -> None:
    """At least one request has another verdict than its strategy states."""

    def broken(operation: Operation, body: object) -> list[str]:
        return [violation.rule.id for violation in operation.read(body).violations]

    bodies = [case.body for case in drawn(right)]
    expected = [broken(right, body) for body in bodies]
    mistakes = {name: mistaken for name, (original, mistaken) in MISTAKEN.items() if original is right}
    assert mistakes
    assert [
        name
        for name, mistaken in mistakes.items()
        if all(broken(mistaken, body) == rules for body, rules in zip(bodies, expected, strict=True))
    ] == []
