"""Text on a palette picture: antialiased letters if the font has them, patterns for other characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b

from PIL import Image, ImageDraw, ImageFont

Ramp = tuple[int, ...]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

ELLIPSIS = "..."
TILE = 5  # cells per side of the pattern for a character


@cache
def font(size: int) -> Font:
    """The font bundled with Pillow, so that pictures are equal on all machines."""
    return ImageFont.load_default(size)


# The non-ASCII characters of the bundled font.
_EXTRAS = frozenset("\u00a9\u00ab\u00b0\u00b1\u00b4\u00b7\u00bb\u2018\u2019\u201c\u201d\u2026\u2039\u203a")
_DASHES = dict.fromkeys(range(0x2010, 0x2016), "-")


def spelling(cluster: str) -> str | None:
    """The text for a character in the bundled font (without accents), or None if the font has none."""
    if cluster in _EXTRAS or (cluster.isascii() and cluster.isprintable()):
        return cluster
    bare = unicodedata.normalize("NFKD", cluster).translate(_DASHES)
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return bare if bare and bare.isascii() and bare.isprintable() else None


def clusters(text: str) -> Iterator[str]:
    """The visible characters of a text: white space collapsed, joined and combining characters merged."""
    cluster = ""
    for char in " ".join(text.split()):
        invisible = unicodedata.category(char) in ("Mn", "Me", "Cf")
        if cluster and (invisible or cluster[-1] == "\u200d"):
            cluster += char
            continue
        if cluster:
            yield cluster
        cluster = char
    if cluster:
        yield cluster


def width(cluster: str, size: int) -> float:
    spelt = spelling(cluster)
    return size if spelt is None else font(size).getlength(spelt)


def wrap(text: str, size: int, room: int, lines: int) -> list[str]:
    """Break a text into at most `lines` lines of at most `room` pixels; truncated text ends in three dots."""
    found: list[str] = []
    line: list[str] = []
    rest = list(clusters(text))
    while rest and len(found) < lines:
        used = 0.0
        line = []
        while rest and used + width(rest[0], size) <= room:
            used += width(rest[0], size)
            line.append(rest.pop(0))
        if rest and len(found) < lines - 1:
            # Break after the last space; some languages, such as Chinese, have no spaces.
            spaces = [at for at, cluster in enumerate(line) if cluster == " "]
            if spaces and rest[0] != " ":
                rest = line[spaces[-1] + 1 :] + rest
                line = line[: spaces[-1]]
        found.append("".join(line).strip())
    if rest and found:
        while line and sum(width(each, size) for each in line) + width(ELLIPSIS, size) > room:
            line.pop()
        found[-1] = "".join(line).rstrip() + ELLIPSIS
    return found


def set_line(picture: Image.Image, at: tuple[int, int], text: str, size: int, ramp: Ramp) -> float:
    """Draw one line on a background of the ramp's first colour. Returns its width in pixels."""
    left, top = float(at[0]), at[1]
    letters = ""
    for cluster in [*clusters(text), ""]:
        spelt = spelling(cluster) if cluster else None
        if spelt is not None:
            letters += spelt
            continue
        if letters:
            left += _letters(picture, (round(left), top), letters, size, ramp)
            letters = ""
        if cluster:
            _tile(picture, (round(left), top), cluster, size, ramp)
            left += size
    return left - at[0]


def _letters(picture: Image.Image, at: tuple[int, int], text: str, size: int, ramp: Ramp) -> float:
    length = font(size).getlength(text)
    mask = Image.new("L", (round(length) + 2, round(size * 1.4)))
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=font(size))
    steps = len(ramp) - 1
    table = [ramp[round(value / 255 * steps)] for value in range(256)]
    smooth = mask.point(table, "L")  # pyright: ignore[reportUnknownMemberType] -- Pillow names a type of numpy
    picture.paste(smooth, at)
    return length


def _tile(picture: Image.Image, at: tuple[int, int], cluster: str, size: int, ramp: Ramp) -> None:
    """Draw a mirrored pattern derived from a character: not readable, but equal for equal text."""
    bits = int.from_bytes(blake2b(cluster.encode("utf-8", "replace"), digest_size=2).digest())
    pen = ImageDraw.Draw(picture)
    cell = max(size * 0.8 / TILE, 1)
    top = at[1] + size * 0.28
    for spot in range(TILE * 3):
        if not bits >> spot & 1:
            continue
        row, column = divmod(spot, 3)
        for across in {column, TILE - 1 - column}:
            corner = (at[0] + across * cell, top + row * cell)
            pen.rectangle((*corner, corner[0] + cell - 1, corner[1] + cell - 1), fill=ramp[-1])
