"""Total time limits of calls, enforced at the network connections of httpx.

The timeouts of httpx are for single operations: a server that sends a byte now and then, or an endless series
of 1xx responses, never exceeds them. A `CallTimeout` is passed to httpx as an ordinary timeout, and
`limit_connections` makes connections observe its total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any, Self


class CallTimedOut(Exception):
    """The time for a call is over. `sent`: the request may have been sent, at least in part."""

    def __init__(self, seconds: float, *, sent: bool) -> None:
        super().__init__(f"no complete response within {seconds:g} s")
        self.sent = sent


class CallTimeout(float):
    """Seconds for a single network operation, and a limit for the whole call that it belongs to.

    The real clock counts, even if the test has replaced `time.monotonic`: sockets wait in real time.
    """

    _total: float
    _until: float
    _sends: bool

    def __new__(cls, seconds: float, total: float, *, sends: bool) -> Self:
        """`total`: seconds for the call; with `sends` (it has a body), since the last byte was sent."""
        made = super().__new__(cls, seconds)
        made._total, made._sends = total, sends
        made._until = monotonic() + total
        return made

    def left(self, *, sent: bool) -> float:
        """Seconds for the next operation. Raises CallTimedOut if no time is left for the call."""
        left = self._until - monotonic()
        if left <= 0:
            raise CallTimedOut(self._total, sent=sent)
        return min(self, left)

    def sent(self) -> None:
        """Restart the limit after a part of a body was sent: a large upload may take longer."""
        if self._sends:
            self._until = monotonic() + self._total


class _LimitedStream:
    """A network stream of httpcore that observes `CallTimeout`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, **options: Any) -> bytes:
        found: bytes = self._stream.read(max_bytes, **_limited(options))
        return found

    def write(self, buffer: bytes, **options: Any) -> None:
        self._stream.write(buffer, **_limited(options))
        _note_sent(options)

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, **options: Any) -> _LimitedStream:
        return _LimitedStream(self._stream.start_tls(ssl_context, **_limited(options, sent=False)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _LimitedAsyncStream:
    """`_LimitedStream` with awaitable methods."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, **options: Any) -> bytes:
        found: bytes = await self._stream.read(max_bytes, **_limited(options))
        return found

    async def write(self, buffer: bytes, **options: Any) -> None:
        await self._stream.write(buffer, **_limited(options))
        _note_sent(options)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(self, ssl_context: Any, **options: Any) -> _LimitedAsyncStream:
        return _LimitedAsyncStream(await self._stream.start_tls(ssl_context, **_limited(options, sent=False)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _LimitedBackend:
    """A network backend of httpcore whose connections observe `CallTimeout`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, host: str, port: int, **options: Any) -> _LimitedStream:
        return _LimitedStream(self._backend.connect_tcp(host, port, **_limited(options, sent=False)))

    def connect_unix_socket(self, path: str, **options: Any) -> _LimitedStream:
        return _LimitedStream(self._backend.connect_unix_socket(path, **_limited(options, sent=False)))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _LimitedAsyncBackend:
    """`_LimitedBackend` with awaitable methods."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    async def connect_tcp(self, host: str, port: int, **options: Any) -> _LimitedAsyncStream:
        stream = await self._backend.connect_tcp(host, port, **_limited(options, sent=False))
        return _LimitedAsyncStream(stream)

    async def connect_unix_socket(self, path: str, **options: Any) -> _LimitedAsyncStream:
        stream = await self._backend.connect_unix_socket(path, **_limited(options, sent=False))
        return _LimitedAsyncStream(stream)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


def _limited(options: Mapping[str, Any], *, sent: bool = True) -> Mapping[str, Any]:
    """The arguments of a network operation, with the time that is left for the call."""
    timeout = options.get("timeout")
    return {**options, "timeout": timeout.left(sent=sent)} if isinstance(timeout, CallTimeout) else options


def _note_sent(options: Mapping[str, Any]) -> None:
    timeout = options.get("timeout")
    if isinstance(timeout, CallTimeout):
        timeout.sent()


def limit_connections(client: object, *, awaitable: bool) -> None:
    """Make new connections of an HTTP client of httpx observe `CallTimeout`; other timeouts work as before.

    Transports other than those of httpx (mocks, applications) are left alone. httpx has no public way to
    replace the network backend of its own transports; tests notice a release that renames the attributes.
    """
    limited = _LimitedAsyncBackend if awaitable else _LimitedBackend
    for transport in _transports(client):
        pool: Any = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if backend is not None and not isinstance(backend, limited):
            pool._network_backend = limited(backend)  # noqa: SLF001 -- no public way; see above


def _transports(client: object) -> Iterable[object]:
    mounts: dict[object, object] = getattr(client, "_mounts", {})
    return (getattr(client, "_transport", None), *mounts.values())
