"""A small receiver on 127.0.0.1 for the callbacks of the server under test."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, Final, NamedTuple, Protocol, Self

from kling_contracts.verify.exchange import Headers

_PATH: Final = "/callback/"
_LARGEST: Final = 1024 * 1024
_LONGEST_LINE: Final = 65537


class RawDelivery(NamedTuple):
    """A callback as received: `token` and `query` of its URL; `replied` is the status sent back."""

    token: str
    headers: Headers
    body: bytes
    received_at: float
    replied: int
    query: str = ""


class CallbackInbox(Protocol):
    """The receiver that a run needs."""

    def url(self, token: str) -> str:
        """The callback URL of one task."""
        ...

    def refuse_first(self, token: str, times: int = 1) -> None:
        """Answer the first `times` callbacks to this URL with 500."""
        ...

    def received(self) -> list[RawDelivery]:
        """All callbacks received so far."""
        ...


class ReceivedCallbacks:
    """The state of a receiver: callbacks, and the number of refusals left for each token."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deliveries: list[RawDelivery] = []
        self._refusals: dict[str, int] = {}

    def refuse_first(self, token: str, times: int = 1) -> None:
        with self._lock:
            self._refusals[token] = times

    def received(self) -> list[RawDelivery]:
        with self._lock:
            return list(self._deliveries)

    def store(self, token: str, headers: Mapping[str, str], body: bytes, at: float) -> int:
        """Store a callback; returns the status to answer with. `token` may be followed by `?` and a query."""
        token, _, query = token.partition("?")
        with self._lock:
            left = self._refusals.get(token, 0)
            self._refusals[token] = max(left - 1, 0)
            status = 500 if left else 200
            self._deliveries.append(RawDelivery(token, tuple(headers.items()), body, at, status, query))
            return status


class CallbackServer(ReceivedCallbacks):
    """A `CallbackInbox` on a free port of 127.0.0.1; a context manager. `now` gives the time of arrival."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = _read(self.rfile, self.headers)
                token = self.path.removeprefix(_PATH)
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver.store(token, headers, body, now())
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the inherited name
                """Log nothing to standard error."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, token: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{_PATH}{token}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Joins all its threads on close, even if a client keeps a connection open."""

    daemon_threads = False  # daemon threads are not joined

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Shut down the open connections."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or do not send HTTP."""


def _read(stream: BufferedIOBase, headers: Message) -> bytes:
    """The body of a request, truncated to 1 MiB. Raises OSError, or ValueError for an invalid body."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        declared = headers.get("content-length") or "0"
        return stream.read(min(int(declared), _LARGEST)) if declared.isdigit() else b""
    body = b""
    while size := int(stream.readline(_LONGEST_LINE).partition(b";")[0], 16):
        if len(body) + size > _LARGEST:
            raise ValueError(f"a body of more than {_LARGEST} bytes")
        body += stream.read(size)
        stream.readline(_LONGEST_LINE)
    while stream.readline(_LONGEST_LINE).strip():
        pass  # trailers
    return body
