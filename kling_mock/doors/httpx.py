"""The httpx door: one transport for `httpx.Client` and `httpx.AsyncClient`, with no sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from kling_mock.http import Reply, Request


class ReplyStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is read like one from the network, so that clients take their real path."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


def request_from_httpx(request: httpx.Request) -> Request:
    """A request whose content has been read, as the core knows it."""
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw
    )
    return Request(request.method, path, query, headers, request.content)


def response_for_httpx(reply: Reply, request: httpx.Request) -> httpx.Response:
    body = b"" if request.method == "HEAD" else reply.body
    headers = list(reply.framed_headers)
    return httpx.Response(reply.status, headers=headers, stream=ReplyStream(body), request=request)


class FakeTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers every request, whatever its host. Errors of the core never surface here."""

    def __init__(self, handle: Callable[[Request], Reply]) -> None:
        self._handle = handle

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return response_for_httpx(self._handle(request_from_httpx(request)), request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return response_for_httpx(self._handle(request_from_httpx(request)), request)
