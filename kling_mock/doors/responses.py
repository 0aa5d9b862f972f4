"""Encodes replies as HTTP/1.1 responses."""

from __future__ import annotations

import http
from collections.abc import Iterable
from typing import Final

from kling_mock.http import JSON_HEADERS, JSON_TYPE, Reply

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
BODILESS: Final = (204, 304)


def status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


# Precomputed, because nearly every reply begins like this.
_JSON: Final = {
    status: status_line(status) + f"{JSON_TYPE[0]}: {JSON_TYPE[1]}\r\n".encode() for status in (200, 400)
}


def field_lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Header fields as lines. A line break in a value, which would begin another field, becomes a space."""
    return b"".join(
        [b"%b: %b\r\n" % (name, value.replace(b"\r", b" ").replace(b"\n", b" ")) for name, value in fields]
    )


def reply_bytes(reply: Reply, date: bytes, *, head: bool, close: bool) -> bytes:
    """A complete response. `date` is the header line of that name; `head` omits the body."""
    start = _JSON.get(reply.status) if reply.headers == JSON_HEADERS else None
    if start is None:
        encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in reply.headers]
        start = status_line(reply.status) + field_lines(encoded)
        if any(name == b"date" for name, _ in encoded):  # by the fake's clock
            date = b""
    size = len(reply.body) if reply.delivery is None else reply.length
    bodiless = reply.status in BODILESS
    length = b"" if bodiless else b"content-length: %d\r\n" % size
    body = b"" if head or bodiless else reply.body
    return b"".join((start, date, length, CLOSE if close else b"", b"\r\n", body))
