"""Transports for httpx and httpx2: requests of either library are answered in process, without sockets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from kling_mock.http import Reply, Request

if TYPE_CHECKING:
    import httpx2

Handle = Callable[[Request], Reply]


def _modules() -> tuple[Any, ...]:
    """The installed libraries of the two."""
    try:
        import httpx2
    except ImportError:  # an optional extra
        return (httpx,)
    # httpx2 takes the place of httpx in a process that calls `httpx2.alias_httpx()`.
    return tuple({id(module): module for module in (httpx, httpx2)}.values())


MODULES: Final = _modules()

if TYPE_CHECKING:

    class _Transport(
        httpx.BaseTransport, httpx.AsyncBaseTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport
    ):
        """A transport of both libraries."""

        def handle_request(self, request: Any) -> Any: ...

        async def handle_async_request(self, request: Any) -> Any: ...

else:
    _Transport = type(
        "_Transport",
        tuple(base for module in MODULES for base in (module.BaseTransport, module.AsyncBaseTransport)),
        {},
    )


class _Library(NamedTuple):
    """The classes of one library that an exchange needs."""

    response: Callable[..., Any]
    stream: Callable[[bytes, bool], object]
    not_read: type[Exception]
    illegal: type[Exception]
    timeout: Callable[..., Exception]


# The text of both libraries over a socket.
_CUT: Final = "peer closed connection without sending complete message body"


def _library(module: Any) -> _Library:
    class ReplyStream(module.SyncByteStream, module.AsyncByteStream):  # type: ignore[misc]  # of either library
        """A body that is read like one from the network, so that clients run their usual code."""

        def __init__(self, body: bytes, cut: bool) -> None:  # noqa: FBT001 -- positional for speed
            self._body = body
            self._cut = cut

        def __iter__(self) -> Iterator[bytes]:
            yield self._body
            if self._cut:
                raise module.RemoteProtocolError(_CUT)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield self._body
            if self._cut:
                raise module.RemoteProtocolError(_CUT)

    return _Library(
        module.Response, ReplyStream, module.RequestNotRead, module.LocalProtocolError, module.ReadTimeout
    )


_LIBRARIES: Final[dict[type, _Library]] = {module.Request: _library(module) for module in MODULES}


def _library_of(request: object) -> _Library:
    """The library of a request whose class is derived from the library's."""
    for kind, library in _LIBRARIES.items():
        if isinstance(request, kind):
            return library
    raise TypeError(f"request: must be one of httpx or httpx2; got {type(request).__qualname__}")


def exchange(handle: Handle, request: Any) -> Any:
    """Answer a request of a blocking client of either library with a response of the same library."""
    library = _LIBRARIES.get(request.__class__) or _library_of(request)
    try:
        body = request.content
    except library.not_read:
        # The stream stays consumed, as after sending: the library raises its own error for a second use.
        body = b"".join(request.stream)
    reply = handle(_read(library, request, body))
    if reply.delay:
        time.sleep(_pause(reply, request))
        _check_timeout(library, reply, request)
    return _response(library, reply, request.method)


async def exchange_async(handle: Handle, request: Any) -> Any:
    """`exchange` for asynchronous clients."""
    library = _LIBRARIES.get(request.__class__) or _library_of(request)
    try:
        body = request.content
    except library.not_read:
        body = b"".join([chunk async for chunk in request.stream])
    reply = handle(_read(library, request, body))
    if reply.delay:
        import anyio

        await anyio.sleep(_pause(reply, request))
        _check_timeout(library, reply, request)
    return _response(library, reply, request.method)


def _limit(request: Any) -> float | None:
    """The read timeout of a request in seconds."""
    timeout: dict[str, float | None] = request.extensions.get("timeout") or {}
    return timeout.get("read")


def _pause(reply: Reply, request: Any) -> float:
    """The seconds for which the client waits for a delayed reply."""
    limit = _limit(request)
    return reply.delay if limit is None else min(reply.delay, limit)


def _check_timeout(library: _Library, reply: Reply, request: Any) -> None:
    """Raise the read timeout of the library if the reply is delayed beyond it."""
    limit = _limit(request)
    if limit is not None and limit < reply.delay:
        raise library.timeout(f"no response within {limit:g} s", request=request)


def _read(library: _Library, request: Any, body: bytes) -> Request:
    target = request.extensions.get("target") or request.url.raw_path
    return read_request(request.method, target, request.headers.raw, body, library.illegal)


def read_request(
    method: str,
    target: bytes,
    raw_headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
    illegal: Callable[[str], Exception],
) -> Request:
    """A request from its parts in bytes. Raises `illegal` for a header value that cannot be sent."""
    headers: list[tuple[str, str]] = []
    for name, value in raw_headers:
        text = value.decode("latin-1")
        # Both libraries refuse these over HTTP/1.1, for example a key that ends with a line feed.
        if value != value.strip() or (not text.isprintable() and _is_illegal(text)):
            raise illegal(f"Illegal header value {value!r}")
        headers.append((name.decode("latin-1").lower(), text))
    path, _, query = target.decode("latin-1").partition("?")
    return Request(method, path, query, tuple(headers), body)


def _is_illegal(value: str) -> bool:
    return any(character in value for character in "\0\n\v\f\r")


def _response(library: _Library, reply: Reply, method: str) -> Any:
    body = b"" if method == "HEAD" else reply.body
    return library.response(
        reply.status, headers=reply.framed_headers, stream=library.stream(body, reply.length is not None)
    )


class FakeTransport(_Transport):
    """Answers every request, to any host, for blocking and asynchronous clients of both libraries.

    Exceptions in the core are replies with status 500 here; `Fake.check` raises them.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def handle_request(self, request: Any) -> Any:
        return exchange(self._handle, request)

    async def handle_async_request(self, request: Any) -> Any:
        return await exchange_async(self._handle, request)
