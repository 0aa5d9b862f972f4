"""Servers with wrong result images."""

from __future__ import annotations

import itertools
from typing import Final

from kling_contracts.image_files import jpeg, png, read_header
from kling_contracts.vocabulary import ASPECT_RATIOS
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response

group: Final = Group()


def _picture(response: Response, width: int, height: int) -> None:
    response.content = png(width, height)
    response.headers |= {"content-type": "image/png"}


@group.after("result_images.downloadable")
def not_there(request: Request, response: Response) -> None:
    """Result URLs return 404."""
    if request.fetches:
        response.status, response.content = 404, b"not found"


@group.after("result_images.downloadable")
def a_page(request: Request, response: Response) -> None:
    """Result URLs return an HTML page."""
    if request.fetches:
        response.headers["content-type"] = "text/html"
        response.content = b"<html><img src='/raw.png'></html>"


@group.after("result_images.downloadable")
def asks_for_a_key(request: Request, response: Response) -> None:
    """Result URLs require the key."""
    if request.fetches and not request.key:
        response.status, response.content = 401, b'{"code":1001}'


@group.after("result_images.downloadable")
def empty_file(request: Request, response: Response) -> None:
    """Result URLs return an empty file."""
    if request.fetches:
        response.content = b""


@group.after("result_images.downloadable")
def cut_short(request: Request, response: Response) -> None:
    """Result URLs return the first bytes of an image."""
    if request.fetches:
        response.content = response.content[:20]


@group.after("result_images.downloadable")
def half_a_picture(request: Request, response: Response) -> None:
    """Result URLs return the first half of an image."""
    if request.fetches:
        response.content = response.content[: len(response.content) // 2]


@group.after("result_images.downloadable")
def moved(request: Request, response: Response) -> None:
    """Result URLs redirect to a login page."""
    if request.fetches:
        response.status, response.content = 302, b""
        response.headers["location"] = "https://example.com/login"


@group.after("result_images.downloadable")
def damaged_jpeg(request: Request, response: Response) -> None:
    """A block in the middle of a JPEG has other bytes."""
    header = read_header(response.content) if request.fetches else None
    if header:
        whole = jpeg(header.width, header.height)
        middle, block = len(whole) // 2, bytes(range(255, 0, -1))
        response.content = whole[:middle] + block + whole[middle + len(block) :]
        response.headers |= {"content-type": "image/jpeg"}


@group.server("result_images.downloadable")
class SecondMissing(FaultyServer):
    """Only the first of several images is available."""

    def after(self, request: Request, response: Response) -> None:
        if request.fetches and "-1_raw" in request.path:
            response.status, response.content = 404, b"not found"


@group.after("result_images.ratio")
def always_square(request: Request, response: Response) -> None:
    """Every image is square."""
    if request.fetches:
        _picture(response, 512, 512)


@group.after("result_images.ratio")
def always_wide(request: Request, response: Response) -> None:
    """Every image is 16:9."""
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
    """An image for 21:9 is 2:1."""
    header = read_header(response.content) if request.fetches else None
    if header and header.width / header.height > 2:
        _picture(response, 800, 400)


@group.before("result_images.ratio")
def ratio_ignored_with_style(request: Request) -> None:
    """With style_image, the aspect ratio is ignored."""
    sound = request.creates and request.peek.get("aspect_ratio") in ASPECT_RATIOS.value
    if sound and request.peek.get("style_image"):
        request.body["aspect_ratio"] = "16:9"


@group.before("result_images.ratio")
def default_is_square(request: Request) -> None:
    """The default aspect ratio is 1:1."""
    if request.creates and request.peek and "aspect_ratio" not in request.peek:
        request.body["aspect_ratio"] = "1:1"


@group.after("result_images.content_type")
def octets(request: Request, response: Response) -> None:
    """An image has Content-Type application/octet-stream."""
    if request.fetches:
        response.headers["content-type"] = "application/octet-stream"


@group.after("result_images.content_type")
def no_type(request: Request, response: Response) -> None:
    """An image has no Content-Type."""
    if request.fetches:
        response.headers.pop("content-type", None)


@group.server("result_images.stable")
class DrawnAnew(FaultyServer):
    """An image has different bytes each time."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._count = itertools.count(300)

    def after(self, request: Request, response: Response) -> None:
        header = read_header(response.content) if request.fetches else None
        if header:
            response.content = png(header.width, header.height, next(self._count) + 20_000)


@group.server("result_images.stable")
class GoneAfterOneLook(FaultyServer):
    """A result can be fetched only once."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._seen: set[str] = set()

    def after(self, request: Request, response: Response) -> None:
        if request.fetches and request.path in self._seen:
            response.status, response.content = 410, b"gone"
        self._seen.add(request.path)


@group.after("result_images.downloadable")
def damaged_in_the_middle(request: Request, response: Response) -> None:
    """A byte in the middle of an image is wrong."""
    if request.fetches and response.good:
        content = bytearray(response.content)
        content[len(content) // 2] ^= 0xFF
        response.content = bytes(content)
