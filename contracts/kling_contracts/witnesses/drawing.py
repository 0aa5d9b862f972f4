"""Servers whose result pictures are wrong."""

from __future__ import annotations

import itertools
from typing import Final

from kling_contracts.image_files import png, read_header
from kling_contracts.vocabulary import ASPECT_RATIOS
from kling_contracts.witnesses.message import Answer, Ask
from kling_contracts.witnesses.witness import Behind, Faulty, Group

group: Final = Group()


def _picture(answer: Answer, width: int, height: int) -> None:
    answer.content = png(width, height)
    answer.headers |= {"content-type": "image/png"}


@group.after("pictures.downloadable")
def not_there(ask: Ask, answer: Answer) -> None:
    """Result URLs give 404."""
    if ask.fetches:
        answer.status, answer.content = 404, b"not found"


@group.after("pictures.downloadable")
def a_page(ask: Ask, answer: Answer) -> None:
    """Result URLs give a page for people."""
    if ask.fetches:
        answer.headers["content-type"] = "text/html"
        answer.content = b"<html><img src='/raw.png'></html>"


@group.after("pictures.downloadable")
def asks_for_a_key(ask: Ask, answer: Answer) -> None:
    """Result URLs want the key."""
    if ask.fetches and not ask.key:
        answer.status, answer.content = 401, b'{"code":1001}'


@group.after("pictures.downloadable")
def empty_file(ask: Ask, answer: Answer) -> None:
    """Result URLs give an empty file."""
    if ask.fetches:
        answer.content = b""


@group.after("pictures.downloadable")
def cut_short(ask: Ask, answer: Answer) -> None:
    """Result URLs give the beginning of a picture."""
    if ask.fetches:
        answer.content = answer.content[:20]


@group.after("pictures.downloadable")
def half_a_picture(ask: Ask, answer: Answer) -> None:
    """Result URLs give the first half of a picture."""
    if ask.fetches:
        answer.content = answer.content[: len(answer.content) // 2]


@group.after("pictures.downloadable")
def moved(ask: Ask, answer: Answer) -> None:
    """Result URLs lead to a page where one signs in."""
    if ask.fetches:
        answer.status, answer.content = 302, b""
        answer.headers["location"] = "https://example.com/login"


@group.server("pictures.downloadable")
class SecondMissing(Faulty):
    """Of several images only the first can be had."""

    def after(self, ask: Ask, answer: Answer) -> None:
        if ask.fetches and "-1_raw" in ask.path:
            answer.status, answer.content = 404, b"not found"


@group.after("pictures.ratio")
def always_square(ask: Ask, answer: Answer) -> None:
    """Every picture is square."""
    if ask.fetches:
        _picture(answer, 512, 512)


@group.after("pictures.ratio")
def always_wide(ask: Ask, answer: Answer) -> None:
    """Every picture is 16:9."""
    if ask.fetches:
        _picture(answer, 640, 360)


@group.after("pictures.ratio")
def turned(ask: Ask, answer: Answer) -> None:
    """Width and height are swapped."""
    header = read_header(answer.content) if ask.fetches else None
    if header:
        _picture(answer, header.height, header.width)


@group.after("pictures.ratio")
def nearly(ask: Ask, answer: Answer) -> None:
    """21:9 is 2:1 in truth."""
    header = read_header(answer.content) if ask.fetches else None
    if header and header.width / header.height > 2:
        _picture(answer, 800, 400)


@group.before("pictures.ratio")
def ratio_ignored_with_style(ask: Ask) -> None:
    """Where a style is given, the ratio is ignored."""
    sound = ask.creates and ask.peek.get("aspect_ratio") in ASPECT_RATIOS.value
    if sound and ask.peek.get("style_image"):
        ask.body["aspect_ratio"] = "16:9"


@group.before("pictures.ratio")
def default_is_square(ask: Ask) -> None:
    """Without a ratio pictures are square."""
    if ask.creates and ask.peek and "aspect_ratio" not in ask.peek:
        ask.body["aspect_ratio"] = "1:1"


@group.after("pictures.content_type")
def octets(ask: Ask, answer: Answer) -> None:
    """A picture is said to be octets."""
    if ask.fetches:
        answer.headers["content-type"] = "application/octet-stream"


@group.after("pictures.content_type")
def no_type(ask: Ask, answer: Answer) -> None:
    """A picture does not say what it is."""
    if ask.fetches:
        answer.headers.pop("content-type", None)


@group.server("pictures.stable")
class DrawnAnew(Faulty):
    """A picture is drawn anew each time."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._count = itertools.count(300)

    def after(self, ask: Ask, answer: Answer) -> None:
        header = read_header(answer.content) if ask.fetches else None
        if header:
            answer.content = png(header.width, header.height, next(self._count) + 20_000)


@group.server("pictures.stable")
class GoneAfterOneLook(Faulty):
    """A result can be fetched once."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._seen: set[str] = set()

    def after(self, ask: Ask, answer: Answer) -> None:
        if ask.fetches and ask.path in self._seen:
            answer.status, answer.content = 410, b"gone"
        self._seen.add(ask.path)
