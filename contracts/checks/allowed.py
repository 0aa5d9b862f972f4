"""What a field allows, value by value: each option, each limit from inside, each form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts.field_values import ALPHABETS, text_of
from contracts.fields import CallbackUrl, Choice, Field, Integer, Number, Text
from contracts.picture_fields import Picture
from contracts.verify.bodies import WEB_PICTURE, Feature, photograph

# The alphabets that tell the usual mistakes in counting apart.
_COUNTED: Final = ("ascii", "han", "astral")

Allowed = tuple[str, str, object]


def features_of(field: Field) -> Iterator[Feature]:
    """What has to be accepted in a field."""
    for about, tag, value in _values(field):
        yield Feature(about, tag, {field.name: value})


def _values(field: Field) -> Iterator[Allowed]:
    """Values of a field: the rule on whose limit each lies, what it is, and the value."""
    match field:
        case CallbackUrl():
            return  # a receiver is a matter of its own
        case Text():
            yield from _texts(field)
        case Choice():
            yield from ((field.unknown.id, option, option) for option in field.options.value)
        case Integer():
            yield field.too_small.id, f"{field.name} {field.minimum.value}", field.minimum.value
            yield field.too_large.id, f"{field.name} {field.maximum.value}", field.maximum.value
        case Number():
            for limit in (field.minimum.value, field.maximum.value):
                yield field.out_of_range.id, f"{field.name} {limit:g}", limit
        case Picture():
            yield "picture_forms", f"{field.name} as a URL", WEB_PICTURE
            yield "picture_forms", f"{field.name} as a JPEG", photograph()
        case _:
            return


def _texts(field: Text) -> Iterator[Allowed]:
    if field.too_long and field.maximum:
        limit = field.maximum.value
        for alphabet in _COUNTED:
            yield field.too_long.id, f"{limit} {alphabet}", text_of(ALPHABETS[alphabet], limit)
