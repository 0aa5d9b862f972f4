"""Messages about unknown names, with similar names as suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SUGGESTIONS: Final = 3
# Least similarity of a suggestion, from 0 to 1.
CUTOFF: Final = 0.7


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A message such as "unknown field 'ratio'; did you mean 'aspect_ratio'?".

    If exactly one known name begins with `name`, only that is suggested; otherwise at most three similar
    names, or names that contain it. Without similar names the message lists all known ones.
    """
    import difflib

    names = sorted(known)
    completions = [each for each in names if name and each.startswith(name)]
    if len(completions) != 1:
        containing = [each for each in names if name and name in each]
        similar = difflib.get_close_matches(name, names, n=SUGGESTIONS, cutoff=CUTOFF)
        completions = list(dict.fromkeys([*similar, *containing]))[:SUGGESTIONS]
    if not completions:
        return f"unknown {kind} {name!r}; known: {', '.join(names)}"
    *others, last = map(repr, completions)
    return f"unknown {kind} {name!r}; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
