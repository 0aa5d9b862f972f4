"""Parses HTTP/1 requests from the bytes of a connection with httptools; refuses invalid bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import httptools

from kling_mock.doors.limits import DRAINED_CAPS, Limits, read_length
from kling_mock.doors.origins import parse_host

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


class HeadFields(NamedTuple):
    """The header fields of a request, decoded, and the values of those that the connection uses."""

    headers: tuple[tuple[str, str], ...] = ()
    host: str | None = None
    scheme: str | None = None
    declared: int = 0  # Content-Length
    continues: bool = False  # the client waits for a `100 Continue`


class Incoming:
    """A request: its head, and its body once it is complete.

    `host` is valid, or empty; `scheme` is that of `X-Forwarded-Proto` or None.
    `body` is empty if it is over the cap; `size` is its length in any case. `tag` is free for the caller.
    """

    __slots__ = (
        "body",
        "continues",
        "headers",
        "host",
        "http10",
        "keep_alive",
        "method",
        "path",
        "query",
        "scheme",
        "size",
        "tag",
    )

    def __init__(self, method: str, path: str, query: str, fields: HeadFields, *, http10: bool) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = fields.headers
        self.host = fields.host or ""
        self.scheme = fields.scheme
        self.http10 = http10
        self.keep_alive = True
        self.continues = fields.continues
        self.body: bytes | bytearray = b""
        self.size = 0
        self.tag: object = None


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
        # Of the request before: most clients repeat the fields on a connection.
        self._read: tuple[list[tuple[bytes, bytes]], HeadFields] = ([], HeadFields())
        self._url = b""
        self._fed = 0  # bytes of the current call of `feed`
        self._raw_bytes = 0  # of the request, without those in the first read
        self._head_bytes = 0  # at least the size of the head
        self.head: Incoming | None = None  # of the request whose body is being read
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
            head = self.head
            if head is not None and self._raw_bytes > self._cap * DRAINED_CAPS + FRAMING_BYTES:
                head.size = self._raw_bytes
                head.body = b""
                self._last(head)
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
        lines = [b"%b %b HTTP/%b" % (self._parser.get_method(), self._url, self._version)]
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
        self.head = None
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
        parser = self._parser
        self._version = parser.get_http_version().encode()
        if parser.get_method() == b"CONNECT":
            raise self._refuse(400, "CONNECT: this server is not a proxy")
        if parser.should_upgrade():
            return
        self._check_size()
        self.in_head = False
        self._trailers = 0
        head = self.head = self._read_head()
        head.keep_alive = parser.should_keep_alive() and not head.http10
        self._cap = self._on_head(head)
        expected = self._read[1].declared
        if expected > self._cap * DRAINED_CAPS or (head.continues and expected > self._cap):
            head.size = expected
            self._last(head)
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
        head = self.head
        if head is None:
            return
        size = head.size = head.size + len(piece)
        if size > self._cap:
            head.body = b""
            if size > self._cap * DRAINED_CAPS:
                self._last(head)
        elif not head.body:
            head.body = piece
        elif isinstance(head.body, bytes):
            head.body = bytearray(head.body + piece)
        else:
            head.body += piece

    def on_message_complete(self) -> None:
        head = self.head
        if head is None:  # the end of a head that offers an upgrade
            return
        self.head = None
        if not head.keep_alive:
            self.finished = True
        self._on_request(head)

    def _last(self, head: Incoming) -> None:
        """Emit a request whose body is not read to its end, so that no request after it can be parsed."""
        head.keep_alive = False
        self.head = None
        self.finished = True
        self._on_request(head)

    def _read_head(self) -> Incoming:
        path, query = self._split_target()
        http10 = self._version != b"1.1"
        if self._fields != self._read[0]:
            self._read = self._fields, self._read_fields()
        fields = self._read[1]
        if fields.host is None and not http10:
            raise self._refuse(400, "Host: required in HTTP/1.1")
        return Incoming(self._parser.get_method().decode("ascii"), path, query, fields, http10=http10)

    def _read_fields(self) -> HeadFields:
        headers = tuple(
            [(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in self._fields]
        )
        host: str | None = None
        scheme: str | None = None
        declared, continues = 0, False
        for name, value in headers:
            match name:
                case "host":
                    if host is not None:
                        raise self._refuse(400, "Host: more than one")
                    host = value.strip()
                    if host and parse_host(host) is None:
                        raise self._refuse(400, "Host: not a valid name or address with a port up to 65535")
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
        return HeadFields(headers, host, scheme, declared, continues)

    def _split_target(self) -> tuple[str, str]:
        try:
            target = self._url.decode("ascii")
            if not target.startswith(("/", "*")):
                parsed = httptools.parse_url(self._url)
                path = (parsed.path or b"/").decode("ascii")
                return path, (parsed.query or b"").decode("ascii")
        except (UnicodeDecodeError, httptools.HttpParserError):
            raise self._refuse(400, "request target: not a valid path or URL in ASCII") from None
        target = target.partition("#")[0]
        path, _, query = target.partition("?")
        return path, query
