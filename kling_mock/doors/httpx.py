"""Transports for httpx and httpx2: requests of either library are answered in process, without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from kling_mock.delivery import Delivery
from kling_mock.doors.httpx_delivery import (
    AsyncBody,
    answer_async,
    body,
    read_timeout,
    wait,
    wait_async,
)
from kling_mock.http import Headers, Reply, Request

if TYPE_CHECKING:
    import httpx2

Handle = Callable[[Request], Reply]
_ILLEGAL: Final = frozenset(b"\0\n\v\f\r")


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
    """One library, and its classes that an exchange needs."""

    module: Any
    response: Callable[..., Any]
    headers: Callable[[Headers], Any]
    stream: Callable[[bytes], object]
    delivered_stream: Callable[[bytes, Delivery, float | None], object]
    not_read: type[Exception]
    illegal: type[Exception]


def _library(module: Any) -> _Library:
    class ReplyStream(module.SyncByteStream, module.AsyncByteStream):  # type: ignore[misc]  # of either library
        """A body that is read like one from the network, so that clients run their usual code."""

        def __init__(self, body: bytes) -> None:
            self._body = body

        def __iter__(self) -> Iterator[bytes]:
            yield self._body

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield self._body

    class DeliveredStream(module.SyncByteStream, module.AsyncByteStream):  # type: ignore[misc]  # of either library
        """A body that arrives slowly or in part. Reading raises the exceptions of the library."""

        def __init__(self, content: bytes, delivery: Delivery, timeout: float | None) -> None:
            self._parts = module, delivery, content, timeout

        def __iter__(self) -> Iterator[bytes]:
            return body(*self._parts)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return AsyncBody(*self._parts)

    return _Library(
        module,
        module.Response,
        # Responses copy the list of a `Headers`; most replies have the headers of an earlier one.
        lru_cache(maxsize=64)(module.Headers),
        ReplyStream,
        DeliveredStream,
        module.RequestNotRead,
        module.LocalProtocolError,
    )


_LIBRARIES: Final[dict[type, _Library]] = {module.Request: _library(module) for module in MODULES}


def _library_of(request: object) -> _Library:
    """The library of a request whose class is derived from the library's."""
    for kind, library in _LIBRARIES.items():
        if isinstance(request, kind):
            return library
    raise TypeError(f"request: must be one of httpx or httpx2; got {type(request).__qualname__}")


def exchange(handle: Handle, request: Any, transport: object = None) -> Any:
    """Answer a request of a blocking client of either library with a response of the same library.

    `transport` is the one in whose place it is answered.
    """
    library = _LIBRARIES.get(request.__class__) or _library_of(request)
    try:
        content = request.content
    except library.not_read:
        # The stream stays consumed, as after sending: the library raises its own error for a second use.
        content = b"".join(request.stream)
    sent = _read(library, request, content)
    reply = handle(sent)
    if reply.delivery is not None:
        timeout = read_timeout(request.extensions)
        reply = wait(library.module, partial(handle, sent), reply, timeout, _pool(transport))
    return _response(library, reply, request)


async def exchange_async(handle: Handle, request: Any, transport: object = None) -> Any:
    """`exchange` for asynchronous clients."""
    library = _LIBRARIES.get(request.__class__) or _library_of(request)
    try:
        content = request.content
    except library.not_read:
        content = b"".join([chunk async for chunk in request.stream])
    sent = _read(library, request, content)
    reply = await answer_async(handle, sent)
    if reply.delivery is not None:
        timeout = read_timeout(request.extensions)
        send = partial(answer_async, handle, sent)
        reply = await wait_async(library.module, send, reply, timeout, _pool(transport))
    return _response(library, reply, request)


def _pool(transport: object) -> object:
    """The connections of a transport, without the interception of `httpx_pools`; None if it has none."""
    return getattr(transport, "__dict__", {}).get("_pool")


def _read(library: _Library, request: Any, content: bytes) -> Request:
    target = request.extensions.get("target") or request.url.raw_path
    return read_request(request.method, target, request.headers.raw, content, library.illegal)


def read_request(
    method: str,
    target: bytes,
    raw_headers: Sequence[tuple[bytes, bytes]],
    content: bytes,
    illegal: Callable[[str], Exception],
) -> Request:
    """A request from its parts in bytes. Raises `illegal` for a header value that cannot be sent."""
    headers = _read_headers(tuple(raw_headers))
    if isinstance(headers, bytes):
        raise illegal(f"Illegal header value {headers!r}")
    path, _, query = target.decode("latin-1").partition("?")
    return Request(method, path, query, headers, content)


# Clients repeat their headers.
@lru_cache(maxsize=64)
def _read_headers(raw: tuple[tuple[bytes, bytes], ...]) -> Headers | bytes:
    """The headers as text, or the first value that cannot be sent.

    Both libraries refuse such a value over HTTP/1.1, for example a key that ends with a line feed.
    """
    for _, value in raw:
        if value != value.strip() or not _ILLEGAL.isdisjoint(value):
            return value
    return tuple([(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw])


def _response(library: _Library, reply: Reply, request: Any) -> Any:
    if request.method == "HEAD":
        stream = library.stream(b"")
    elif reply.delivery is None:
        stream = library.stream(reply.body)
    else:
        stream = library.delivered_stream(reply.body, reply.delivery, read_timeout(request.extensions))
    return library.response(reply.status, headers=library.headers(reply.framed_headers), stream=stream)


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
