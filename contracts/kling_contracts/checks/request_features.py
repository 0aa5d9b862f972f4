"""The features of valid requests: fields of a body with one value that a server must accept.

An operation has no feature for a field that it lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, assert_never, cast

from kling_contracts.cases.images import WEB_PICTURE, distinct, photograph, picture
from kling_contracts.cases.invalid import minimal_value
from kling_contracts.cases.values import ALPHABETS, number_edges, text_of
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.bodies import Body, Feature, count_feature, minimal, subjects
from kling_contracts.vocabulary import Fact

# Alphabets that distinguish the usual errors in counting characters.
_COUNTED: Final = ("ascii", "han", "astral")
Allowed = tuple[str, str, object]
# The subject of a feature that is at no limit and no special form.
VALID: Final = "valid"


def scene_and_style(operation: Operation) -> list[Picture]:
    """The first and the last field for a single image."""
    pictures = parts.pictures(operation)
    return [pictures[0], pictures[-1]] if len(pictures) > 1 else pictures


def limit_feature(number: Integer, limit: Fact[int]) -> Feature:
    rule = number.too_large if limit is number.maximum else number.too_small
    return Feature(rule.id, f"{number.name} {limit.value}", {number.name: limit.value})


def counts_of_pictures(operation: Operation, listed: PictureList) -> list[Feature]:
    """A feature for each number of subjects."""
    low, high = listed.minimum.value, listed.maximum.value
    return [count_feature(operation, count, *distinct(high)) for count in range(low, high + 1)]


def equal_pictures(operation: Operation, listed: PictureList | None) -> Iterator[Feature]:
    if listed and listed.maximum.value > 1:
        same = count_feature(operation, 2, picture())
        yield Feature("equal_pictures", "the same picture twice", same.fields)


def long_text(operation: Operation, alphabet: str) -> Iterator[Feature]:
    """A text of the maximum length in one alphabet."""
    text = parts.main_text(operation)
    if text and text.too_long and text.maximum:
        limit = text.maximum.value
        given = {text.name: text_of(ALPHABETS[alphabet], limit)}
        yield Feature(text.too_long.id, f"{limit} {alphabet}", given)


def odd_characters(operation: Operation) -> Iterator[Feature]:
    """Characters that some programs reject, though they are valid in JSON and Unicode."""
    text = parts.main_text(operation)
    if text:
        given = {text.name: "a\x00b\t\n\x7f\u200f\ufeff\uffff"}
        yield Feature(f"{text.name}.characters", "control characters", given)


def forms_of_pictures(operation: Operation, listed: PictureList | None) -> Iterator[Feature]:
    plain = WEB_PICTURE.replace("https", "http")
    others: dict[str, object] = {field.name: plain for field in parts.pictures(operation)[-1:]}
    if listed:
        forms = subjects(operation, WEB_PICTURE, photograph(), picture())
        yield Feature("picture_forms", "two URLs, a JPEG, a PNG", {listed.name: forms} | others)
    elif others:
        yield Feature("picture_forms", "a URL", others)


def inline_pictures(operation: Operation) -> Iterator[Feature]:
    fields = scene_and_style(operation)
    forms = (picture(), photograph()) if len(fields) > 1 else (photograph(),)
    if fields:
        given = {field.name: form for field, form in zip(fields, forms, strict=True)}
        yield Feature("picture_forms", "a scene and a style" if len(fields) > 1 else "a JPEG", given)


def _omittable(operation: Operation) -> list[AnyField]:
    """The optional fields; without the ratio, which every request has."""
    needed = minimal(operation)
    fields = operation.fields
    return [it for it in fields if not it.required and it.name != parts.RATIO and it.name not in needed]


def empty_texts(operation: Operation) -> Iterator[Feature]:
    empty = {it.name: "" for it in _omittable(operation) if isinstance(it, Text | Picture)}
    if empty:
        yield Feature("empty_text", "empty optional texts", empty)


def nulls(operation: Operation) -> tuple[Feature, ...]:
    omitted = dict.fromkeys(it.name for it in _omittable(operation))
    return (Feature("null", "null optional fields", omitted),) if omitted else ()


def unknown_fields(operation: Operation, listed: PictureList | None) -> Feature:
    fields: dict[str, object] = {"x_unknown": {"x": [1]}} | _other_spellings(operation)
    fields |= {} if "lang" in operation.keys else {"lang": "en"}
    if listed:
        items = [item | {"x_note": "two of them"} for item in subjects(operation, *distinct(2))]
        fields = {listed.name: items} | fields
    return Feature("unknown_fields", "unknown fields", fields)


def _other_spellings(operation: Operation) -> dict[str, object]:
    """Names of optional fields in other cases, with a value that the fields themselves refuse."""
    names = [field.name for field in operation.fields if not field.required]
    camel = [re.sub("_(.)", lambda found: found[1].upper(), name) for name in names]
    return {name: [False] for name in sorted({*camel, *map(str.upper, names)} - operation.keys)}


def features_of(field: AnyField) -> Iterator[Feature]:
    """The features of a single field."""
    for about, tag, value in _values(field):
        yield Feature(about, tag, {field.name: value})


def _values(field: AnyField) -> Iterator[Allowed]:  # noqa: C901 -- one case for each kind
    """Valid values of a field, each with the rule whose limit it is at (or another id) and a name."""
    name = field.full_name
    match field:
        case CallbackUrl():
            yield field.not_url.id, f"{name} with a port", "http://127.0.0.1:65535/hook"
        case Text():
            yield from _texts(field)
        case Choice():
            yield from ((field.unknown.id, option, option) for option in field.options.value)
        case Integer():
            yield field.too_small.id, f"{name} {field.minimum.value}", field.minimum.value
            yield field.too_large.id, f"{name} {field.maximum.value}", field.maximum.value
        case Number():
            yield from ((edge.rule.id, f"{name} {edge.tag}", edge.value) for edge in number_edges(field))
        case Flag():
            yield from ((field.wrong_type.id, f"{name} {flag}".lower(), flag) for flag in (True, False))
        case Picture():
            yield "picture_forms", f"{name} as a URL", WEB_PICTURE
            yield "picture_forms", f"{name} as a JPEG", photograph()
        case Nested():
            yield from _objects(field)
        case ListOf():
            yield from _lists(field)
        case PictureList():
            yield field.too_many.id, f"{field.maximum.value} pictures", _most(field)
        case _:
            assert_never(field)


def _texts(field: Text) -> Iterator[Allowed]:
    if field.too_long and field.maximum:
        limit = field.maximum.value
        for alphabet in _COUNTED:
            yield field.too_long.id, f"{limit} {alphabet}", text_of(ALPHABETS[alphabet], limit)


def _objects(field: Nested) -> Iterator[Allowed]:
    """Each value of each part, in an otherwise minimal object."""
    base = cast("Body", minimal_value(field))
    for part in field.fields:
        for about, tag, value in _values(part):
            yield about, tag, base | {part.name: value}


def _lists(field: ListOf) -> Iterator[Allowed]:
    """The fewest and the most items, and each value of an item in an otherwise minimal list."""
    low, high = field.minimum.value, field.maximum.value
    item = minimal_value(field.item)
    yield (field.too_few if low else field.wrong_type).id, f"{low} items", [item] * low
    yield field.too_many.id, f"{high} items", [item] * high
    for about, tag, value in _values(field.item):
        yield about, tag, [*[item] * (low - 1), value]


def _most(field: PictureList) -> list[Body]:
    return [{field.item.name: WEB_PICTURE} for _ in range(field.maximum.value)]
