"""The HTTP transport of a run: sends one request, returns the answer or the error. Uses httpx."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
import weakref
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx

from kling_contracts.verify.exchange import Headers
from kling_contracts.verify.plan import is_loopback
from kling_contracts.verify.session import Answer

# Read timeout in seconds; shorter when the deadline of the run is nearer.
_SILENCE: Final = 30.0
_CONNECT: Final = 10.0
# The shortest timeout of a request in seconds; a run may exceed its deadline by this.
_LEAST: Final = 1.0
_MOST_URLS: Final = 256
# The largest answer that is read, in bytes.
LARGEST_ANSWER: Final = 64 * 1024 * 1024
# The longest duration from the first byte of an answer to its last, in seconds.
_LONGEST_ANSWER: Final = 30.0
_ASCII: Final = "".join(map(chr, range(128)))
# Methods that change nothing.
_REPEATED: Final = ("GET", "HEAD")
_AGENT: Final = ("user-agent", "kling-contracts")


class HttpTransport:
    """A connection to one server.

    Paths are sent as given, except that characters outside ASCII, as in some ids, are percent-encoded.
    Redirects are not followed. No cookies are stored, so that only the key identifies the caller. `time_left`
    returns the seconds until the deadline of the run; no request takes longer, even if the server sends its
    answer byte by byte.
    """

    def __init__(
        self,
        base_url: str,
        transport: httpx.BaseTransport | None = None,
        *,
        time_left: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._base = httpx.URL(base_url.rstrip("/"))
        self._urls: dict[str, httpx.URL] = {}
        # Proxies of the environment do not apply to loopback, but its certificates (SSL_CERT_FILE) do.
        local = is_loopback(base_url)
        secure = transport is None and self._base.scheme == "https"
        self._client = httpx.Client(
            transport=transport,
            timeout=_SILENCE,
            trust_env=not local,
            verify=httpx.create_ssl_context() if secure else True,
            follow_redirects=False,
        )
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._time_left = time_left
        self._connections = _Connections(time_left)

    def send(self, method: str, target: str, headers: Headers, body: bytes | None) -> Answer:
        """Send a request. `target` is path and query as on the wire, or a whole URL.

        A GET or HEAD is sent again if the server closed a connection that it had kept open (RFC 9112, 9.3.1);
        of others without an answer the caller decides.
        """
        events = _Events(self._connections)
        answer = self._send(method, target, headers, body, events)
        if method in _REPEATED and events.is_closed_while_kept and self._time_left() > 0:
            return self._send(method, target, headers, body, _Events(self._connections))
        return answer

    def _send(
        self, method: str, target: str, headers: Headers, body: bytes | None, events: _Events
    ) -> Answer:
        try:
            url = target if target.startswith(("http://", "https://")) else self._url(target)
            raw = [(name.encode(), value.encode("utf-8")) for name, value in (*headers, _AGENT)]
            patience = min(_SILENCE, max(self._time_left(), _LEAST))
            request = self._client.build_request(
                method,
                url,
                headers=raw,
                content=body,
                timeout=httpx.Timeout(patience, connect=min(_CONNECT, patience)),
                extensions={"trace": events.note},
            )
            response = self._client.send(request, stream=True)
            try:
                received = _read(response)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            answer = failed(error)
            events.is_closed = answer.closed
            return answer._replace(closed=answer.closed and not events.is_answered)
        answered = tuple((name.lower(), value) for name, value in response.headers.multi_items())
        return Answer(response.status_code, answered, received)

    def close(self) -> None:
        self._connections.forget()
        self._client.close()

    def _url(self, target: str) -> httpx.URL:
        """The URL of a target; recent ones are cached, because tasks are polled repeatedly."""
        url = self._urls.get(target)
        if url is None:
            prefix = self._base.raw_path.rstrip(b"/")
            url = self._base.copy_with(raw_path=prefix + quote(target, safe=_ASCII).encode())
            if len(self._urls) >= _MOST_URLS:
                self._urls.clear()
            self._urls[target] = url
        return url


def failed(error: httpx.HTTPError | httpx.InvalidURL | ValueError) -> Answer:
    """The result of a request that got no answer."""
    early = httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL | httpx.UnsupportedProtocol
    broken = httpx.ReadError | httpx.WriteError | httpx.CloseError
    # Other errors of this class are answers that are not HTTP.
    closed = isinstance(error, httpx.RemoteProtocolError) and str(error).startswith("Server disconnected")
    return Answer(
        0,
        failure=f"{type(error).__name__}: {error}",
        arrived=not isinstance(error, early),
        closed=closed or isinstance(error, broken),
    )


class _Stream(Protocol):
    """The network stream of httpcore."""

    def get_extra_info(self, info: str) -> Any: ...


class _Connections:
    """The open sockets, which are shut down at the deadline.

    A timeout of httpx covers a single read, so it does not end an answer that arrives byte by byte.
    """

    def __init__(self, time_left: Callable[[], float]) -> None:
        self._time_left = time_left
        self._lock = threading.Lock()
        self._open = weakref.WeakSet[socket.socket]()
        self._alarm: threading.Timer | None = None
        self._over = False

    def note(self, event: str, seen: dict[str, Any]) -> None:
        """Collect new connections; a trace callback of httpcore."""
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        stream: _Stream = seen["return_value"]
        with self._lock:
            self._open.add(stream.get_extra_info("socket"))
            left = self._time_left()
            if self._alarm is None and left < math.inf:
                self._alarm = threading.Timer(max(left, 0.0) + _LEAST, self._shut)
                self._alarm.daemon = True
                self._alarm.start()
        if self._over:
            self._shut()

    def forget(self) -> None:
        """Cancel the timer."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm.join()

    def _shut(self) -> None:
        with self._lock:
            self._over = True
            for each in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)  # without the closing message of TLS


class _Events:
    """The events of one request, by the trace of httpcore."""

    def __init__(self, connections: _Connections) -> None:
        self.is_closed = False
        self._connections = connections
        self._seen: set[str] = set()

    def note(self, event: str, seen: dict[str, Any]) -> None:
        self._seen.add(event.partition(".")[2])
        self._connections.note(event, seen)

    @property
    def is_answered(self) -> bool:
        """Whether an answer began."""
        return "receive_response_headers.complete" in self._seen

    @property
    def is_closed_while_kept(self) -> bool:
        """Whether the request was sent on a connection of an earlier one, and no answer began."""
        is_sent = "send_request_headers.started" in self._seen
        is_new = "connect_tcp.complete" in self._seen
        return self.is_closed and is_sent and not is_new and not self.is_answered


def _read(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    began = time.monotonic()
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise httpx.DecodingError(f"the answer has more than {LARGEST_ANSWER} bytes")
        if time.monotonic() - began > _LONGEST_ANSWER:
            raise httpx.ReadTimeout(f"the answer did not end within {_LONGEST_ANSWER:.0f} seconds")
    return b"".join(chunks)
