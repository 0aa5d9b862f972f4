"""Where the server under test sends its callbacks: a small receiver on this machine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple, Protocol, Self

from contracts.verify.exchange import Headers

_PATH: Final = "/callback/"
_LARGEST: Final = 1024 * 1024


class RawDelivery(NamedTuple):
    """A callback as it came; `token` is the last part of the URL it came to, `replied` our status."""

    token: str
    headers: Headers
    body: bytes
    received_at: float
    replied: int


class Inbox(Protocol):
    """What the campaign needs of a receiver."""

    def url(self, token: str) -> str:
        """Where the callbacks of one task go."""
        ...

    def refuse_first(self, token: str, times: int = 1) -> None:
        """Answer the first callbacks to this URL with 500."""
        ...

    def taken(self) -> list[RawDelivery]:
        """All that has come so far."""
        ...


class Letters:
    """What has come, and how often each token still refuses. The part of a receiver that is no socket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deliveries: list[RawDelivery] = []
        self._refusals: dict[str, int] = {}

    def refuse_first(self, token: str, times: int = 1) -> None:
        with self._lock:
            self._refusals[token] = times

    def taken(self) -> list[RawDelivery]:
        with self._lock:
            return list(self._deliveries)

    def take(self, token: str, headers: Mapping[str, str], body: bytes, at: float) -> int:
        """Keep a callback; the status to answer with."""
        with self._lock:
            left = self._refusals.get(token, 0)
            self._refusals[token] = max(left - 1, 0)
            status = 500 if left else 200
            self._deliveries.append(RawDelivery(token, tuple(headers.items()), body, at, status))
            return status


class Receiver(Letters):
    """An `Inbox` on a free port of 127.0.0.1. Use as a context manager. `now` dates what comes."""

    def __init__(self, now: Any) -> None:
        super().__init__()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                declared = self.headers.get("content-length") or "0"
                size = min(int(declared), _LARGEST) if declared.isdigit() else 0
                body = self.rfile.read(size)
                token = self.path.removeprefix(_PATH)
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver.take(token, headers, body, now())
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as it is called there
                """The report tells; nothing goes to standard error."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, token: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{_PATH}{token}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
