"""Values of a field: a small valid one, and values that break one of its rules."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never, cast

from kling_contracts.cases.images import SIDE, WEB_PICTURE, bulky, distinct, picture
from kling_contracts.cases.values import (
    ALPHABETS,
    FLAG_WORDS,
    NO_ITEMS,
    NO_WEB_URLS,
    SURROGATES,
    FieldValue,
    hollow_items,
    near_misses,
    number_faults,
    other_types,
    text_of,
)
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.image_files import encoded, png
from kling_contracts.vocabulary import INPUT_BYTES_MAXIMUM

# Near misses per kind and choice: eight ratios have dozens.
_MISSES: Final = 6
# Invalid URLs of each kind; URL parsers disagree about the others.
_URLS: Final[Mapping[str, int]] = {"scheme": 3, "relative": 4, "host": 2, "blank": 1, "slashes": 2, "port": 0}


def minimal_value(field: AnyField) -> object:
    """A small valid value; its pictures are inline."""
    match field:
        case PictureList():
            return picture_items(field, *distinct(field.minimum.value))
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


def picture_items(field: PictureList, *pictures: str) -> list[dict[str, object]]:
    """The value of a list of pictures: one object each."""
    return [{field.item.name: each} for each in pictures]


def invalid_values(field: AnyField) -> Iterator[FieldValue]:  # noqa: C901, PLR0912 -- one case for each kind
    """Values that break exactly one rule of the field; the same in every run."""
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
                yield FieldValue(field.wrong_type, f"string {word!r}", word)
        case Choice():
            for tag, texts in near_misses(field).items():
                for text in texts[:_MISSES]:
                    yield FieldValue(field.unknown, f"{tag} {text!r}"[:40], text)
        case CallbackUrl() | Text():
            yield from _text_faults(field)
        case Nested():
            yield from _object_faults(field)
        case ListOf():
            yield from _item_list_faults(field)
        case _:
            assert_never(field)


def _type_faults(field: AnyField) -> Iterator[FieldValue]:
    for kind, values in other_types(field.json_type).items():
        for value in values[:2]:
            yield FieldValue(field.wrong_type, f"{kind} {value!r}"[:40], value)
    if (right := _right_value(field)) is not None:
        yield FieldValue(field.wrong_type, "the value in a list", [right])
        yield FieldValue(field.wrong_type, "the value in an object", {"value": right})


def _right_value(field: AnyField) -> object:
    """A valid value of the field; None for objects and lists."""
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


def _text_faults(field: Text) -> Iterator[FieldValue]:
    yield FieldValue(field.not_text, "lone surrogate", SURROGATES[3])
    if field.too_long and field.maximum:
        limit = field.maximum.value
        for tag, unit in ALPHABETS.items():
            yield FieldValue(field.too_long, f"{limit + 1} {tag}", text_of(unit, limit + 1))
        padded = " " + text_of("a", limit - 1) + " "
        yield FieldValue(field.too_long, f"{limit + 1} with blanks at both ends", padded)
    if isinstance(field, CallbackUrl):
        for tag, urls in NO_WEB_URLS.items():
            for url in urls[: _URLS[tag]]:
                yield FieldValue(field.not_url, f"{tag} {url!r}"[:40], url)


def _integer_faults(field: Integer) -> Iterator[FieldValue]:
    low, high = field.minimum.value, field.maximum.value
    # The last value equals `low` if a server keeps only 32 bits.
    for value in (low - 1, -1, float(low - 1), -(10**30), low - (1 << 32)):
        yield FieldValue(field.too_small, f"{value}", value)
    for value in (high + 1, float(high + 1)):
        yield FieldValue(field.too_large, f"{value}", value)
    yield FieldValue(field.fractional, f"{low + 0.5}", low + 0.5)


def _picture_faults(field: Picture) -> Iterator[FieldValue]:
    # Bytes whose base64 has padding and the characters that differ in the URL-safe alphabet.
    data = png(SIDE, SIDE) + b"\xfb\xff\xfe\xfb"
    data += bytes(-(len(data) + 2) % 3)
    standard, web = encoded(data), base64.urlsafe_b64encode(data).decode()
    mutated: Mapping[str, str] = {
        "data URL": f"data:image/png;base64,{picture()}",
        "URL alphabet": web,
        "no padding": standard.rstrip("="),
        "line breaks": standard[:76] + "\n" + standard[76:],
        "blank at the end": standard + " ",
        "no base64": "not base64!",
    }
    for tag, text in mutated.items():
        yield FieldValue(field.not_base64, tag, text)
    yield FieldValue(field.not_base64, "other scheme", "ftp://example.com/subject.png")
    yield FieldValue(field.not_base64, "a file", "file:///etc/hosts.png")
    yield FieldValue(field.not_url, "no host", "https:///subject.png")
    yield FieldValue(
        field.too_large, f"{INPUT_BYTES_MAXIMUM.value + 1} bytes", bulky(INPUT_BYTES_MAXIMUM.value + 1)
    )


def _list_faults(field: PictureList) -> Iterator[FieldValue]:
    name, low, high = field.item.name, field.minimum.value, field.maximum.value
    yield FieldValue(field.missing, "empty list", [])
    yield FieldValue(field.missing, "null", None)
    if field.too_few in field.rules:
        yield FieldValue(field.too_few, f"{low - 1} picture", picture_items(field, *distinct(low - 1)))
    items = picture_items(field, *distinct(max(low, 2)))
    keyed = {str(at): item for at, item in enumerate(items)}
    no_lists = {"numbered items": keyed, "one item": items[0], "the list as a text": json.dumps(items)}
    for tag, value in no_lists.items():
        yield FieldValue(field.wrong_type, tag, value)
    yield FieldValue(field.no_object, "lists in the list", [items, items])
    for count in (high + 1, high + 2, 50):
        yield FieldValue(field.too_many, f"{count} pictures", picture_items(field, *[WEB_PICTURE] * count))
    # Each position: a common mistake of servers is to validate the first item only.
    full = picture_items(field, *distinct(high))
    for at in range(high):
        for item in NO_ITEMS[: None if at == 0 else 1]:
            yield FieldValue(field.no_object, f"element {at} {item!r}"[:40], with_item(full, at, item))
        for item in hollow_items(name)[: None if at == 0 else 1]:
            yield FieldValue(field.item.missing, f"element {at} {item!r}"[:40], with_item(full, at, item))
        yield FieldValue(field.item.wrong_type, f"element {at} number", with_item(full, at, {name: 1}))
        yield FieldValue(field.item.not_base64, f"element {at}", with_item(full, at, {name: "not base64!"}))
    for rule, tag, value in _picture_faults(field.item):
        yield FieldValue(rule, tag, with_item(full, high - 1, {name: value}))


def _object_faults(field: Nested) -> Iterator[FieldValue]:
    """Valid objects, except that one part has an invalid value or is missing."""
    base = cast("dict[str, object]", minimal_value(field))
    for part in field.fields:
        for rule, tag, value in invalid_values(part):
            yield FieldValue(rule, tag, base | {part.name: value})
        if part.required:
            yield FieldValue(
                part.missing, "no key", {name: value for name, value in base.items() if name != part.name}
            )
            yield FieldValue(part.missing, "null", base | {part.name: None})


def _item_list_faults(field: ListOf) -> Iterator[FieldValue]:
    """Lists of a wrong length, and lists whose last item is invalid."""
    low, high = field.minimum.value, field.maximum.value
    item = minimal_value(field.item)
    for count in sorted({0, low - 1}) if low else ():
        yield FieldValue(field.too_few, f"{count} items", [item] * count)
    for count in (high + 1, high + 2):
        yield FieldValue(field.too_many, f"{count} items", [item] * count)
    yield FieldValue(field.wrong_type, "numbered items", {str(at): item for at in range(max(low, 1))})
    full = [item] * high
    for at in range(high):
        yield FieldValue(field.item.missing, f"element {at} null", with_item(full, at, None))
    for rule, tag, value in invalid_values(field.item):
        yield FieldValue(rule, f"element {high - 1} {tag}"[:40], with_item(full, high - 1, value))


def with_item(items: Sequence[object], at: int, item: object) -> list[object]:
    """A copy of a list with another item at one position."""
    return [*items[:at], item, *items[at + 1 :]]
