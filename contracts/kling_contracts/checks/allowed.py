"""What a field allows, value by value: each option, each limit from inside, each form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never, cast

from kling_contracts.cases.images import WEB_PICTURE, photograph
from kling_contracts.cases.invalid import minimal_value
from kling_contracts.cases.values import ALPHABETS, number_edges, text_of
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.verify.bodies import Body, Feature

# The alphabets that tell the usual mistakes in counting apart.
_COUNTED: Final = ("ascii", "han", "astral")

Allowed = tuple[str, str, object]


def features_of(field: AnyField) -> Iterator[Feature]:
    """What has to be accepted in a field."""
    for about, tag, value in _values(field):
        yield Feature(about, tag, {field.name: value})


def _values(field: AnyField) -> Iterator[Allowed]:  # noqa: C901 -- one case for each kind
    """Values of a field, each with the rule on whose limit it lies, or what it is about, and a name."""
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
    """Each value of a part, in an object that is minimal otherwise."""
    base = cast("Body", minimal_value(field))
    for part in field.fields:
        for about, tag, value in _values(part):
            yield about, tag, base | {part.name: value}


def _lists(field: ListOf) -> Iterator[Allowed]:
    """The fewest and the most items, and each value of an item in a list that is minimal otherwise."""
    low, high = field.minimum.value, field.maximum.value
    item = minimal_value(field.item)
    yield (field.too_few if low else field.wrong_type).id, f"{low} items", [item] * low
    yield field.too_many.id, f"{high} items", [item] * high
    for about, tag, value in _values(field.item):
        yield about, tag, [*[item] * (low - 1), value]


def _most(field: PictureList) -> list[Body]:
    return [{field.item.name: WEB_PICTURE} for _ in range(field.maximum.value)]
