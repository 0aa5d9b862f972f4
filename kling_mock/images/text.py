"""Text on a palette picture: glyphs, lines and drawing.

Nothing is shaped, so a picture does not depend on libraries of the system. Characters that no font draws one
by one are replaced by a note: `[Arabic, 12 characters]`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from PIL import Image, ImageDraw

from kling_contracts.vocabulary import PROMPT_MAXIMUM
from kling_mock.images.characters import Label, clusters, join, label, neutral, note, spellings
from kling_mock.images.fonts import Face, Region, base_face, face_for, font, region_of

# From the ground's colour to the ink's, as places in the picture's palette.
Ramp = tuple[int, ...]

ELLIPSIS: Final = "\u2026"
# Chinese and Japanese punctuation with which no line begins, and with which none ends.
_CLOSING: Final = frozenset("、。，．！？：；）」』】》ー")  # noqa: RUF001 -- full width is meant
_OPENING: Final = frozenset("（「『【《")  # noqa: RUF001 -- the same
_HANGUL: Final = ("\uac00", "\ud7a3")
_INKED: Final = [0] + [255] * 255
_MARGIN: Final = 2  # pixels that a glyph may reach beyond its place on the left


class Glyph(NamedTuple):
    """A character as it is drawn: text, font, width in pixels; `noted` if it is part of a note."""

    text: str
    face: Face
    width: float
    noted: bool


class Line(NamedTuple):
    """Glyphs of one size (in pixels)."""

    glyphs: Sequence[Glyph]
    size: int

    @property
    def width(self) -> float:
        return _width(self.glyphs)


class Wrapped(NamedTuple):
    """A text in lines; `whole` if they show all of it."""

    lines: tuple[Line, ...]
    whole: bool


def wrap(text: str, size: int, room: int, maximum: int) -> Wrapped:
    """A text in at most `maximum` lines of at most `room` pixels; if it is longer, it ends in dots."""
    found: list[Sequence[Glyph]] = []
    line: Sequence[Glyph]
    building: list[Glyph] = []
    used = 0.0
    whole = len(text) <= PROMPT_MAXIMUM.value
    for glyph in _glyphs(text[: PROMPT_MAXIMUM.value], size):
        building.append(glyph)
        used += glyph.width
        while used > room and _width(line := _stripped(building)) > room:
            if len(found) == maximum - 1:
                return _wrapped([*found, _dotted(line, size, room)], size, whole=False)
            cut = _break(line, room)
            found.append(_stripped(line[:cut]))
            building = [*_stripped(line[cut:])]
            used = _width(building)
    if line := _stripped(building):
        found.append(line if whole else _dotted(line, size, room))
    return _wrapped(found, size, whole=whole)


def draw_line(picture: Image.Image, at: tuple[int, int], line: Line, ink: Ramp, note_ink: Ramp) -> None:
    """Draw a line from a point on its baseline, on the ground that both ramps begin with."""
    rise = round(line.size * 1.2)
    for noted, ramp in ((False, ink), (True, note_ink)):
        if all(glyph.noted != noted for glyph in line.glyphs):
            continue
        mask = Image.new("L", (round(line.width) + line.size, round(line.size * 1.6)))
        pen = ImageDraw.Draw(mask)
        left = float(_MARGIN)
        for (face, other), run in groupby(line.glyphs, lambda glyph: (glyph.face, glyph.noted)):
            glyphs = tuple(run)
            if other == noted:
                text = "".join(glyph.text for glyph in glyphs)
                pen.text((round(left), rise), text, fill=255, font=font(face, line.size), anchor="ls")
            left += _width(glyphs)
        smooth = mask.point(_table(ramp), "L")  # pyright: ignore[reportUnknownMemberType] -- Pillow names a type of numpy
        inked = mask.point(_INKED, "L")  # pyright: ignore[reportUnknownMemberType] -- the same
        picture.paste(smooth, (at[0] - _MARGIN, at[1] - rise), inked)


@lru_cache(maxsize=64)
def _table(ramp: Ramp) -> list[int]:
    """The place in the palette for each of 256 degrees of ink."""
    return [ramp[round(value / 255 * (len(ramp) - 1))] for value in range(256)]


def _width(glyphs: Sequence[Glyph]) -> float:
    return sum(glyph.width for glyph in glyphs)


def _wrapped(lines: Sequence[Sequence[Glyph]], size: int, *, whole: bool) -> Wrapped:
    return Wrapped(tuple(Line(line, size) for line in lines), whole)


def _glyphs(text: str, size: int) -> Iterator[Glyph]:
    region = region_of(text)
    for part, noted in _parts(text, region):
        for cluster in clusters(part):
            yield _glyph(cluster, region, size, noted=noted)


def _parts(text: str, region: Region) -> Iterator[tuple[str, bool]]:
    """Clusters that a font draws; and, with True, a note for each stretch of others."""
    if text and text.isspace():
        yield note("white space", len(text)), True
        return
    lost, between = (
        "",
        "",
    )  # characters that no font draws, and those after them that may belong to a longer note
    named: Label | None = None
    for cluster in clusters(text):
        drawn = drawing(cluster, region) is not None
        if drawn and lost and neutral(cluster):
            between += cluster
            continue
        name = None if drawn else join(named, label(cluster))
        if named and name is None:
            yield note(named.name, len(lost)), True
            yield between, False
            lost = between = ""
            named = None
        if drawn:
            yield cluster, False
        else:
            lost += between + cluster
            between = ""
            named = name or label(cluster)
    if named:
        yield note(named.name, len(lost)), True
        yield between, False


def _glyph(cluster: str, region: Region, size: int, *, noted: bool) -> Glyph:
    text, face = drawing(cluster, region) or ("", base_face())
    return Glyph(text, face, _length(text, face, size), noted)


@lru_cache(maxsize=8192)
def drawing(cluster: str, region: Region) -> tuple[str, Face] | None:
    """The text and the font that draw a cluster, or None if no font does."""
    if cluster.isspace():
        return " ", base_face()
    for spelling in spellings(cluster):
        if spelling and (face := face_for(spelling, region)) is not None:
            return spelling, face
    return None


@lru_cache(maxsize=8192)
def _length(text: str, face: Face, size: int) -> float:
    return font(face, size).getlength(text)


def _stripped(line: Sequence[Glyph]) -> Sequence[Glyph]:
    begin, end = 0, len(line)
    while begin < end and line[begin].text == " ":
        begin += 1
    while begin < end and line[end - 1].text == " ":
        end -= 1
    return line[begin:end]


def _break(line: Sequence[Glyph], room: int) -> int:
    """Where to break a line that is too long: between words or ideographs, else where it is full."""
    used, fits, best = 0.0, 1, 0
    for at, glyph in enumerate(line):
        if at and _may_break(line[at - 1].text, glyph.text):
            best = at
        used += glyph.width
        if used > room:
            break
        fits = at + 1
    return best or fits


def _may_break(before: str, after: str) -> bool:
    if " " in (before, after):
        return True
    ideograph = any(_ideographic(text[0]) for text in (before, after))
    return ideograph and after not in _CLOSING and before not in _OPENING


def _ideographic(char: str) -> bool:
    """Whether lines break beside a character without a space: in Chinese and Japanese, not in Korean."""
    return unicodedata.east_asian_width(char) in "WF" and not _HANGUL[0] <= char <= _HANGUL[1]


def _dotted(line: Sequence[Glyph], size: int, room: int) -> Sequence[Glyph]:
    dots = _glyph(ELLIPSIS, "SC", size, noted=line[-1].noted)
    while line and _width(line) + dots.width > room:
        line = line[:-1]
    return (*_stripped(line), dots)
