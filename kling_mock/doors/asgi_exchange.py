"""One request of a connection, answered by an ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import unquote

from kling_mock.doors.asgi_types import App, Message, Scope
from kling_mock.doors.request_parser import Incoming
from kling_mock.doors.responses import CLOSE, field_lines, status_line
from kling_mock.doors.socket_stream import SocketStream

_log: Final = logging.getLogger("kling_mock.server")
_FAILURE: Final = b"Internal Server Error"


class ASGIExchange:
    """Runs `app` for one request, whose body is complete, and writes its response to the connection.

    `done` is called at its end, with whether the connection can be used again.
    """

    def __init__(
        self,
        stream: SocketStream,
        incoming: Incoming,
        scope: Scope,
        date: bytes,
        done: Callable[[bool], None],
    ) -> None:
        self._stream = stream
        self._done = done
        self._incoming = incoming
        self._scope = scope
        self._date = date
        self._body: bytes | None = bytes(incoming.body)
        self._disconnected = asyncio.Event()
        self._lost = False
        self._keep_alive = incoming.keep_alive
        self._started = False
        self._complete = False
        self._chunked = False
        self._left: int | None = None  # bytes of the declared length that have not been sent

    async def run(self, app: App) -> None:
        try:
            await app(self._scope, self.receive, self.send)
            self._require_end()
        except asyncio.CancelledError:
            self._keep_alive = False
        except Exception:  # noqa: BLE001 -- logged; the client gets a 500
            self._keep_alive = False
            if not self._lost:
                _log.exception("%s %s: the application failed", self._scope["method"], self._scope["path"])
            if not self._started:
                await self._fail()
        finally:
            # A response that ends early must not look complete, so the connection ends.
            self._done(self._keep_alive and self._complete)

    def _require_end(self) -> None:
        if not self._complete and not self._lost:
            raise RuntimeError("the application returned before its response was complete")

    def disconnect(self, *, lost: bool) -> None:
        """The client sends no more data; `lost`: it also receives none."""
        self._lost = self._lost or lost
        self._disconnected.set()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self._complete:
            await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._complete:
            raise RuntimeError(f"{message['type']}: sent after the end of the response")
        if self._lost:
            return
        match message["type"], self._started:
            case "http.response.start", False:
                self._start(message)
            case "http.response.body", True:
                self._write_body(message.get("body", b""), more=message.get("more_body", False))
                await self._stream.drain()
            case _:
                raise RuntimeError(f"{message['type']}: not expected here")

    def _start(self, message: Message) -> None:
        status = message["status"]
        fields = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
        names = {name for name, _ in fields}
        declared = next((value for name, value in fields if name == b"content-length"), None)
        # The connection sets these two headers itself.
        framing = (b"connection", b"transfer-encoding")
        closes = any(name == b"connection" and b"close" in value.lower() for name, value in fields)
        if self._incoming.head.method == "HEAD" or status in (204, 304):
            self._left = 0
        elif declared is not None:
            self._left = int(declared)
        elif self._incoming.head.http10:
            closes = True
        else:
            self._chunked = True
        self._keep_alive = self._keep_alive and not closes
        self._started = True
        self._stream.write(
            b"".join(
                (
                    status_line(status),
                    field_lines(field for field in fields if field[0] not in framing),
                    b"" if b"date" in names else self._date,
                    b"transfer-encoding: chunked\r\n" if self._chunked else b"",
                    b"" if self._keep_alive else CLOSE,
                    b"\r\n",
                )
            )
        )

    def _write_body(self, body: bytes, *, more: bool) -> None:
        if self._incoming.head.method == "HEAD":
            body = b""
        if self._left is not None:
            if len(body) > self._left or (not more and len(body) < self._left):
                raise RuntimeError("the body of the response does not have its declared length")
            self._left -= len(body)
        if self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        if body:
            self._stream.write(body)
        self._complete = not more

    async def _fail(self) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_FAILURE))]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": _FAILURE})


def scope_of(
    incoming: Incoming, scheme: str, server: tuple[str, int | None] | None, client: tuple[str, int] | None
) -> Scope:
    head = incoming.head
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if head.http10 else "1.1",
        "method": head.method,
        "scheme": scheme,
        "path": unquote(head.path),
        "raw_path": head.path.encode("ascii"),
        "query_string": head.query.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.headers],
        "server": server,
        "client": client,
        "state": {},
    }


def address_in(value: object) -> tuple[str, int] | None:
    """Host and port of a socket address; None for other kinds."""
    if isinstance(value, tuple) and len(cast("tuple[object, ...]", value)) >= 2:
        host, port = cast("tuple[object, ...]", value)[:2]
        return str(host), int(cast("int", port))
    return None
