"""Characters as a reader sees them, and names for those that no font draws."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

# Vowels and final consonants of Hangul that follow a leading consonant and compose with it.
_JAMO: Final = re.compile("[\u1160-\u11ff]")
_SELECTORS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_JOINER: Final = "\u200d"
# The name of a character begins with its script, in one word or two: ARABIC LETTER BEH, OL CHIKI LETTER LA.
_SCRIPT: Final = re.compile(
    "(?:(?:CANADIAN|EGYPTIAN|LINEAR|MEETEI|MENDE|NEW|OL|OLD|PAHAWH|SYLOTI|TAI|WARANG) )?[A-Z]+"
)
_LANGUAGES: Final = {
    "CJK": "Chinese",
    "IDEOGRAPHIC": "Chinese",
    "HANGUL": "Korean",
    "HALFWIDTH": "Japanese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
}
_EAST_ASIAN: Final = ("Japanese", "Korean", "Chinese")
_KINDS: Final = {
    "Cc": "control",
    "Cf": "invisible",
    "Cn": "unassigned",
    "Co": "private use",
    "M": "combining mark",
    "N": "digit",
    "P": "punctuation",
    "S": "symbol",
    "Z": "white space",
}
_EMOJI: Final = 0x1F000


class Label(NamedTuple):
    """The name of a script or kind of characters. A weak one (mark, digit) takes that of its neighbour."""

    name: str
    weak: bool


def clusters(text: str) -> Iterator[str]:
    """The characters of a text as they are seen: with marks and joined parts, white space folded into one."""
    cluster = ""
    for char in text:
        if cluster and _continues(cluster, char):
            cluster += char
            continue
        if cluster:
            yield cluster
        cluster = char
    if cluster:
        yield cluster


def _continues(cluster: str, char: str) -> bool:
    if char.isspace() or cluster.isspace():
        return char.isspace() and cluster.isspace()
    if char.isascii():
        return False
    return (
        unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf")
        or cluster[-1] == _JOINER
        or _JAMO.match(char) is not None
    )


def spellings(cluster: str) -> Iterator[str]:
    """The ways to draw a cluster glyph by glyph, the most faithful first.

    A mark that composes with no letter is left out: placing it needs more than the order of glyphs.
    """
    if unicodedata.category(cluster[0]) in ("Cc", "Cn", "Co"):
        return  # some fonts draw signs of their own for these
    seen = "".join(char for char in cluster if not _invisible(char))
    for form in ("NFC", "NFKC", "NFKD"):
        spelt = unicodedata.normalize(form, seen)
        yield "".join(char for char in spelt if unicodedata.category(char) not in ("Mn", "Me"))


def _invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or _SELECTORS.match(char) is not None


def label(cluster: str) -> Label:
    """The label of a character that is not drawn."""
    char = cluster[0]
    category = unicodedata.category(char)
    if category.startswith("L"):
        found = _SCRIPT.match(unicodedata.name(char, ""))
        script = found[0] if found else "unknown script"
        return Label(_LANGUAGES.get(script, script.title()), weak=False)
    if category.startswith("S") and (ord(char) >= _EMOJI or "\ufe0f" in cluster):
        return Label("emoji", weak=False)
    kind = _KINDS.get(category) or _KINDS[category[0]]
    return Label(kind, weak=category[0] in "MNPZ" or category == "Cf")


def neutral(cluster: str) -> bool:
    """Whether a character belongs to no script: white space, punctuation, digits."""
    return unicodedata.category(cluster[0])[0] in "NPZ" or cluster.isspace()


def join(one: Label | None, other: Label) -> Label | None:
    """The label of two neighbours, or None if they are to be named apart. Kanji with kana are Japanese."""
    if one is None or one == other or one.weak:
        return other
    if other.weak:
        return one
    if one.name in _EAST_ASIAN and other.name in _EAST_ASIAN:
        return min(one, other, key=lambda each: _EAST_ASIAN.index(each.name))
    return None


def note(name: str, length: int) -> str:
    """The text in place of characters that no font draws: their script and their number, in code points."""
    return f"[{name}]" if length == 1 else f"[{name}, {length} characters]"
