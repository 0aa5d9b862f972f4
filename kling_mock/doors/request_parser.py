"""Parses HTTP/1 requests from the bytes of a connection with httptools; refuses invalid bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import httptools
from msgspec import Struct

from kling_mock.doors.limits import DRAINED_CAPS, Limits, read_length
from kling_mock.doors.origins import parse_host
from kling_mock.http import Headers

SCHEMES: Final = frozenset({"http", "https"})
# Header fields that only offer an upgrade, and are removed with it.
UPGRADE_TOKENS: Final = frozenset({b"upgrade", b"http2-settings"})
# Maximum of a body's chunk sizes, chunk extensions and trailers.
FRAMING_BYTES: Final = 1024 * 1024


class BadRequest(Exception):
    """The bytes are not a valid request: `status` and the text are the last reply on the connection."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Head(Struct, frozen=True):
    """A request line and its header fields, decoded, with the values that the connection uses.

    `host` is valid, or empty; `scheme` is that of `X-Forwarded-Proto` or None; `declared` is the
    Content-Length; `continues`: the client waits for a `100 Continue`.
    """

    method: str
    path: str
    query: str
    headers: Headers
    host: str
    scheme: str | None
    declared: int
    continues: bool
    http10: bool
    keep_alive: bool


class Incoming(Struct):
    """A request: its head, and its body once it is complete.

    `body` is empty if it is over the cap; `size` is its length in any case. `tag` is free for the caller.
    """

    head: Head
    keep_alive: bool
    body: bytes | bytearray = b""
    size: int = 0
    tag: Any = None


# Method, HTTP version, target and header fields, as the client has sent them.
_RawHead: TypeAlias = tuple[bytes, str, bytes, list[tuple[bytes, bytes]]]


