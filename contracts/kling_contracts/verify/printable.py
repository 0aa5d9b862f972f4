"""Text of a server made safe to show: it may hold escape sequences, NULs and lone surrogates."""

from __future__ import annotations

import unicodedata
from typing import Final

# Control characters, those that turn the direction of text, lone surrogates, what is no character at all.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def printable(text: str) -> str:
    """The text with all that a terminal or XML could stumble over written as escapes; newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if sign == "\n" or _shows(sign) else _escaped(sign) for sign in text)


def _shows(sign: str) -> bool:
    return unicodedata.category(sign) not in _HIDDEN


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
