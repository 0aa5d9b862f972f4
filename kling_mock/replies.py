"""What comes in through a door and what goes out: requests and replies as plain values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.json import Encoder

from contracts.gateways import Refusal
from contracts.vocabulary import Source
from kling_mock.pictures import Sheet

Headers = tuple[tuple[str, str], ...]

JSON_TYPE: Final = ("content-type", "application/json")
_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
RULE_HEADER: Final = "x-kling-mock-rule"

_encode: Final = Encoder().encode


class Request(Struct, frozen=True):
    """An HTTP request as a door saw it.

    `path` is as sent (percent-encoded, without the query); header names are in lower case. `origin` is
    scheme and host where the request came over a socket, None in process. `length` is the size of the
    body where that exceeds the cap and the door did not keep it.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    origin: str | None = None
    length: int | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header, by its name in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def size(self) -> int:
        return len(self.body) if self.length is None else self.length


class Reply(Struct, frozen=True):
    """An HTTP answer. Doors send `framed_headers`, and keep the body back from HEAD.

    A decision names the `picture` that the body is to be; the fake draws it before a door gets the reply.
    """

    status: int
    headers: Headers
    body: bytes
    picture: Sheet | None = None

    @property
    def content_type(self) -> str | None:
        return next((value for name, value in self.headers if name == "content-type"), None)

    @property
    def framed_headers(self) -> Headers:
        """The headers with the content length. A 304 has none: it would be that of the body left out."""
        return (
            self.headers if self.status == 304 else (*self.headers, ("content-length", str(len(self.body))))
        )

    def json(self) -> object:
        """The decoded body. Raises ValueError when it is no JSON."""
        return json.loads(self.body)


def json_reply(status: int, body: Mapping[str, object], headers: Headers = ()) -> Reply:
    return Reply(status, (JSON_TYPE, *headers), _encode(body))


def refusal_reply(
    refusal: Refusal, body: Mapping[str, object], *, rule: str, source: Source, relax: str | None
) -> Reply:
    """A faithful error body; beside it, a header says which rule of the fake refused and how to relax it."""
    return json_reply(refusal.status, body, (rule_header(rule, source, relax),))


def rule_header(rule: str, source: Source, relax: str | None) -> tuple[str, str]:
    """The header that tells a user which rule refused, on what evidence, and what setting relaxes it."""
    why = f"{rule}; source={source.origin} ({source.reference}); relax={relax or 'none'}"
    return RULE_HEADER, why.encode("ascii", "replace").decode()


def picture_reply(request: Request, png: bytes, etag: str) -> Reply:
    """A picture as a file server gives it: If-None-Match and a single byte range are honoured."""
    headers: Headers = (
        ("content-type", "image/png"),
        ("etag", etag),
        ("accept-ranges", "bytes"),
        ("cache-control", "public, max-age=86400"),
    )
    known = {tag.strip().removeprefix("W/") for tag in (request.header("if-none-match") or "").split(",")}
    if known & {etag, "*"}:
        return Reply(304, headers, b"")
    wanted = _RANGE.fullmatch(request.header("range") or "")
    if request.header("if-range") not in (None, etag):  # a part of another picture would not fit
        wanted = None
    if wanted is None or (wanted[2] and int(wanted[2]) < int(wanted[1])):  # what is no range is ignored
        return Reply(200, headers, png)
    total = len(png)
    first, last = _span(wanted, total)
    if first > last:
        return Reply(416, (*headers, ("content-range", f"bytes */{total}")), b"")
    part = ("content-range", f"bytes {first}-{last}/{total}")
    return Reply(206, (*headers, part), png[first : last + 1])


def _span(wanted: re.Match[str], total: int) -> tuple[int, int]:
    """First and last byte of a range; the first lies behind the last where nothing is there."""
    begin, end, suffix = wanted.groups()
    if suffix is not None:
        return max(total - int(suffix), 0), total - 1
    return int(begin), min(int(end), total - 1) if end else total - 1
