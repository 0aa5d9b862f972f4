"""Hypothesis: values of one field. Valid ones, those exactly on a limit, those that break one rule.

Everything is derived from the declaration of the field. The values lie where mistakes are: plain random
text never comes near a limit of 2500 characters, and never mixes up code points, bytes and UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hypothesis import strategies as st

from contracts.fields import CallbackUrl, Choice, Field, Integer, Text
from contracts.picture_fields import Picture, PictureList
from contracts.picture_strategies import picture_edges, picture_faults, pictures
from contracts.rules import Rule

Values = st.SearchStrategy[object]

# One unit of text each; repeated and cut they give any length. What a length is mistaken for differs:
# bytes, UTF-16 units, user-perceived characters, the length after trimming or normalisation.
ALPHABETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ascii": "a",
        "space": " ",
        "accented": "é",
        "han": "漢",
        "astral": "😀",
        "combining": "e\u0301",
        "joined": "👩\u200d🎨",
    }
)
# Nothing real is lost between a value at the limit and one a few dozen beyond it.
_BEYOND: Final = 40
_SURROGATES: Final = st.sampled_from(("\ud800", "\udfff", "\udc00\ud800", "a\ud83d", "\ude00z"))
_WEB_URLS: Final = MappingProxyType(
    {
        "upper-case scheme": "HTTPS://example.com/hook",
        "port": "http://127.0.0.1:65535/hook",
        "address": "http://[::1]:8000/hook",
        "user": "https://user:word@example.com/hook",
        "bare host": "https://example.com",
        "query": "https://example.com?task=1#part",
        "international": "https://müller.example/häkchen",
    }
)
_NO_WEB_URLS: Final = MappingProxyType(
    {
        "scheme": ("ftp://example.com/hook", "mailto:someone@example.com", "httpss://example.com/hook"),
        "relative": ("/hook", "example.com/hook", "//example.com/hook", "hook"),
        "host": ("http://", "https:///hook", "http://?hook", "http://:8000/hook", "http://user@/hook"),
        "blank": (" https://example.com/hook", "http://exam ple.com/hook", "http://\nexample.com/hook"),
        "slashes": ("http:/example.com/hook", "https:example.com/hook"),
        "port": ("http://example.com:port/hook", "http://example.com:65536/hook"),
    }
)

_NOTHING: Final[list[object]] = []
_EMPTY: Final[dict[str, object]] = {}
_NO_ITEMS: Final = ("https://example.com/1.png", None, True, 1, _NOTHING, [_EMPTY])


class Case(NamedTuple):
    """Values that lie on the limit of a rule, or break it, in one way (`tag`)."""

    rule: Rule
    tag: str
    values: Values


def samples(*values: object) -> Values:
    """One of the values, the first when shrunk."""
    return st.sampled_from(values)


def text_of(unit: str, length: int) -> str:
    """Text of exactly `length` code points that repeats `unit`."""
    return (unit * -(-length // len(unit)))[:length]


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
            return samples(*_WEB_URLS.values())
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
            for tag, url in _WEB_URLS.items():
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
    for tag, values in _other_types(field.json_type).items():
        yield Case(field.wrong_type, tag, values)
    match field:
        case PictureList():
            yield from _list_faults(field)
        case Picture():
            yield from (Case(*case) for case in picture_faults(field))
        case Integer():
            yield from _number_faults(field)
        case Choice():
            yield from _near_misses(field)
        case Text():
            yield from _text_faults(field)
        case _:
            pass


def _other_types(json_type: str) -> dict[str, Values]:
    kinds: dict[str, Values] = {
        "boolean": samples(True, False),
        "number": samples(0, 1, -1, 2.5, 10**30),
        "string": samples("1", "x", "[]", "null"),
        "array": samples(_NOTHING, ["x"], [_NOTHING], [None]),
        "object": samples(_EMPTY, {"0": "x"}, {"url": "https://example.com/a.png"}),
    }
    own = "number" if json_type == "integer" else json_type
    return {tag: values for tag, values in kinds.items() if tag != own}


def _near_misses(field: Choice) -> Iterator[Case]:
    """What is nearly an option: with blanks, longer or shorter, mirrored, in other letters or signs."""
    options = field.options.value
    ways: dict[str, list[str]] = {
        "blanks": [
            text for it in options for text in (it + " ", " " + it, it + "\n", it.replace(":", " : "))
        ],
        "length": [text for it in options for text in (it[:-1], it + it[-1], it + "-1", it + "\0", "0" + it)],
        "mirrored": [":".join(reversed(it.split(":"))) for it in options],
        "letters": [text for it in options for text in (it.upper(), it.title(), it.replace("-", "_"))],
        "signs": [it.replace(":", sign) for it in options for sign in ("\uff1a", "x", "/", ".")],
    }
    for tag, texts in ways.items():
        misses = [text for text in dict.fromkeys(texts) if text and text not in options]
        if misses:
            yield Case(field.unknown, tag, samples(*misses))


def _texts(field: Text) -> Values:
    short = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
    if field.maximum is None:
        return short
    limit = field.maximum.value
    long = st.builds(text_of, st.sampled_from(list(ALPHABETS.values())), st.integers(limit - 2, limit))
    return short | long


def _text_edges(field: Text) -> Iterator[Case]:
    if field.too_long and field.maximum:
        for tag, unit in ALPHABETS.items():
            yield Case(field.too_long, tag, samples(text_of(unit, field.maximum.value)))


def _text_faults(field: Text) -> Iterator[Case]:
    yield Case(field.not_text, "surrogate", _SURROGATES)
    if field.too_long and field.maximum:
        lengths = st.integers(field.maximum.value + 1, field.maximum.value + _BEYOND)
        for tag, unit in ALPHABETS.items():
            yield Case(field.too_long, tag, lengths.map(_repeat(unit)))
    if isinstance(field, CallbackUrl):
        for tag, urls in _NO_WEB_URLS.items():
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
    yield Case(field.no_object, "item", _with_item(field, samples(*_NO_ITEMS)))
    hollow = samples(_EMPTY, {name: None}, {name: ""}, {"image": "https://example.com/1.png"})
    yield Case(field.item.missing, "item", _with_item(field, hollow))
    for tag, values in _other_types(field.item.json_type).items():
        yield Case(field.item.wrong_type, tag, _with_item(field, _items(field, values)))
    for rule, tag, values in picture_faults(field.item):
        yield Case(rule, tag, _with_item(field, _items(field, values)))
