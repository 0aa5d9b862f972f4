"""Suggestions for an unknown name, as the end of an error message."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

LIMIT: Final = 3


def close_names(name: str, known: Collection[str]) -> list[str]:
    """At most three known names that resemble or contain `name`.

    The only name that begins with `name`, or a name that differs in a character or two, is returned alone.
    """
    from difflib import get_close_matches

    starting = [each for each in known if name and each.startswith(name)]
    alone = starting if len(starting) == 1 else get_close_matches(name, known, n=1, cutoff=0.9)
    if alone:
        return alone
    containing = sorted(each for each in known if len(name) > 2 and name in each)
    return list(dict.fromkeys((*get_close_matches(name, known, n=LIMIT), *containing)))[:LIMIT]


def did_you_mean(name: str, known: Collection[str], otherwise: str | None = None) -> str:
    """`did you mean 'aspect_ratio'?`; without a close name, `otherwise` or the list of known names."""
    close = [repr(each) for each in close_names(name, known)]
    if not close:
        return f"known: {', '.join(known)}" if otherwise is None else otherwise
    *first, last = close
    return f"did you mean {', '.join(first)} or {last}?" if first else f"did you mean {last}?"
