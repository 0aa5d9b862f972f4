"""Labels of drawn examples, for Hypothesis's statistics and for tests of coverage.

A property that never draws the interesting values proves nothing. So properties label their examples (`saw`),
and a test runs a property or strategy on the examples of the profile `CI`, collects the labels (`census`) and
compares them with the declared ones.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from hypothesis import event

_HEARD: Final[ContextVar[set[tuple[str, str]] | None]] = ContextVar("heard", default=None)

# Alphabets that implementations count wrongly, recognised by code point, independent of the strategies.
ALPHABETS: Final = ("ascii", "space", "two bytes", "CJK", "astral", "combining", "joined")


def saw(kind: str, what: object) -> None:
    """Label the current example, for `--hypothesis-show-statistics` and for `census`."""
    event(f"{kind}: {what}")
    heard = _HEARD.get()
    if heard is not None:
        heard.add((kind, str(what)))


@contextmanager
def census() -> Iterator[set[tuple[str, str]]]:
    """Collects the pairs of kind and label of all examples within the context."""
    heard: set[tuple[str, str]] = set()
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


def missing(due: Iterable[object], heard: Iterable[tuple[str, str]], kind: str) -> list[str]:
    """The expected labels of a kind that were never seen, sorted."""
    return sorted({str(each) for each in due} - {label for seen, label in heard if seen == kind})


def alphabets(text: str) -> set[str]:
    """The alphabets that a text has characters of."""
    tests: dict[str, Callable[[str], object]] = {
        "ascii": lambda char: char.isascii() and not char.isspace(),
        "space": str.isspace,
        "two bytes": lambda char: "\x80" <= char < "\u0300",
        "CJK": lambda char: "\u4e00" <= char <= "\u9fff",
        "astral": lambda char: char >= "\U00010000",
        "combining": unicodedata.combining,
        "joined": "\u200d".__eq__,
    }
    characters = set(text)
    return {name for name, holds in tests.items() if any(map(holds, characters))}