class RequestParser:
    """Feeds bytes to httptools; `on_request` is called with each complete request.

    `on_head` is called with each head; it returns the body cap in bytes, and may set `Incoming.tag`.
    `on_expect` is called if the client waits for a `100 Continue` before it sends the body.
    """

    def __init__(
        self,
        limits: Limits,
        on_head: Callable[[Incoming], int],
        on_expect: Callable[[], None],
        on_request: Callable[[Incoming], None],
    ) -> None:
        self._limits = limits
        self._on_expect = on_expect
        self._on_head = on_head
        self._on_request = on_request
        self._parser = httptools.HttpRequestParser(self)
        self._refusal: BadRequest | None = None
        self._cap = 0
        self._fields: list[tuple[bytes, bytes]] = []
        # Of the request before: most clients repeat heads on a connection.
        self._read: tuple[_RawHead, Head] | None = None
        self._url = b""
        self._fed = 0  # bytes of the current call of `feed`
        self._raw_bytes = 0  # of the request, without those in the first read
        self._head_bytes = 0  # at least the size of the head
        self.incoming: Incoming | None = None  # the request whose body is being read
        self.in_head = False
        self.finished = False  # no further request is read from this connection

    # -- bytes

    def feed(self, data: bytes) -> None:
        """Parse bytes. Raises BadRequest, after `on_request` was called for the requests before it."""
        while not self.finished:
            self._fed = len(data)
            self._raw_bytes += self._fed
            self._head_bytes += self._fed
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # httptools treats the rest as another protocol, including the body.
                if self.finished:
                    return
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
                continue
            except httptools.HttpParserError:
                if self.finished:
                    return
                self.finished = True
                raise self._refusal or BadRequest(400, "not a valid HTTP/1.1 request") from None
            incoming = self.incoming
            if incoming is not None and self._raw_bytes > self._cap * DRAINED_CAPS + FRAMING_BYTES:
                incoming.size = self._raw_bytes
                incoming.body = b""
                self._last(incoming)
            if self.in_head and self._raw_bytes > self._limits.target_bytes + self._limits.header_bytes:
                self.finished = True
                raise self._too_large()
            return

    def _too_large(self) -> BadRequest:
        limits = self._limits
        text = f"request header: at most {limits.header_bytes} bytes and {limits.header_count} fields"
        return BadRequest(431, text)

    def _refuse(self, status: int, text: str) -> BadRequest:
        # httptools replaces an exception of a callback with its own.
        self._refusal = BadRequest(status, text)
        return self._refusal

    def _head_without_upgrade(self) -> bytes:
        parser = self._parser
        lines = [b"%b %b HTTP/%b" % (parser.get_method(), self._url, parser.get_http_version().encode())]
        for name, value in self._fields:
            lower = name.lower()
            if lower == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                kept = b", ".join(token for token in tokens if token.lower() not in UPGRADE_TOKENS)
                lines += [b"connection: " + kept] if kept else []
            elif lower not in UPGRADE_TOKENS:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    # -- callbacks of httptools

    def on_message_begin(self) -> None:
        if self.finished:
            raise BadRequest(400, "data after the last request")
        self._fields = []
        self._url = b""
        self._raw_bytes = 0
        self._head_bytes = self._fed
        self.incoming = None
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self._limits.target_bytes:
            raise self._refuse(400, f"request target: at most {self._limits.target_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self._fields.append((name, value))
            return
        self._trailers += 1  # they are not headers
        if self._trailers > self._limits.header_count:
            raise self._refuse(431, f"trailers: at most {self._limits.header_count}")

    def on_headers_complete(self) -> None:
        parser, read = self._parser, self._read
        raw = parser.get_method(), parser.get_http_version(), self._url, self._fields
        if read is None or raw != read[0]:
            if raw[0] == b"CONNECT":
                raise self._refuse(400, "CONNECT: this server is not a proxy")
            if parser.should_upgrade():
                return
            self._check_size()
            read = self._read = raw, self._read_head(raw)
        self.in_head = False
        self._trailers = 0
        head = read[1]
        incoming = self.incoming = Incoming(head, head.keep_alive)
        cap = self._cap = self._on_head(incoming)
        expected = head.declared
        if expected > cap * DRAINED_CAPS or (head.continues and expected > cap):
            incoming.size = expected
            self._last(incoming)
        elif head.continues:
            self._on_expect()

    def _check_size(self) -> None:
        """Refuse a complete head over the limits; `feed` refuses one that does not end."""
        limits, fields = self._limits, self._fields
        large = self._head_bytes > limits.header_bytes
        if len(fields) > limits.header_count or (
            large and sum(len(name) + len(value) for name, value in fields) > limits.header_bytes
        ):
            self._refusal = self._too_large()
            raise self._refusal

    def on_body(self, piece: bytes) -> None:
        incoming = self.incoming
        if incoming is None:
            return
        size = incoming.size = incoming.size + len(piece)
        if size > self._cap:
            incoming.body = b""
            if size > self._cap * DRAINED_CAPS:
                self._last(incoming)
        elif not incoming.body:
            incoming.body = piece
        elif isinstance(incoming.body, bytes):
            incoming.body = bytearray(incoming.body + piece)
        else:
            incoming.body += piece

    def on_message_complete(self) -> None:
        incoming = self.incoming
        if incoming is None:  # the end of a head that offers an upgrade
            return
        self.incoming = None
        if not incoming.keep_alive:
            self.finished = True
        self._on_request(incoming)

    def _last(self, incoming: Incoming) -> None:
        """Emit a request whose body is not read to its end, so that no request after it can be parsed."""
        incoming.keep_alive = False
        self.incoming = None
        self.finished = True
        self._on_request(incoming)

    def _read_head(self, raw: _RawHead) -> Head:
        method, version, target, fields = raw
        path, query = self._split_target(target)
        headers = tuple([(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in fields])
        host: str | None = None
        scheme: str | None = None
        declared, continues = 0, False
        for name, value in headers:
            match name:
                case "host":
                    if host is not None:
                        raise self._refuse(400, "Host: more than one")
                    host = self._read_host(value)
                case "content-length":
                    declared = read_length(value)
                case "transfer-encoding":
                    if value.lower() != "chunked":
                        raise self._refuse(501, "Transfer-Encoding: only chunked is supported")
                case "expect":
                    continues = value.lower() == "100-continue"
                case "x-forwarded-proto":
                    first = value.partition(",")[0].strip().lower()
                    scheme = first if first in SCHEMES else None
                case _:
                    pass
        http10 = version != "1.1"
        if host is None and not http10:
            raise self._refuse(400, "Host: required in HTTP/1.1")
        keep_alive = self._parser.should_keep_alive() and not http10
        text = method.decode("ascii")
        return Head(text, path, query, headers, host or "", scheme, declared, continues, http10, keep_alive)

    def _read_host(self, value: str) -> str:
        host = value.strip()
        if host and parse_host(host) is None:
            raise self._refuse(400, "Host: not a valid name or address with a port up to 65535")
        return host

    def _split_target(self, raw: bytes) -> tuple[str, str]:
        try:
            target = raw.decode("ascii")
            if not target.startswith(("/", "*")):
                parsed = httptools.parse_url(raw)
                path = (parsed.path or b"/").decode("ascii")
                return path, (parsed.query or b"").decode("ascii")
        except (UnicodeDecodeError, httptools.HttpParserError):
            raise self._refuse(400, "request target: not a valid path or URL in ASCII") from None
        target = target.partition("#")[0]
        path, _, query = target.partition("?")
        return path, query
