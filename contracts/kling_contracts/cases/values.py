"""Values that implementations get wrong: alphabets, URLs, near misses, other types.

The strategies draw them and the verifier sends them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from kling_contracts.fields import Choice, Number
from kling_contracts.rules import Rule

# Units of text, to be repeated to any length (see `text_of`). Each finds another wrong measure of length:
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
SURROGATES: Final = ("\ud800", "\udfff", "\udc00\ud800", "a\ud83d", "\ude00z")
WEB_URLS: Final = MappingProxyType(
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
NO_WEB_URLS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "scheme": ("ftp://example.com/hook", "mailto:someone@example.com", "httpss://example.com/hook"),
        "relative": ("/hook", "example.com/hook", "//example.com/hook", "hook"),
        "host": ("http://", "https:///hook", "http://?hook", "http://:8000/hook", "http://user@/hook"),
        "blank": (" https://example.com/hook", "http://exam ple.com/hook", "http://\nexample.com/hook"),
        "slashes": ("http:/example.com/hook", "https:example.com/hook"),
        "port": ("http://example.com:port/hook", "http://example.com:65536/hook"),
    }
)

# Strings that parsers of other formats convert to true and false.
FLAG_WORDS: Final = ("true", "false", "True", "yes", "on", "0")

_NOTHING: Final[list[object]] = []
_EMPTY: Final[dict[str, object]] = {}
NO_ITEMS: Final[Sequence[object]] = ("https://example.com/1.png", None, True, 1, _NOTHING, [_EMPTY])


class FieldValue(NamedTuple):
    """A value on the limit of a rule, or a value that breaks it; `tag` distinguishes several of one rule."""

    rule: Rule
    tag: str
    value: object


def text_of(unit: str, length: int) -> str:
    """`unit` repeated and cut to exactly `length` code points."""
    return (unit * -(-length // len(unit)))[:length]


def other_types(json_type: str) -> dict[str, tuple[object, ...]]:
    """Values of every other JSON type except null, by the name of their type."""
    kinds: dict[str, tuple[object, ...]] = {
        "boolean": (True, False),
        "number": (0, 1, -1, 2.5, 10**30),
        "string": ("1", "x", "[]", "null"),
        "array": (_NOTHING, ["x"], [_NOTHING], [None]),
        "object": (_EMPTY, {"0": "x"}, {"url": "https://example.com/a.png"}),
    }
    own = "number" if json_type == "integer" else json_type
    return {tag: values for tag, values in kinds.items() if tag != own}


def hollow_items(name: str) -> tuple[object, ...]:
    """Items of a picture list without a picture: no key, null, empty string."""
    return (_EMPTY, {name: None}, {name: ""}, {"image": "https://example.com/1.png"})


# Options of other operations and services.
_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "aspect_ratio": ("auto", "5:4", "4:5", "2:1", "1:2", "9:21"),
        "model_name": ("kling-v3", "kling-v1-5", "kling-image-o1", "kling-v1"),
    }
)


def near_misses(field: Choice) -> dict[str, tuple[str, ...]]:
    """Strings close to an option, by kind: with blanks, longer or shorter, mirrored, in other characters."""
    options = field.options.value
    ways: dict[str, list[str]] = {
        "blanks": [
            text for it in options for text in (it + " ", " " + it, it + "\n", it.replace(":", " : "))
        ],
        "length": [text for it in options for text in (it[:-1], it + it[-1], it + "-1", it + "\0", "0" + it)],
        "mirrored": [":".join(reversed(it.split(":"))) for it in options],
        "letters": [text for it in options for text in (it.upper(), it.title(), it.replace("-", "_"))],
        "signs": [it.replace(":", sign) for it in options for sign in ("\uff1a", "x", "/", ".")],
        "elsewhere": list(_ELSEWHERE.get(field.name, ())),
    }
    misses = {
        tag: tuple(text for text in dict.fromkeys(texts) if text and text not in options)
        for tag, texts in ways.items()
    }
    return {tag: texts for tag, texts in misses.items() if texts}


def number_edges(field: Number) -> Iterator[FieldValue]:
    """Valid numbers: both limits, the finest step, and numbers beyond the limits if they are clamped."""
    low, high = field.minimum.value, field.maximum.value
    for limit in (low, high):
        if field.clamp:
            yield FieldValue(field.wrong_type, f"limit {limit:g}", limit)
        else:
            yield FieldValue(field.out_of_range, f"limit {limit:g}", limit)
            if limit.is_integer():
                yield FieldValue(field.out_of_range, f"limit {limit:g} as an integer", int(limit))
    if field.clamp:
        for number in _beyond(field):
            yield FieldValue(field.wrong_type, f"clamped {number:g}", number)
    if field.too_precise and field.decimals:
        places = field.decimals.value
        for number in (round(low + 0.1**places, places), round(high - 0.1**places, places)):
            yield FieldValue(field.too_precise, f"{places} decimals {number!r}", number)


def number_faults(field: Number) -> Iterator[FieldValue]:
    """Numbers that break one rule: just beyond a limit, far beyond it, or with one decimal too many."""
    low, high = field.minimum.value, field.maximum.value
    if not field.clamp:
        for number in (*_beyond(field), round(low - 0.01, 2), round(high + 0.01, 2)):
            yield FieldValue(field.out_of_range, f"{number!r}", number)
    if field.too_precise and field.decimals:
        places = field.decimals.value + 1
        for number in (round(low + 0.1**places, places), round(high - 0.1**places, places)):
            yield FieldValue(field.too_precise, f"{places} decimals {number!r}", number)


def _beyond(field: Number) -> tuple[float, ...]:
    return (math.floor(field.minimum.value) - 1, math.ceil(field.maximum.value) + 1, -1e300, 1e300)
