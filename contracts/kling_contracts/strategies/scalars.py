"""Hypothesis strategies for numbers and texts, and helpers for all field kinds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from hypothesis import strategies as st

from kling_contracts.cases.values import ALPHABETS, NO_WEB_URLS, SURROGATES, FieldValue, text_of
from kling_contracts.fields import CallbackUrl, Integer, Number, Text
from kling_contracts.rules import Rule

Values = st.SearchStrategy[object]

# The maximum number of characters beyond a limit.
_BEYOND: Final = 40


class Case(NamedTuple):
    """Values on the limit of a rule, or values that break it; `tag` distinguishes several of one rule."""

    rule: Rule
    tag: str
    values: Values


def samples(*values: object) -> Values:
    """One of the values; shrinks towards the first."""
    return st.sampled_from(values)


def cases(values: Iterable[FieldValue]) -> Iterator[Case]:
    for rule, tag, value in values:
        yield Case(rule, tag, samples(value))


def numbers(field: Number) -> Values:
    low, high = field.minimum.value, field.maximum.value
    limits = samples(low, high)
    if field.decimals is None:
        return limits | st.floats(low, high) | st.integers(math.ceil(low), math.floor(high))
    places = field.decimals.value
    steps = st.integers(math.ceil(low * 10**places), math.floor(high * 10**places))
    fine: Values = limits | steps.map(lambda step: step / 10**places)
    return fine | st.integers(math.ceil(low), math.floor(high))


def next_numbers(field: Number) -> Iterator[Case]:
    """The floats next to the limits: outside, and inside if decimals are limited (0.30000000000000004)."""
    low, high = field.minimum.value, field.maximum.value
    if not field.clamp:
        outside = samples(math.nextafter(low, -math.inf), math.nextafter(high, math.inf))
        yield Case(field.out_of_range, "next float", outside)
    if field.too_precise:
        inside = samples(math.nextafter(low, high), math.nextafter(high, low))
        yield Case(field.too_precise, "next float", inside)


def texts(field: Text) -> Values:
    short = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
    if field.maximum is None:
        return short
    limit, units = field.maximum.value, st.sampled_from(list(ALPHABETS.values()))
    mixed = st.lists(units, min_size=1, max_size=8).map("".join)
    return short | mixed | st.builds(text_of, units, st.integers(limit - 2, limit))


def text_edges(field: Text) -> Iterator[Case]:
    if field.too_long and field.maximum:
        for tag, unit in ALPHABETS.items():
            yield Case(field.too_long, tag, samples(text_of(unit, field.maximum.value)))


def text_faults(field: Text) -> Iterator[Case]:
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


def integer_edges(field: Integer) -> Iterator[Case]:
    for rule, limit in ((field.too_small, field.minimum.value), (field.too_large, field.maximum.value)):
        yield Case(rule, "integer", samples(limit))
        yield Case(rule, "integral float", samples(float(limit)))


def integer_faults(field: Integer) -> Iterator[Case]:
    low, high = field.minimum.value, field.maximum.value
    yield Case(field.too_small, "integer", st.integers(max_value=low - 1))
    yield Case(field.too_small, "integral float", samples(float(low - 1), -1e300))
    yield Case(field.too_large, "integer", st.integers(min_value=high + 1))
    yield Case(field.too_large, "integral float", samples(float(high + 1), 1e300))
    yield Case(field.fractional, "fraction", st.integers(low, high - 1).map(lambda n: n + 0.5))
