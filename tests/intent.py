"""What properties have seen: labels for Hypothesis's statistics, and a census of them.

A property that never meets what it is about holds for nothing. So a property says what it draws (`saw`); a
census runs it, or a strategy, on the examples that `CI` draws, and a test compares what was seen with what is
declared.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from hypothesis import event

_HEARD: Final[ContextVar[set[tuple[str, str]] | None]] = ContextVar("heard", default=None)

# Each is miscounted in a way of its own. Told by code point, as nothing here knows the strategies.
ALPHABETS: Final = ("ascii", "space", "two bytes", "CJK", "astral", "combining", "joined")


def saw(kind: str, what: object) -> None:
    """Label the example at hand: shown by `--hypothesis-show-statistics`, and heard by a census."""
    event(f"{kind}: {what}")
    heard = _HEARD.get()
    if heard is not None:
        heard.add((kind, str(what)))


@contextmanager
def census() -> Iterator[set[tuple[str, str]]]:
    """The pairs of kind and label that are seen while the context lasts."""
    heard: set[tuple[str, str]] = set()
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


def missing(due: Iterable[object], heard: Iterable[tuple[str, str]], kind: str) -> list[str]:
    """The labels of a kind that are due and were never seen, by name."""
    return sorted({str(each) for each in due} - {label for seen, label in heard if seen == kind})


def alphabets(text: str) -> set[str]:
    """Which alphabets a text has letters of."""
    tests: dict[str, Callable[[str], object]] = {
        "ascii": lambda char: char.isascii() and not char.isspace(),
        "space": str.isspace,
        "two bytes": lambda char: "\x80" <= char < "\u0300",
        "CJK": lambda char: "\u4e00" <= char <= "\u9fff",
        "astral": lambda char: char >= "\U00010000",
        "combining": unicodedata.combining,
        "joined": "\u200d".__eq__,
    }
    return {name for name, holds in tests.items() if any(map(holds, text))}
