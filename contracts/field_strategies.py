"""Hypothesis: values of one field. Valid ones, those exactly on a limit, those that break one rule.

Everything is derived from the declaration of the field. The values lie where mistakes are: plain random
text never comes near a limit of 2500 characters, and never mixes up code points, bytes and UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from hypothesis import strategies as st

from contracts.field_values import (
    ALPHABETS,
    NO_ITEMS,
    NO_WEB_URLS,
    SURROGATES,
    WEB_URLS,
    hollow_items,
    near_misses,
    other_types,
    text_of,
)
from contracts.fields import CallbackUrl, Choice, Field, Integer, Text
from contracts.picture_fields import Picture, PictureList
from contracts.picture_strategies import picture_edges, picture_faults, pictures
from contracts.rules import Rule

Values = st.SearchStrategy[object]

# Nothing real is lost between a value at the limit and one a few dozen beyond it.
_BEYOND: Final = 40
_NOTHING: Final[list[object]] = []


class Case(NamedTuple):
    """Values that lie on the limit of a rule, or break it, in one way (`tag`)."""

    rule: Rule
    tag: str
    values: Values


def samples(*values: object) -> Values:
    """One of the values, the first when shrunk."""
    return st.sampled_from(values)


def valid_values(field: Field) -> Values:
    """Given values that break no rule; small ones when shrunk. Not for `external_task_id` on a server."""
    match field:
        case PictureList():
            return _lists(field, field.minimum.value, field.maximum.value)
        case Picture():
            return pictures()
        case Integer():
            numbers = st.integers(field.minimum.value, field.maximum.value)
            return numbers | numbers.map(float)
        case Choice():
            return samples(*field.options.value)
        case CallbackUrl():
            return samples(*WEB_URLS.values())
        case Text():
            return _texts(field)
        case _:
            raise TypeError(f"no values for a field of kind {type(field).__name__}")


def edge_values(field: Field) -> Iterator[Case]:
    """Valid values exactly on a limit, by the rule they nearly break."""
    match field:
        case PictureList():
            yield from _list_edges(field)
        case Picture():
            yield from (Case(*case) for case in picture_edges(field))
        case Integer():
            yield from _number_edges(field)
        case Choice():
            for option in field.options.value:
                yield Case(field.unknown, option, samples(option))
        case CallbackUrl():
            for tag, url in WEB_URLS.items():
                yield Case(field.not_url, tag, samples(url))
        case Text():
            yield from _text_edges(field)
        case _:
            pass
    if not field.required:
        yield Case(field.wrong_type, "null", samples(None))
        yield Case(field.wrong_type, "empty", samples(""))


def fault_values(field: Field) -> Iterator[Case]:
    """Values that break exactly one rule of the field (the caller leaves a required one out himself)."""
    for tag, values in other_types(field.json_type).items():
        yield Case(field.wrong_type, tag, samples(*values))
    match field:
        case PictureList():
            yield from _list_faults(field)
        case Picture():
            yield from (Case(*case) for case in picture_faults(field))
        case Integer():
            yield from _number_faults(field)
        case Choice():
            for tag, texts in near_misses(field).items():
                yield Case(field.unknown, tag, samples(*texts))
        case Text():
            yield from _text_faults(field)
        case _:
            pass


def _texts(field: Text) -> Values:
    short = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
    if field.maximum is None:
        return short
    limit, units = field.maximum.value, st.sampled_from(list(ALPHABETS.values()))
    mixed = st.lists(units, min_size=1, max_size=8).map("".join)
    return short | mixed | st.builds(text_of, units, st.integers(limit - 2, limit))


def _text_edges(field: Text) -> Iterator[Case]:
    if field.too_long and field.maximum:
        for tag, unit in ALPHABETS.items():
            yield Case(field.too_long, tag, samples(text_of(unit, field.maximum.value)))


def _text_faults(field: Text) -> Iterator[Case]:
    yield Case(field.not_text, "surrogate", samples(*SURROGATES))
    if field.too_long and field.maximum:
        lengths = st.integers(field.maximum.value + 1, field.maximum.value + _BEYOND)
        for tag, unit in ALPHABETS.items():
            yield Case(field.too_long, tag, lengths.map(_repeat(unit)))
    if isinstance(field, CallbackUrl):
        for tag, urls in NO_WEB_URLS.items():
            yield Case(field.not_url, tag, samples(*urls))


def _repeat(unit: str) -> Callable[[int], str]:
    return lambda length: text_of(unit, length)


def _number_edges(field: Integer) -> Iterator[Case]:
    for rule, limit in ((field.too_small, field.minimum.value), (field.too_large, field.maximum.value)):
        yield Case(rule, "integer", samples(limit))
        yield Case(rule, "integral float", samples(float(limit)))


def _number_faults(field: Integer) -> Iterator[Case]:
    low, high = field.minimum.value, field.maximum.value
    yield Case(field.too_small, "integer", st.integers(max_value=low - 1))
    yield Case(field.too_small, "integral float", samples(float(low - 1), -1e300))
    yield Case(field.too_large, "integer", st.integers(min_value=high + 1))
    yield Case(field.too_large, "integral float", samples(float(high + 1), 1e300))
    yield Case(field.fractional, "fraction", st.integers(low, high - 1).map(lambda n: n + 0.5))


def _items(field: PictureList, picture: Values) -> Values:
    return picture.map(lambda given: {field.item.name: given})


def _lists(field: PictureList, shortest: int, longest: int) -> Values:
    return st.lists(_items(field, pictures()), min_size=shortest, max_size=longest)


def _with_item(field: PictureList, broken: Values) -> Values:
    """Lists of a legal length with one such item, at any position."""
    positions = st.integers(0, field.maximum.value - 1)
    lists = st.lists(_items(field, pictures()), min_size=field.minimum.value, max_size=field.maximum.value)
    return st.builds(_replaced, lists, positions, broken)


def _replaced(items: list[object], position: int, item: object) -> list[object]:
    position %= len(items)
    return [*items[:position], item, *items[position + 1 :]]


def _list_edges(field: PictureList) -> Iterator[Case]:
    limits = [(field.too_many, field.maximum.value)]
    if field.too_few in field.rules:
        limits.append((field.too_few, field.minimum.value))
    for rule, limit in limits:
        yield Case(rule, "distinct", _lists(field, limit, limit))
        equal = pictures().map(_equal_items(field, limit))
        yield Case(rule, "equal", equal)
    for rule, tag, values in picture_edges(field.item):
        yield Case(rule, tag, _with_item(field, _items(field, values)))


def _equal_items(field: PictureList, count: int) -> Callable[[object], object]:
    return lambda picture: [{field.item.name: picture} for _ in range(count)]


def _list_faults(field: PictureList) -> Iterator[Case]:
    name = field.item.name
    yield Case(field.missing, "empty", samples(_NOTHING))
    yield Case(field.missing, "null", samples(None))
    yield Case(field.missing, "empty text", samples(""))
    if field.too_few in field.rules:
        yield Case(field.too_few, "short", _lists(field, 1, field.minimum.value - 1))
    high = field.maximum.value
    yield Case(field.too_many, "long", _lists(field, high + 1, high + 3))
    yield Case(field.too_many, "equal", pictures().map(_equal_items(field, high + 1)))
    yield Case(field.too_many, "very long", pictures().map(_equal_items(field, 50)))
    yield Case(field.no_object, "item", _with_item(field, samples(*NO_ITEMS)))
    yield Case(field.item.missing, "item", _with_item(field, samples(*hollow_items(name))))
    for tag, wrong in other_types(field.item.json_type).items():
        yield Case(field.item.wrong_type, tag, _with_item(field, _items(field, samples(*wrong))))
    for rule, tag, values in picture_faults(field.item):
        yield Case(rule, tag, _with_item(field, _items(field, values)))
