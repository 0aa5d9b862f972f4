"""Hypothesis strategies for values of one field: valid, exactly on a limit, or breaking one rule.

All are derived from the declaration of the field. They draw the values that implementations get wrong: random
text would never reach a limit of 2500 characters, nor distinguish code points, bytes and UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol, assert_never, cast

from hypothesis import strategies as st

from kling_contracts.cases.invalid import with_item
from kling_contracts.cases.values import (
    FLAG_WORDS,
    NO_ITEMS,
    WEB_URLS,
    hollow_items,
    near_misses,
    number_edges,
    number_faults,
    other_types,
)
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.strategies.images import picture_edges, picture_faults, pictures
from kling_contracts.strategies.objects import ABSENT, Object, Objects, Plain, objects
from kling_contracts.strategies.scalars import (
    Case,
    Values,
    cases,
    integer_edges,
    integer_faults,
    next_numbers,
    numbers,
    samples,
    text_edges,
    text_faults,
    texts,
)

_NOTHING: Final[list[object]] = []
# The number of fields (and of their lists of one length) whose strategies are kept.
_KEPT: Final = 256


# Hypothesis validates each strategy at its first use, which takes longer than drawing a few values.
@lru_cache(maxsize=_KEPT)
def valid_values(field: AnyField) -> Values:  # noqa: C901 -- one case for each kind
    """Valid values; shrinks towards small ones. Not for `external_task_id` on a server, which must be new."""
    match field:
        case PictureList():
            return _lists(field, field.minimum.value, field.maximum.value)
        case Picture():
            return pictures()
        case Integer():
            whole = st.integers(field.minimum.value, field.maximum.value)
            return whole | whole.map(float)
        case Number():
            return numbers(field)
        case Flag():
            return st.booleans()
        case Choice():
            return samples(*field.options.value)
        case CallbackUrl():
            return samples(*WEB_URLS.values())
        case Text():
            return texts(field)
        case Nested():
            return objects(field.fields, plain_values(field.fields))
        case ListOf():
            return _item_lists(field, field.minimum.value, field.maximum.value)
        case _:
            assert_never(field)


def plain_values(fields: Iterable[AnyField]) -> Plain:
    """Strategies for valid values of every field, by its declared name."""
    return {field.name: valid_values(field) for field in fields}


def edge_values(field: AnyField) -> Iterator[Case]:  # noqa: C901, PLR0912 -- one case for each kind
    """Valid values exactly on a limit, with the rule of that limit."""
    match field:
        case PictureList():
            yield from _list_edges(field)
        case Picture():
            yield from (Case(*case) for case in picture_edges(field))
        case Integer():
            yield from integer_edges(field)
        case Number():
            yield from cases(number_edges(field))
        case Flag():
            yield Case(field.wrong_type, "true", samples(True))
            yield Case(field.wrong_type, "false", samples(False))
        case Choice():
            for option in field.options.value:
                yield Case(field.unknown, option, samples(option))
        case CallbackUrl():
            for tag, url in WEB_URLS.items():
                yield Case(field.not_url, tag, samples(url))
        case Text():
            yield from text_edges(field)
        case Nested():
            yield from object_edges(field.fields, plain_values(field.fields))
        case ListOf():
            yield from _item_list_edges(field)
        case _:
            assert_never(field)
    if not field.required:
        yield Case(field.wrong_type, "null", samples(None))
        yield Case(field.wrong_type, "empty", samples(""))


def fault_values(field: AnyField) -> Iterator[Case]:  # noqa: C901 -- one case for each kind
    """Values that break exactly one rule of the field; `object_faults` covers missing values."""
    for tag, values in other_types(field.json_type).items():
        yield Case(field.wrong_type, tag, samples(*values))
    match field:
        case PictureList():
            yield from _list_faults(field)
        case Picture():
            yield from (Case(*case) for case in picture_faults(field))
        case Integer():
            yield from integer_faults(field)
        case Number():
            yield from cases(number_faults(field))
            yield from next_numbers(field)
        case Flag():
            yield Case(field.wrong_type, "word", samples(*FLAG_WORDS))
        case Choice():
            for tag, texts in near_misses(field).items():
                yield Case(field.unknown, tag, samples(*texts))
        case CallbackUrl() | Text():
            yield from text_faults(field)
        case Nested():
            yield from object_faults(field.fields, plain_values(field.fields))
        case ListOf():
            yield from _item_list_faults(field)
        case _:
            assert_never(field)


class Around(Protocol):
    """Strategy for objects of valid fields, except that one field has one of some values."""

    def __call__(
        self, fields: Sequence[AnyField], plain: Plain, special: AnyField, values: Values, /
    ) -> Values: ...


def object_edges(fields: Sequence[AnyField], plain: Plain, around: Around = objects) -> Iterator[Case]:
    """Objects of valid fields, one exactly on a limit. `around` makes the objects."""
    for field in fields:
        for rule, tag, values in edge_values(field):
            yield Case(rule, tag, around(fields, plain, field, values))


def object_faults(fields: Sequence[AnyField], plain: Plain, around: Around = objects) -> Iterator[Case]:
    """Objects in which one field breaks one rule, or is missing."""
    for field in fields:
        if field.required:
            for tag, nothing in (("absent", ABSENT), ("null", None), ("empty text", "")):
                yield Case(field.missing, tag, around(fields, plain, field, st.just(nothing)))
        for rule, tag, values in fault_values(field):
            yield Case(rule, tag, around(fields, plain, field, values))


def ignored_values(field: AnyField, extras: Objects) -> Iterator[tuple[str, Values]]:
    """Valid values with one of `extras` in a position that is ignored: an unknown key or a second alias."""
    match field:
        case PictureList():
            full = _lists(field, field.minimum.value, field.maximum.value)
            yield "unknown field of an item", st.builds(_add_to_last, full, extras)
        case Nested():
            plain = plain_values(field.fields)
            full = objects(field.fields, plain)
            yield f"unknown field of {field.full_name}", st.builds(dict[str, object].__or__, full, extras)
            for inner in field.fields:
                for alias in inner.aliases:
                    pair = objects(field.fields, plain, inner, plain[inner.name])
                    beside = st.builds(
                        both_names, pair, st.just(inner.name), plain[inner.name], st.just(alias)
                    )
                    yield f"alias beside {inner.full_name}", beside
                for tag, values in ignored_values(inner, extras):
                    yield tag, objects(field.fields, plain, inner, values)
        case ListOf():
            for tag, values in ignored_values(field.item, extras):
                yield tag, _with_list_item(field, values)
        case Text() | Choice() | Integer() | Number() | Flag() | Picture():
            pass
        case _:
            assert_never(field)


def both_names(body: Object, name: str, value: object, alias: str) -> Object:
    """A copy of `body` with the field under its name, and a value under `alias` that is not Unicode text."""
    return body | {name: value, alias: "\ud800"}


def _add_to_last(items: object, extra: Object) -> object:
    rest = cast("list[Object]", items)
    return [*rest[:-1], rest[-1] | extra]


def _items(field: PictureList, picture: Values) -> Values:
    return picture.map(lambda given: {field.item.name: given})


@lru_cache(maxsize=_KEPT)
def _lists(field: PictureList, shortest: int, longest: int) -> Values:
    return st.lists(_items(field, pictures()), min_size=shortest, max_size=longest)


def _with_item(field: PictureList, broken: Values) -> Values:
    """Lists of a legal length with one of the items at any position."""
    positions = st.integers(0, field.maximum.value - 1)
    lists = _lists(field, field.minimum.value, field.maximum.value)
    return st.tuples(lists, positions, broken).map(_replaced)


def _replaced(drawn: tuple[object, int, object]) -> list[object]:
    items, position, item = cast("list[object]", drawn[0]), drawn[1], drawn[2]
    return with_item(items, position % len(items), item)


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


@lru_cache(maxsize=_KEPT)
def _item_lists(field: ListOf, shortest: int, longest: int) -> Values:
    return st.lists(valid_values(field.item), min_size=shortest, max_size=longest)


def _with_list_item(field: ListOf, values: Values) -> Values:
    """Lists of a legal length with one of the items at any position."""
    lists = _item_lists(field, max(1, field.minimum.value), field.maximum.value)
    return st.tuples(lists, st.integers(0, field.maximum.value - 1), values).map(_replaced)


def _item_list_edges(field: ListOf) -> Iterator[Case]:
    low, high = field.minimum.value, field.maximum.value
    yield Case(field.too_many, "longest", _item_lists(field, high, high))
    yield Case(field.too_few if low else field.wrong_type, "shortest", _item_lists(field, low, low))
    for rule, tag, values in edge_values(field.item):
        yield Case(rule, tag, _with_list_item(field, values))


def _item_list_faults(field: ListOf) -> Iterator[Case]:
    low, high = field.minimum.value, field.maximum.value
    if low:
        yield Case(field.too_few, "short", _item_lists(field, 0, low - 1))
    yield Case(field.too_many, "long", _item_lists(field, high + 1, high + 3))
    equal = valid_values(field.item).map(lambda item: [item] * (high + 1))
    yield Case(field.too_many, "equal", equal)
    for tag, nothing in (("null", None), ("empty text", "")):
        yield Case(field.item.missing, tag, _with_list_item(field, samples(nothing)))
    for rule, tag, values in fault_values(field.item):
        yield Case(rule, tag, _with_list_item(field, values))
