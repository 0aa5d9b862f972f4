"""A scripted server on a loopback socket: sends the replies of a script, and records the requests."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from http.client import HTTPException, HTTPMessage, parse_headers
from io import BufferedReader
from threading import Event, Lock
from typing import Final, Self, cast
from urllib.parse import urlsplit

from kling_contracts.virtual_time.threads import RealTimeThread

# Real seconds for which a stalled reply is held back from a client that does not time out.
STALL_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 5.0
REPLY_SECONDS: Final = 0.05

Address = tuple[str, int]
Headers = tuple[tuple[str, str], ...]


class ClientTimeout(Enum):
    """The timeout of a client that waits for a response."""

    LIMITED = "it has a timeout"
    ENDLESS = "it has no timeout"
    UNSEEN = "unknown"


class Delivery(Enum):
    """The way in which a reply is sent, or lost."""

    WHOLE = "complete"
    CHUNKED = "in chunks"
    CLOSING = "complete, then the connection is closed"
    CUT = "half of the body, then the connection is dropped"
    DROPPED = "the connection is dropped without a response"
    STALLED = "no response until the client gives up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of the script. `seconds` is its virtual duration."""

    status: int = 200
    body: bytes = b""
    headers: Headers = (("Content-Type", "application/json"),)
    delivery: Delivery = Delivery.WHOLE
    seconds: float = REPLY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A recorded request: header names in their original case, the body without transfer encoding.

    `at` is its time of arrival, in seconds of the clock passed to `ScriptedServer.begin`.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    at: float = 0.0

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def header(self, name: str) -> str:
        """The values of a header (name in lower case), joined by commas; empty if it is missing."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def json(self) -> object:
        """The decoded body. Raises ValueError if it is not JSON in UTF-8."""
        return cast("object", json.loads(self.body.decode("utf-8")))

    def __str__(self) -> str:
        text = self.body.decode("utf-8", "backslashreplace")
        shown = text if len(text) <= 300 else f"{text[:300]}... ({len(self.body)} bytes)"
        return f"{self.method} {self.target} {shown}".rstrip()


class ScriptedServer:
    """A context that listens on a free loopback port. `answer` can be replaced at any time.

    `client_timeout` returns the timeout of the client connected from an address.
    """

    def __init__(
        self,
        answer: Callable[[Received], Reply],
        client_timeout: Callable[[Address], ClientTimeout] = lambda _: ClientTimeout.UNSEEN,
    ) -> None:
        self._lock = Lock()
        self._client_timeout = client_timeout
        self.begin(answer)
        self._closing = False
        self._open: set[socket.socket] = set()
        self._busy: set[socket.socket] = set()
        self._threads: list[RealTimeThread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closing = True
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        # On some systems closing a socket does not wake its `accept`; a connection always does.
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def begin(
        self, answer: Callable[[Received], Reply], now: Callable[[], float] = time.perf_counter
    ) -> None:
        """Clear the recorded requests and set the replies. `now` is the clock of `Received.at`."""
        with self._lock:
            self.answer, self._now = answer, now
            self.requests: list[Received] = []
            self.failure: Exception | None = None
            # The timeout of each client that still waited for a stalled reply after `STALL_SECONDS`.
            self.outlasted: list[ClientTimeout] = []

    def is_idle(self) -> bool:
        """Whether all requests sent so far have been read and answered."""
        with self._lock:
            waiting = select.select([self._listener, *self._open], [], [], 0)[0]
            return not waiting and not self._busy

    def settle(self) -> None:
        """Wait until the server is idle: a request of a client that gave up may not have been read yet."""
        end = time.perf_counter() + SETTLE_SECONDS
        while time.perf_counter() < end and not self.is_idle():
            Event().wait(0.001)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = RealTimeThread(target=target, args=arguments, daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            select.select([self._listener], [], [])
            with self._lock:  # so that `is_idle` never misses a connection being accepted
                connection, _ = self._listener.accept()
                if self._closing:
                    connection.close()
                    return
                self._open.add(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._talk, connection)

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as stream:
                while self._converse(connection, stream):
                    pass
        except (OSError, HTTPException, ValueError):
            pass  # the client disconnected or did not send HTTP; it gets an error itself
        except Exception as error:  # noqa: BLE001 -- an error in a script; the harness raises it
            self.failure = error
        finally:
            with self._lock:
                self._open.discard(connection)
                self._busy.discard(connection)
                connection.close()

    def _converse(self, connection: socket.socket, stream: BufferedReader) -> bool:
        """Handle one request; True if the connection stays open."""
        if not connection.recv(1, socket.MSG_PEEK):  # peek, so that `is_idle` still sees unread data
            return False
        with self._lock:
            self._busy.add(connection)
        request = _receive(connection, stream)
        stays = request is not None and self._serve(connection, request)
        with self._lock:
            self._busy.discard(connection)
        return stays

    def _serve(self, connection: socket.socket, request: Received) -> bool:
        """Record a request and send its reply; True if the connection stays open."""
        with self._lock:
            self.requests.append(replace(request, at=self._now()))
            reply = self.answer(request)
        match reply.delivery:
            case Delivery.DROPPED:
                return False
            case Delivery.STALLED:
                self._stall(connection)
                return False
            case Delivery.CUT:
                connection.sendall(_head(reply) + reply.body[: len(reply.body) // 2])
                return False
            case Delivery.CHUNKED:
                connection.sendall(_head(reply) + _chunks(reply.body))
            case Delivery.WHOLE | Delivery.CLOSING:
                connection.sendall(_head(reply) + (b"" if request.method == "HEAD" else reply.body))
        asked = request.header("connection").lower() == "close"
        return reply.delivery is not Delivery.CLOSING and not asked

    def _stall(self, connection: socket.socket) -> None:
        """Hold the reply back for a while. The server counts as idle, so virtual time may pass."""
        with self._lock:
            self._busy.discard(connection)
        connection.settimeout(STALL_SECONDS)
        try:
            connection.recv(1)
        except TimeoutError:
            self.outlasted.append(self._client_timeout(connection.getpeername()))


def _receive(connection: socket.socket, stream: BufferedReader) -> Received | None:
    """Read the next request of a connection; None at its end."""
    line = stream.readline(65537).decode("latin-1").split()
    if len(line) != 3:
        return None
    method, target, _ = line
    headers: HTTPMessage = parse_headers(stream)
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _read_chunks(stream)
    else:
        length = int(headers.get("content-length", "0"))
        body = stream.read(length)
        if len(body) < length:
            return None
    return Received(method=method, target=target, headers=tuple(headers.items()), body=body)


def _read_chunks(stream: BufferedReader) -> bytes:
    body = b""
    while size := int(stream.readline(100).partition(b";")[0], 16):
        body += stream.read(size)
        stream.readline(3)
    while stream.readline(65537).strip():
        pass  # trailers
    return body


def _head(reply: Reply) -> bytes:
    length = (
        ("Transfer-Encoding", "chunked")
        if reply.delivery is Delivery.CHUNKED
        else ("Content-Length", str(len(reply.body)))
    )
    closing = (("Connection", "close"),) if reply.delivery is Delivery.CLOSING else ()
    lines = [f"{name}: {value}\r\n" for name, value in (*reply.headers, length, *closing)]
    return f"HTTP/1.1 {reply.status} \r\n{''.join(lines)}\r\n".encode("latin-1")


def _chunks(body: bytes) -> bytes:
    """The body in two chunks, split in the middle, possibly within a character."""
    middle = len(body) // 2
    parts = [part for part in (body[:middle], body[middle:]) if part]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
