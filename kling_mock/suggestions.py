"""Messages about unknown names, with suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kling_contracts.vocabulary import TaskStatus

SUGGESTIONS: Final = 3
SHORTEST_PART: Final = 3


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A message such as "unknown field 'ratio'; did you mean 'aspect_ratio'?".

    If exactly one known name begins with `name`, only that is suggested; otherwise up to three names that are
    similar or contain it. Otherwise the message lists all known names.
    """
    import difflib

    names = list(dict.fromkeys(known))
    completions = [each for each in names if each.startswith(name)]
    if name and len(completions) == 1:
        near = completions
    else:
        containing = [each for each in names if len(name) >= SHORTEST_PART and name in each]
        near = list(dict.fromkeys([*difflib.get_close_matches(name, names), *containing]))[:SUGGESTIONS]
    if not near:
        return f"unknown {kind} {name!r}; known: {', '.join(names) or 'none'}"
    *others, last = map(repr, near)
    return f"unknown {kind} {name!r}; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"


def status_of(name: str) -> TaskStatus:
    """The task status with this name. Raises ValueError with suggestions for an unknown one."""
    try:
        return TaskStatus(name)
    except ValueError:
        raise ValueError(unknown("status", name, [each.value for each in TaskStatus])) from None
