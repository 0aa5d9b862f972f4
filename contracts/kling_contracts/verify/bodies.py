"""The request bodies of a run, derived from the declarations: minimal, with one fault, on every limit.

Plain tables, the same in every run; the strategies explore beyond them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple, assert_never, cast

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.constraints import ExactlyOne, RequiredWhen
from kling_contracts.field_values import (
    ALPHABETS,
    FLAG_WORDS,
    NO_ITEMS,
    NO_WEB_URLS,
    SURROGATES,
    hollow_items,
    near_misses,
    number_faults,
    other_types,
    text_of,
)
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.image_files import encoded, jpeg, png
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect, Rule
from kling_contracts.vocabulary import INPUT_BYTES_MAXIMUM, INPUT_RATIO_MAXIMUM, INPUT_SIDE_MINIMUM

Body = dict[str, object]
# A rule, the way in which the value breaks it, the value.
FieldFault = tuple[Rule, str, object]

_SIDE: Final = INPUT_SIDE_MINIMUM.value
_LONG: Final = int(_SIDE * INPUT_RATIO_MAXIMUM.value)
# Of the near misses of a choice of one kind, so many are sent: eight ratios have dozens.
_MISSES: Final = 6
# Of the URLs that are none so many of each kind: about the odder ones parsers of URLs differ.
_URLS: Final[Mapping[str, int]] = {"scheme": 3, "relative": 4, "host": 2, "blank": 1, "slashes": 2, "port": 0}
WEB_PICTURE: Final = "https://example.com/subject.png"


class Fault(NamedTuple):
    """A body that breaks one rule in one way."""

    rule: Rule
    tag: str
    body: Body


@dataclass(frozen=True)
class Feature:
    """Part of a valid request: the fields that bring one thing that has to be accepted.

    `about` is the rule whose limit it lies on, or names what is allowed.
    """

    about: str
    tag: str
    fields: Mapping[str, object]


@cache
def picture(width: int = _SIDE, height: int = _SIDE) -> str:
    """A small valid picture, inline: it needs no host that would have to be up."""
    return encoded(png(width, height))


@cache
def photograph(width: int = _SIDE, height: int = _SIDE) -> str:
    """The same as a JPEG."""
    return encoded(jpeg(width, height))


@cache
def bulky(size: int) -> str:
    return encoded(png(_SIDE, _SIDE, size))


def subjects(operation: Operation, *pictures: str) -> list[dict[str, object]]:
    """The list of subject pictures."""
    return _items(subject_list(operation), *pictures)


def _items(field: PictureList, *pictures: str) -> list[dict[str, object]]:
    return [{field.item.name: each} for each in pictures]


def subject_list(operation: Operation) -> PictureList:
    return next(field for field in operation.fields if isinstance(field, PictureList))


def minimal(operation: Operation) -> Body:
    """The smallest valid request: required fields, the one that selects it, what constraints demand."""
    needed = [field for field in operation.fields if field.required or field.name == operation.selector]
    return operation.completed({field.name: minimal_value(field) for field in needed}, minimal_value)


def with_field(operation: Operation, name: str, value: object) -> Body:
    """The smallest request with this value in the field, without the fields that it excludes."""
    return operation.completed(minimal(operation) | {name: value}, minimal_value, keep=name)


def minimal_value(field: AnyField) -> object:
    """A small valid value, with pictures of its own."""
    match field:
        case PictureList():
            return _items(field, *distinct(field.minimum.value))
        case Picture():
            return picture()
        case Choice():
            return field.options.value[0] if field.default is None else field.default
        case Integer() | Number():
            return field.minimum.value if field.default is None else field.default
        case Flag():
            return False
        case CallbackUrl():
            return "https://example.com/hook"
        case Text():
            return "a boat"[: field.maximum.value] if field.maximum else "a boat"
        case Nested():
            return {part.name: minimal_value(part) for part in field.fields if part.required}
        case ListOf():
            return [minimal_value(field.item)] * field.minimum.value
        case _:
            assert_never(field)


def distinct(count: int) -> list[str]:
    """So many pictures, no two alike: whether equal ones count is a question of its own."""
    return [(picture if at % 2 == 0 else photograph)(_SIDE + at // 2, _SIDE) for at in range(count)]


def faults(operation: Operation) -> Iterator[Fault]:
    """Bodies that break exactly one rule whose effect is a refusal, by rule in order of declaration."""
    for field in operation.fields:
        for rule, tag, value in _field_faults(field):
            if rule.effect is Effect.REFUSED:
                yield Fault(rule, tag, with_field(operation, field.name, value))
        if field.required:
            body = minimal(operation)
            del body[field.name]
            yield Fault(field.missing, "no key", body)
    for constraint in operation.constraints:
        match constraint:
            case ExactlyOne():
                yield from _one_faults(constraint, operation)
            case RequiredWhen():
                yield from _needed_faults(constraint, operation)
            case _:
                assert_never(constraint)


def _one_faults(constraint: ExactlyOne, operation: Operation) -> Iterator[Fault]:
    first, *others = constraint.names
    body = with_field(operation, first, minimal_value(operation.field(first)))
    yield Fault(constraint.rule, "none", {name: value for name, value in body.items() if name != first})
    yield Fault(constraint.rule, "null", body | {first: None})
    for other in others:
        both = body | {other: minimal_value(operation.field(other))}
        yield Fault(constraint.rule, f"{first} and {other}", both)


def _needed_faults(constraint: RequiredWhen, operation: Operation) -> Iterator[Fault]:
    when = operation.field(constraint.when)
    for value in constraint.values or (minimal_value(when),):
        body = with_field(operation, when.name, value)
        del body[constraint.field]
        yield Fault(constraint.rule, f"{when.name} {value!r}"[:40], body)
        yield Fault(constraint.rule, f"{when.name} {value!r}, null"[:40], body | {constraint.field: None})
    if when.default in constraint.values:
        body = {name: value for name, value in minimal(operation).items() if name != constraint.field}
        yield Fault(constraint.rule, f"{when.name} by default", body)


def _field_faults(field: AnyField) -> Iterator[FieldFault]:  # noqa: C901, PLR0912 -- one case for each kind
    yield from _type_faults(field)
    match field:
        case PictureList():
            yield from _list_faults(field)
        case Picture():
            yield from _picture_faults(field)
        case Integer():
            yield from _integer_faults(field)
        case Number():
            yield from number_faults(field)
        case Flag():
            for word in FLAG_WORDS[:2]:
                yield field.wrong_type, f"string {word!r}", word
        case Choice():
            for tag, texts in near_misses(field).items():
                for text in texts[:_MISSES]:
                    yield field.unknown, f"{tag} {text!r}"[:40], text
        case CallbackUrl() | Text():
            yield from _text_faults(field)
        case Nested():
            yield from _object_faults(field)
        case ListOf():
            yield from _item_list_faults(field)
        case _:
            assert_never(field)


def _type_faults(field: AnyField) -> Iterator[FieldFault]:
    for kind, values in other_types(field.json_type).items():
        for value in values[:2]:
            yield field.wrong_type, f"{kind} {value!r}"[:40], value
    if (right := _right_value(field)) is not None:
        yield field.wrong_type, "the value in a list", [right]
        yield field.wrong_type, "the value in an object", {"value": right}


def _right_value(field: AnyField) -> object:
    """A value that the field takes, where that is short."""
    match field:
        case Choice():
            return field.options.value[0]
        case Integer() | Number():
            return field.minimum.value
        case CallbackUrl() | Flag():
            return minimal_value(field)
        case Text() | Picture():
            return WEB_PICTURE
        case PictureList() | Nested() | ListOf():
            return None
        case _:
            assert_never(field)


def _text_faults(field: Text) -> Iterator[FieldFault]:
    yield field.not_text, "lone surrogate", SURROGATES[3]
    if field.too_long and field.maximum:
        limit = field.maximum.value
        for tag, unit in ALPHABETS.items():
            yield field.too_long, f"{limit + 1} {tag}", text_of(unit, limit + 1)
        padded = " " + text_of("a", limit - 1) + " "
        yield field.too_long, f"{limit + 1} with blanks at both ends", padded
    if isinstance(field, CallbackUrl):
        for tag, urls in NO_WEB_URLS.items():
            for url in urls[: _URLS[tag]]:
                yield field.not_url, f"{tag} {url!r}"[:40], url


def _integer_faults(field: Integer) -> Iterator[FieldFault]:
    low, high = field.minimum.value, field.maximum.value
    # The last one is `low` where only 32 bits are kept.
    for value in (low - 1, -1, float(low - 1), -(10**30), low - (1 << 32)):
        yield field.too_small, f"{value}", value
    for value in (high + 1, float(high + 1)):
        yield field.too_large, f"{value}", value
    yield field.fractional, f"{low + 0.5}", low + 0.5


def _picture_faults(field: Picture) -> Iterator[FieldFault]:
    # Bytes whose base64 has the signs in which the two alphabets differ, and padding.
    data = png(_SIDE, _SIDE) + b"\xfb\xff\xfe\xfb"
    data += bytes(-(len(data) + 2) % 3)
    standard, web = encoded(data), base64.urlsafe_b64encode(data).decode()
    spoilt: Mapping[str, str] = {
        "data URL": f"data:image/png;base64,{picture()}",
        "URL alphabet": web,
        "no padding": standard.rstrip("="),
        "line breaks": standard[:76] + "\n" + standard[76:],
        "blank at the end": standard + " ",
        "no base64": "not base64!",
    }
    for tag, text in spoilt.items():
        yield field.not_base64, tag, text
    yield field.not_base64, "other scheme", "ftp://example.com/subject.png"
    yield field.not_base64, "a file", "file:///etc/hosts.png"
    yield field.not_url, "no host", "https:///subject.png"
    yield field.too_large, f"{INPUT_BYTES_MAXIMUM.value + 1} bytes", bulky(INPUT_BYTES_MAXIMUM.value + 1)


def _list_faults(field: PictureList) -> Iterator[FieldFault]:
    name, low, high = field.item.name, field.minimum.value, field.maximum.value
    yield field.missing, "empty list", []
    yield field.missing, "null", None
    if field.too_few in field.rules:
        yield field.too_few, f"{low - 1} picture", _items(field, *distinct(low - 1))
    items = _items(field, *distinct(max(low, 2)))
    keyed = {str(at): item for at, item in enumerate(items)}
    no_lists = {"numbered items": keyed, "one item": items[0], "the list as a text": json.dumps(items)}
    for tag, value in no_lists.items():
        yield field.wrong_type, tag, value
    yield field.no_object, "lists in the list", [items, items]
    for count in (high + 1, high + 2, 50):
        yield field.too_many, f"{count} pictures", _items(field, *[WEB_PICTURE] * count)
    # Each position: a server that looks at the first element only is the classic.
    full = _items(field, *distinct(high))
    for at in range(high):
        for item in NO_ITEMS[: None if at == 0 else 1]:
            yield field.no_object, f"element {at} {item!r}"[:40], _with(full, at, item)
        for item in hollow_items(name)[: None if at == 0 else 1]:
            yield field.item.missing, f"element {at} {item!r}"[:40], _with(full, at, item)
        yield field.item.wrong_type, f"element {at} number", _with(full, at, {name: 1})
        yield field.item.not_base64, f"element {at}", _with(full, at, {name: "not base64!"})
    for rule, tag, value in _picture_faults(field.item):
        yield rule, tag, _with(full, high - 1, {name: value})


def _object_faults(field: Nested) -> Iterator[FieldFault]:
    """Each fault of a part in an object that is right otherwise."""
    base = cast("Body", minimal_value(field))
    for part in field.fields:
        for rule, tag, value in _field_faults(part):
            yield rule, tag, base | {part.name: value}
        if part.required:
            yield part.missing, "no key", {name: value for name, value in base.items() if name != part.name}
            yield part.missing, "null", base | {part.name: None}


def _item_list_faults(field: ListOf) -> Iterator[FieldFault]:
    """Too few, too many, and each fault of an item in the last place."""
    low, high = field.minimum.value, field.maximum.value
    item = minimal_value(field.item)
    for count in sorted({0, low - 1}) if low else ():
        yield field.too_few, f"{count} items", [item] * count
    for count in (high + 1, high + 2):
        yield field.too_many, f"{count} items", [item] * count
    yield field.wrong_type, "numbered items", {str(at): item for at in range(max(low, 1))}
    full = [item] * high
    for at in range(high):
        yield field.item.missing, f"element {at} null", _with(full, at, None)
    for rule, tag, value in _field_faults(field.item):
        yield rule, f"element {high - 1} {tag}"[:40], _with(full, high - 1, value)


def _with(items: Sequence[object], at: int, item: object) -> list[object]:
    return [*items[:at], item, *items[at + 1 :]]


def count_feature(operation: Operation, count: int, *pictures: str) -> Feature:
    """So many subjects, which are these pictures in turn."""
    field = subject_list(operation)
    shown = [pictures[at % len(pictures)] for at in range(count)]
    return Feature(f"{field.name}.items", f"{count} pictures", {field.name: subjects(operation, *shown)})


def choice_feature(field: str, option: str) -> Feature:
    return Feature(f"{field}.enum", option, {field: option})


def broad_picture() -> str:
    """A valid picture as oblong as allowed."""
    return picture(_LONG, _SIDE)
