"""Field kinds as data: each validates a value (`read`), lists its rules and gives a JSON Schema.

A field declares its name, limits with their sources, and the wording of each error message. The mock's
validation, the client's local validation, the OpenAPI document and the strategies are derived from it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

from kling_contracts.rules import (
    EMPTY,
    NOT_TEXT,
    TOO_LONG,
    WRONG_SIZE,
    WRONG_TYPE,
    WRONG_VALUE,
    Rule,
    ValidationResult,
    Wording,
    is_text,
    shorten,
    typed,
)
from kling_contracts.vocabulary import ASSUMED, Fact, Source
from kling_contracts.web_urls import URL_PATTERN, is_web_url

JSON = Mapping[str, object]
# The default value of a field: text, number or flag.
Default = str | float | None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Field(ABC):
    """A named value in a request body.

    `prefix` is the dotted path of the enclosing objects, with a trailing dot; rule ids begin with it. The
    enclosing field sets it (see `within`).
    """

    name: str
    doc: str
    source: Source
    aliases: tuple[str, ...] = ()
    required: bool = False
    default: Default = None
    prefix: str = ""

    json_type = "string"

    # The same for every kind of field: `dataclass` would compile these methods for each, 0.4 ms of import.

    def _declared(self) -> list[tuple[str, object]]:
        return [(each.name, getattr(self, each.name)) for each in fields(self)]

    def __eq__(self, other: object) -> bool:
        return self._declared() == other._declared() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._declared()))

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in self._declared()]
        return f"{type(self).__qualname__}({', '.join(parts)})"

    @cached_property
    def full_name(self) -> str:
        """The dotted path of the field: `camera_control.config.pan`."""
        return self.prefix + self.name

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)

    def within(self, prefix: str) -> Self:
        """A copy of the field, nested in the object or list at `prefix`."""
        return replace(self, prefix=prefix)

    @cached_property
    def missing(self) -> Rule:
        return self._rule("required", "is given", EMPTY, self.source)

    @cached_property
    def wrong_type(self) -> Rule:
        article = "an" if self.json_type[0] in "aeiou" else "a"
        return self._rule("type", f"is {article} {self.json_type}", WRONG_TYPE, self.source, self.json_type)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule of the field, in the order in which `read` checks them."""
        return (self.missing, self.wrong_type) if self.required else (self.wrong_type,)

    @abstractmethod
    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        """Validate a given value, record violations in `reading`; the normalised value, None if invalid."""

    @abstractmethod
    def schema(self) -> JSON:
        """JSON Schema of a given value (not of null or of the empty string, which mean absence)."""

    def _rule(self, name: str, predicate: str, wording: Wording, source: Source, limit: object = "") -> Rule:
        """A rule of this field. `predicate` begins with "is" or "has"; the field's name is its subject."""
        verb, _, rest = predicate.partition(" ")
        return Rule(
            id=f"{self.full_name}.{name}",
            sentence=f"{self.full_name} {predicate}",
            requirement=f"must {'be' if verb == 'is' else 'have'} {rest}",
            source=source,
            wording=wording,
            limit=str(limit),
        )

    def violate_missing(self, path: str, value: object, reading: ValidationResult, *, given: bool) -> None:
        """Record that a required value is absent. `given`: its key is there, with null or an empty string."""
        received = "it is missing" if not given else "it is null" if value is None else "it is empty"
        reading.violate(self.missing, path, value, received)

    def _wrong_type(self, value: object, path: str, reading: ValidationResult) -> None:
        reading.violate(self.wrong_type, path, value, f"got {typed(value)}")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Text(Field):
    """Unicode text, neither stripped nor normalised. `maximum` is in code points."""

    maximum: Fact[int] | None = None

    @cached_property
    def too_long(self) -> Rule | None:
        if self.maximum is None:
            return None
        limit = self.maximum.value
        return self._rule(
            "max_length", f"has at most {limit} characters", TOO_LONG, self.maximum.source, limit
        )

    @cached_property
    def not_text(self) -> Rule:
        return self._rule("unicode", "is valid Unicode text", NOT_TEXT, ASSUMED)

    @property
    def rules(self) -> tuple[Rule, ...]:
        mine = (self.too_long,) if self.too_long else ()
        return (*super().rules, self.not_text, *mine)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if not isinstance(value, str):
            return self._wrong_type(value, path, reading)
        if not is_text(value):
            return reading.violate(self.not_text, path, value)
        if self.too_long and self.maximum and len(value) > self.maximum.value:
            return reading.violate(self.too_long, path, value, f"got {len(value)}")
        return value

    def schema(self) -> JSON:
        # The empty string means that the field is not given.
        shortest = {"minLength": 1} if self.required else {}
        return {"type": "string"} | shortest | ({"maxLength": self.maximum.value} if self.maximum else {})


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Choice(Field):
    """One of a closed set of strings, matched exactly."""

    options: Fact[tuple[str, ...]]
    wording: Wording = WRONG_VALUE

    @cached_property
    def _known(self) -> dict[str, str]:
        return {option: option for option in self.options.value}

    @cached_property
    def unknown(self) -> Rule:
        listed = ", ".join(self.options.value)
        predicate = f"is one of {listed}" if len(self.options.value) > 1 else f"is {listed}"
        return self._rule("enum", predicate, self.wording, self.options.source, listed)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return (*super().rules, self.unknown)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if not isinstance(value, str):
            return self._wrong_type(value, path, reading)
        known = self._known.get(value)  # the declared string, so that tasks do not keep copies of it
        return reading.violate(self.unknown, path, value) if known is None else known

    def schema(self) -> JSON:
        return {"type": "string", "enum": list(self.options.value)}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Integer(Field):
    """A whole number. As in JSON Schema, 2.0 is valid; true, "1" and 1.5 are not."""

    minimum: Fact[int]
    maximum: Fact[int]

    json_type = "integer"

    @cached_property
    def too_small(self) -> Rule:
        limit = self.minimum.value
        return self._rule("minimum", f"is at least {limit}", WRONG_VALUE, self.minimum.source, limit)

    @cached_property
    def too_large(self) -> Rule:
        limit = self.maximum.value
        return self._rule("maximum", f"is at most {limit}", WRONG_VALUE, self.maximum.source, limit)

    @cached_property
    def fractional(self) -> Rule:
        return self._rule("integer", "is a whole number", WRONG_VALUE, self.source)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return (*super().rules, self.fractional, self.too_small, self.too_large)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong_type(value, path, reading)
        if isinstance(value, float) and (not math.isfinite(value) or not value.is_integer()):
            return reading.violate(self.fractional, path, value)
        if value < self.minimum.value:
            return reading.violate(self.too_small, path, value)
        if value > self.maximum.value:
            return reading.violate(self.too_large, path, value)
        return int(value)

    def schema(self) -> JSON:
        return {"type": "integer", "minimum": self.minimum.value, "maximum": self.maximum.value}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Number(Field):
    """A number from `minimum` to `maximum`, inclusive. true and "0.5" are not numbers.

    `decimals` is the maximum number of decimals. With `clamp`, a number outside the range is accepted and
    replaced by the nearest limit, with a note. The schema states `decimals` as `multipleOf`, which some
    validators compute with binary fractions.
    """

    minimum: Fact[float]
    maximum: Fact[float]
    decimals: Fact[int] | None = None
    clamp: bool = False

    json_type = "number"

    @cached_property
    def out_of_range(self) -> Rule:
        low, high = self.minimum.value, self.maximum.value
        return self._rule(
            "range",
            f"is between {low:g} and {high:g}",
            WRONG_VALUE,
            self.maximum.source,
            f"{low:g} to {high:g}",
        )

    @cached_property
    def too_precise(self) -> Rule | None:
        if self.decimals is None:
            return None
        limit = self.decimals.value
        return self._rule(
            "decimals", f"has at most {limit} decimals", WRONG_VALUE, self.decimals.source, limit
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        bounded = () if self.clamp else (self.out_of_range,)
        precise = (self.too_precise,) if self.too_precise else ()
        return (*super().rules, *bounded, *precise)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong_type(value, path, reading)
        low, high = self.minimum.value, self.maximum.value
        inside = low <= value <= high  # False for NaN
        if not inside and not self.clamp:
            return reading.violate(self.out_of_range, path, value)
        if value != value:  # noqa: PLR0124 -- NaN is not JSON and has no nearest limit
            return self._wrong_type(value, path, reading)
        if self.too_precise and self.decimals and round(value, self.decimals.value) != value:
            return reading.violate(self.too_precise, path, value)
        if inside:
            return value
        limit = low if value < low else high
        reading.notes.append(f"{path}: {shorten(value)} replaced by the limit {limit:g}")
        return limit

    def schema(self) -> JSON:
        bounds = {"minimum": self.minimum.value, "maximum": self.maximum.value}
        schema: dict[str, object] = {"type": "number"}
        schema |= {"x-clamped-to": bounds} if self.clamp else bounds
        if self.decimals:
            schema["multipleOf"] = round(0.1**self.decimals.value, self.decimals.value)
        return schema


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Flag(Field):
    """true or false; "true" and 1 are invalid."""

    json_type = "boolean"

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        return value if isinstance(value, bool) else self._wrong_type(value, path, reading)

    def schema(self) -> JSON:
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Array(Field):
    """A list of `minimum` to `maximum` items, which messages call `unit`."""

    minimum: Fact[int]
    maximum: Fact[int]

    json_type = "array"
    unit = "items"

    @cached_property
    def too_few(self) -> Rule:
        return self._count_rule("min_items", f"has at least {self.minimum.value}", self.minimum.source)

    @cached_property
    def too_many(self) -> Rule:
        return self._count_rule("max_items", f"has at most {self.maximum.value}", self.maximum.source)

    def _count_rule(self, name: str, predicate: str, source: Source) -> Rule:
        limits = f"{self.minimum.value} and {self.maximum.value}"
        return self._rule(name, f"{predicate} {self.unit}", WRONG_SIZE, source, limits)

    def _check_count(self, items: list[object], path: str, reading: ValidationResult) -> None:
        count = len(items)
        if not self.minimum.value <= count <= self.maximum.value:
            rule = self.too_few if count < self.minimum.value else self.too_many
            reading.violate(rule, path, items, f"got {count}")

    def _schema_of(self, items: JSON) -> JSON:
        """JSON Schema of a list of such items."""
        limits = {"minItems": self.minimum.value, "maxItems": self.maximum.value}
        return {"type": "array", **limits, "items": items}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CallbackUrl(Text):
    """An absolute http(s) URL."""

    @cached_property
    def not_url(self) -> Rule:
        return self._rule("url", "is an absolute http(s) URL", WRONG_VALUE, ASSUMED)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return (*super().rules, self.not_url)

    def read(self, value: object, path: str, reading: ValidationResult) -> object:
        text = super().read(value, path, reading)
        if isinstance(text, str) and not is_web_url(text):
            return reading.violate(self.not_url, path, text)
        return text

    def schema(self) -> JSON:
        return {"type": "string", "format": "uri", "pattern": URL_PATTERN}
