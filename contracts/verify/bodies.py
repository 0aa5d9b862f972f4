"""The request bodies of a run, derived from the declarations: minimal, with one fault, on every limit.

Plain tables, the same in every run; the strategies explore beyond them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple, cast

from contracts.field_values import (
    ALPHABETS,
    NO_ITEMS,
    NO_WEB_URLS,
    SURROGATES,
    hollow_items,
    near_misses,
    other_types,
    text_of,
)
from contracts.fields import CallbackUrl, Choice, Field, Integer, Text
from contracts.operations import Operation
from contracts.picture_fields import Picture, PictureList
from contracts.rules import Effect, Rule
from contracts.sample_pictures import encoded, jpeg, png
from contracts.vocabulary import INPUT_BYTES_MAXIMUM, INPUT_RATIO_MAXIMUM, INPUT_SIDE_MINIMUM

Body = dict[str, object]
Value = tuple[str, object]

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
    return [{subject_list(operation).item.name: each} for each in pictures]


def subject_list(operation: Operation) -> PictureList:
    return next(field for field in operation.fields if isinstance(field, PictureList))


def minimal(operation: Operation) -> Body:
    """The smallest valid request, with pictures of its own."""
    field = subject_list(operation)
    return {field.name: subjects(operation, *distinct(field.minimum.value))}


def distinct(count: int) -> list[str]:
    """So many pictures, no two alike: whether equal ones count is a question of its own."""
    return [(picture if at % 2 == 0 else photograph)(_SIDE + at // 2, _SIDE) for at in range(count)]


def faults(operation: Operation) -> Iterator[Fault]:
    """Bodies that break exactly one rule whose effect is a refusal, by rule in order of declaration."""
    for field in operation.fields:
        for rule, tag, value in _field_faults(field, operation):
            if rule.effect is Effect.REFUSED:
                yield Fault(rule, tag, minimal(operation) | {field.name: value})
        if field.required:
            body = minimal(operation)
            del body[field.name]
            yield Fault(field.missing, "no key", body)


def _field_faults(field: Field, operation: Operation) -> Iterator[tuple[Rule, str, object]]:
    yield from _type_faults(field)
    match field:
        case PictureList():
            yield from _list_faults(field, operation)
        case Picture():
            yield from _picture_faults(field)
        case Integer():
            yield from _integer_faults(field)
        case Choice():
            for tag, texts in near_misses(field).items():
                for text in texts[:_MISSES]:
                    yield field.unknown, f"{tag} {text!r}"[:40], text
        case Text():
            yield from _text_faults(field)
        case _:
            pass


def _type_faults(field: Field) -> Iterator[tuple[Rule, str, object]]:
    for kind, values in other_types(field.json_type).items():
        for value in values[:2]:
            yield field.wrong_type, f"{kind} {value!r}"[:40], value
    if (right := _right_value(field)) is not None:
        yield field.wrong_type, "the value in a list", [right]
        yield field.wrong_type, "the value in an object", {"value": right}


def _right_value(field: Field) -> object:
    """A value that the field takes, where that is short."""
    match field:
        case Choice():
            return field.options.value[0]
        case Integer():
            return field.minimum.value
        case CallbackUrl():
            return "https://example.com/hook"
        case Text() | Picture():
            return WEB_PICTURE
        case _:
            return None


def _text_faults(field: Text) -> Iterator[tuple[Rule, str, object]]:
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


def _integer_faults(field: Integer) -> Iterator[tuple[Rule, str, object]]:
    low, high = field.minimum.value, field.maximum.value
    # The last one is `low` where only 32 bits are kept.
    for value in (low - 1, -1, float(low - 1), -(10**30), low - (1 << 32)):
        yield field.too_small, f"{value}", value
    for value in (high + 1, float(high + 1)):
        yield field.too_large, f"{value}", value
    yield field.fractional, f"{low + 0.5}", low + 0.5


def _picture_faults(field: Picture) -> Iterator[tuple[Rule, str, object]]:
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


def _list_faults(field: PictureList, operation: Operation) -> Iterator[tuple[Rule, str, object]]:
    name, low, high = field.item.name, field.minimum.value, field.maximum.value
    yield field.missing, "empty list", []
    yield field.missing, "null", None
    if field.too_few in field.rules:
        yield field.too_few, f"{low - 1} picture", subjects(operation, *distinct(low - 1))
    items = subjects(operation, *distinct(max(low, 2)))
    keyed = {str(at): item for at, item in enumerate(items)}
    no_lists = {"numbered items": keyed, "one item": items[0], "the list as a text": json.dumps(items)}
    for tag, value in no_lists.items():
        yield field.wrong_type, tag, value
    yield field.no_object, "lists in the list", [items, items]
    for count in (high + 1, high + 2, 50):
        yield field.too_many, f"{count} pictures", subjects(operation, *[WEB_PICTURE] * count)
    # Each position: a server that looks at the first element only is the classic.
    full = subjects(operation, *distinct(high))
    for at in range(high):
        for item in NO_ITEMS[: None if at == 0 else 1]:
            yield field.no_object, f"element {at} {item!r}"[:40], _with(full, at, item)
        for item in hollow_items(name)[: None if at == 0 else 1]:
            yield field.item.missing, f"element {at} {item!r}"[:40], _with(full, at, item)
        yield field.item.wrong_type, f"element {at} number", _with(full, at, {name: 1})
        yield field.item.not_base64, f"element {at}", _with(full, at, {name: "not base64!"})
    for rule, tag, value in _picture_faults(field.item):
        yield rule, tag, _with(full, high - 1, {name: value})


def _with(items: list[dict[str, object]], at: int, item: object) -> list[object]:
    return [*items[:at], item, *items[at + 1 :]]


def count_feature(operation: Operation, count: int, *pictures: str) -> Feature:
    """So many subjects, which are these pictures in turn."""
    field = subject_list(operation)
    shown = [pictures[at % len(pictures)] for at in range(count)]
    return Feature(f"{field.name}.items", f"{count} pictures", {field.name: subjects(operation, *shown)})


def prompt_feature(operation: Operation, alphabet: str) -> Feature:
    """A prompt on the limit, in one alphabet."""
    field = cast("Text", operation.field("prompt"))
    limit = field.maximum.value if field.maximum else 0
    return Feature(
        "prompt.max_length", f"{limit} {alphabet}", {"prompt": text_of(ALPHABETS[alphabet], limit)}
    )


def choice_feature(field: str, option: str) -> Feature:
    return Feature(f"{field}.enum", option, {field: option})


def broad_picture() -> str:
    """A valid picture as oblong as allowed."""
    return picture(_LONG, _SIDE)
