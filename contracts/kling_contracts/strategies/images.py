"""Hypothesis strategies for pictures in a request: valid, exactly on a limit, or breaking one rule."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from typing import Self

from hypothesis import strategies as st

from kling_contracts.cases.images import LONG, SIDE
from kling_contracts.image_fields import Picture
from kling_contracts.image_files import encoded, jpeg, png
from kling_contracts.strategies.scalars import Case, Values
from kling_contracts.vocabulary import INPUT_BYTES_MAXIMUM


class BulkText(str):
    """A long string whose repr is the expression that creates it, for Hypothesis reports."""

    __slots__ = ("recipe",)
    recipe: str

    def __new__(cls, text: str, recipe: str) -> Self:
        made = super().__new__(cls, text)
        made.recipe = recipe
        return made

    def __repr__(self) -> str:
        return self.recipe

    def __deepcopy__(self, memo: object) -> Self:
        return self


@cache
def bulky_picture(size: int) -> BulkText:
    """A valid PNG of exactly `size` bytes, as base64."""
    return BulkText(encoded(png(SIDE, SIDE, size)), f"encoded(png({SIDE}, {SIDE}, {size}))")


@cache
def pictures() -> Values:
    """Valid pictures: URLs and small inline pictures. Shrinks towards a URL."""
    urls = st.integers(1, 99).map(lambda number: f"https://example.com/{number}.png")
    sides = st.integers(SIDE, LONG)
    return urls | st.builds(_inline_png, sides, sides) | st.builds(_inline_jpeg, st.just(SIDE), sides)


def picture_edges(field: Picture) -> Iterator[Case]:
    """Valid pictures exactly on a limit, with the rule of that limit."""
    yield Case(field.too_small, "png", st.just(_inline_png(SIDE, SIDE)))
    yield Case(field.too_small, "jpeg", st.just(_inline_jpeg(SIDE, SIDE)))
    yield Case(field.too_oblong, "wide", st.just(_inline_png(LONG, SIDE)))
    yield Case(field.too_oblong, "high", st.just(_inline_jpeg(SIDE, LONG)))
    yield Case(field.too_large, "inline", st.builds(bulky_picture, st.just(INPUT_BYTES_MAXIMUM.value)))
    urls = (
        "HTTP://EXAMPLE.COM/A.PNG",
        "https://example.com:443/a.png?size=1&x=a%20b#top",
        "http://[::1]/a.png",
        "https://example.com",
    )
    yield Case(field.not_url, "unusual", st.sampled_from(urls))
    yield Case(field.not_base64, "every padding", st.sampled_from([_padded(count) for count in range(3)]))


def picture_faults(field: Picture) -> Iterator[Case]:
    """Texts that break one rule, with that rule."""
    good = _inline_png(SIDE, SIDE)
    padded = _padded(2)
    urls = (
        "http://",
        "https:///a.png",
        "http://?a.png",
        "http://:80/a.png",
        "https://example.com:99999/a.png",
    )
    yield Case(field.not_url, "host", st.sampled_from(urls))
    yield Case(
        field.not_url,
        "blank",
        st.sampled_from(("http://exam ple.com/a.png", "https://\texample.com/a.png")),
    )
    yield Case(field.not_base64, "data URI", st.just(f"data:image/png;base64,{good}"))
    yield Case(
        field.not_base64,
        "padding",
        st.sampled_from((padded[:-1], padded[:-2], padded + "=", good + "====")),
    )
    urlsafe = base64.urlsafe_b64encode(b"\xfb\xff\xfe" * 4).decode()
    yield Case(field.not_base64, "URL-safe alphabet", st.just(urlsafe))
    blanks = (good[:8] + "\n" + good[8:], good[:8] + "  \r\n" + good[8:], good + "\n", " " + good)
    yield Case(field.not_base64, "white space", st.sampled_from(blanks))
    others = ("ftp://example.com/a.png", "a.png", "file:///a.png", "/a.png", "éééé", "AA\ud800A")
    yield Case(field.not_base64, "something else", st.sampled_from(others))
    over = st.sampled_from((INPUT_BYTES_MAXIMUM.value + 1, INPUT_BYTES_MAXIMUM.value + 2))
    yield Case(field.too_large, "inline", over.map(bulky_picture))
    yield Case(
        field.no_picture, "bytes", st.binary(min_size=1, max_size=40).filter(_no_signature).map(encoded)
    )
    formats = (b"GIF89a" + bytes(20), b"RIFF\0\0\0\0WEBPVP8 ", b"BM" + bytes(30), png(SIDE, SIDE)[:20])
    yield Case(field.no_picture, "other format", st.sampled_from([encoded(data) for data in formats]))
    short = st.integers(1, SIDE - 1).map(lambda missing: SIDE - missing)
    yield Case(field.too_small, "narrow", short.map(lambda side: _inline_png(side, SIDE)))
    yield Case(field.too_small, "low", short.map(lambda side: _inline_jpeg(SIDE, side)))
    yield Case(field.too_small, "both", st.sampled_from([_inline_png(200, 200), _inline_png(1, 1)]))
    long = st.integers(LONG + 1, 4 * LONG)
    yield Case(field.too_oblong, "wide", long.map(lambda side: _inline_png(side, SIDE)))
    yield Case(field.too_oblong, "high", long.map(lambda side: _inline_jpeg(SIDE, side)))


def _inline_png(width: int, height: int) -> str:
    return encoded(png(width, height))


def _inline_jpeg(width: int, height: int) -> str:
    return encoded(jpeg(width, height))


def _padded(count: int) -> str:
    """A small picture whose base64 ends in exactly `count` padding characters."""
    size = len(png(SIDE, SIDE)) + 12
    size += (-size - count) % 3
    return encoded(png(SIDE, SIDE, size))


def _no_signature(data: bytes) -> bool:
    return not data.startswith((b"\x89PNG", b"\xff\xd8\xff"))
