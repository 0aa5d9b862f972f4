"""Servers whose result pictures are wrong."""

from __future__ import annotations

import itertools
from typing import Final

from kling_contracts.image_files import png, read_header
from kling_contracts.vocabulary import ASPECT_RATIOS
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response

group: Final = Group()


def _picture(response: Response, width: int, height: int) -> None:
    response.content = png(width, height)
    response.headers |= {"content-type": "image/png"}


@group.after("result_images.downloadable")
def not_there(request: Request, response: Response) -> None:
    """Result URLs give 404."""
    if request.fetches:
        response.status, response.content = 404, b"not found"


@group.after("result_images.downloadable")
def a_page(request: Request, response: Response) -> None:
    """Result URLs give a page for people."""
    if request.fetches:
        response.headers["content-type"] = "text/html"
        response.content = b"<html><img src='/raw.png'></html>"


@group.after("result_images.downloadable")
def asks_for_a_key(request: Request, response: Response) -> None:
    """Result URLs want the key."""
    if request.fetches and not request.key:
        response.status, response.content = 401, b'{"code":1001}'


@group.after("result_images.downloadable")
def empty_file(request: Request, response: Response) -> None:
    """Result URLs give an empty file."""
    if request.fetches:
        response.content = b""


@group.after("result_images.downloadable")
def cut_short(request: Request, response: Response) -> None:
    """Result URLs give the beginning of a picture."""
    if request.fetches:
        response.content = response.content[:20]


@group.after("result_images.downloadable")
def half_a_picture(request: Request, response: Response) -> None:
    """Result URLs give the first half of a picture."""
    if request.fetches:
        response.content = response.content[: len(response.content) // 2]


@group.after("result_images.downloadable")
def moved(request: Request, response: Response) -> None:
    """Result URLs lead to a page where one signs in."""
    if request.fetches:
        response.status, response.content = 302, b""
        response.headers["location"] = "https://example.com/login"


@group.server("result_images.downloadable")
class SecondMissing(FaultyServer):
    """Of several images only the first can be had."""

    def after(self, request: Request, response: Response) -> None:
        if request.fetches and "-1_raw" in request.path:
            response.status, response.content = 404, b"not found"


@group.after("result_images.ratio")
def always_square(request: Request, response: Response) -> None:
    """Every picture is square."""
    if request.fetches:
        _picture(response, 512, 512)


@group.after("result_images.ratio")
def always_wide(request: Request, response: Response) -> None:
    """Every picture is 16:9."""
    if request.fetches:
        _picture(response, 640, 360)


@group.after("result_images.ratio")
def turned(request: Request, response: Response) -> None:
    """Width and height are swapped."""
    header = read_header(response.content) if request.fetches else None
    if header:
        _picture(response, header.height, header.width)


@group.after("result_images.ratio")
def nearly(request: Request, response: Response) -> None:
    """21:9 is 2:1 in truth."""
    header = read_header(response.content) if request.fetches else None
    if header and header.width / header.height > 2:
        _picture(response, 800, 400)


@group.before("result_images.ratio")
def ratio_ignored_with_style(request: Request) -> None:
    """Where a style is given, the ratio is ignored."""
    sound = request.creates and request.peek.get("aspect_ratio") in ASPECT_RATIOS.value
    if sound and request.peek.get("style_image"):
        request.body["aspect_ratio"] = "16:9"


@group.before("result_images.ratio")
def default_is_square(request: Request) -> None:
    """Without a ratio pictures are square."""
    if request.creates and request.peek and "aspect_ratio" not in request.peek:
        request.body["aspect_ratio"] = "1:1"


@group.after("result_images.content_type")
def octets(request: Request, response: Response) -> None:
    """A picture is said to be octets."""
    if request.fetches:
        response.headers["content-type"] = "application/octet-stream"


@group.after("result_images.content_type")
def no_type(request: Request, response: Response) -> None:
    """A picture does not say what it is."""
    if request.fetches:
        response.headers.pop("content-type", None)


@group.server("result_images.stable")
class DrawnAnew(FaultyServer):
    """A picture is drawn anew each time."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._count = itertools.count(300)

    def after(self, request: Request, response: Response) -> None:
        header = read_header(response.content) if request.fetches else None
        if header:
            response.content = png(header.width, header.height, next(self._count) + 20_000)


@group.server("result_images.stable")
class GoneAfterOneLook(FaultyServer):
    """A result can be fetched once."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._seen: set[str] = set()

    def after(self, request: Request, response: Response) -> None:
        if request.fetches and request.path in self._seen:
            response.status, response.content = 410, b"gone"
        self._seen.add(request.path)
