"""The only module that imports httpx: sends calls, reads raw responses, turns exceptions into failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from typing import TypeAlias

import httpx

from kling_client.errors import ConfigError
from kling_client.steps import Call, Failure, Head, Read, Send, Stage

SyncHTTP: TypeAlias = httpx.Client
AsyncHTTP: TypeAlias = httpx.AsyncClient

_CLOSED = "the client is closed; create a new one"

# The last three are not subclasses of HTTPError; invalid host names and paths raise UnicodeError.
_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError)
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_IMPOSSIBLE = (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError)


class Exchange:
    """Performs the calls of one flow, in sequence; at most one response is open at a time."""

    def __init__(self, http: SyncHTTP) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._chunks: Generator[bytes, None, None] | None = None

    def perform(self, step: Send | Read) -> Head | bytes | Failure:
        try:
            if isinstance(step, Send):
                self.close()
                request = _request(self._http, step.call)
                self._response = self._http.send(request, stream=True, auth=None, follow_redirects=False)
                return _head(self._response)
            if self._chunks is None:
                self._chunks = self._read()
            return next(self._chunks, b"")
        except _ERRORS as error:
            return _failure(error)

    def close(self) -> None:
        """Close the open response, read or not."""
        with suppress(*_ERRORS):
            if self._chunks is not None:
                self._chunks.close()
            if self._response is not None:
                self._response.close()
        self._response = self._chunks = None

    def _read(self) -> Generator[bytes, None, None]:
        response = self._response
        if response is None:
            return
        if response.is_stream_consumed:  # built by a test from content, or read by an event hook
            yield response.content
            return
        yield from response.iter_raw()


class AsyncExchange:
    """`Exchange` over an asynchronous client."""

    def __init__(self, http: AsyncHTTP) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._chunks: AsyncGenerator[bytes, None] | None = None

    async def perform(self, step: Send | Read) -> Head | bytes | Failure:
        try:
            if isinstance(step, Send):
                await self.close()
                request = _request(self._http, step.call)
                self._response = await self._http.send(
                    request, stream=True, auth=None, follow_redirects=False
                )
                return _head(self._response)
            if self._chunks is None:
                self._chunks = self._read()
            return await anext(self._chunks, b"")
        except _ERRORS as error:
            return _failure(error)

    async def close(self) -> None:
        """Close the open response, read or not."""
        with suppress(*_ERRORS):
            if self._chunks is not None:
                await self._chunks.aclose()
            if self._response is not None:
                await self._response.aclose()
        self._response = self._chunks = None

    async def _read(self) -> AsyncGenerator[bytes, None]:
        response = self._response
        if response is None:
            return
        if response.is_stream_consumed:  # built by a test from content, or read by an event hook
            yield response.content
            return
        async for chunk in response.aiter_raw():
            yield chunk


def _request(http: SyncHTTP | AsyncHTTP, call: Call) -> httpx.Request:
    if http.is_closed:
        raise ConfigError(_CLOSED)
    timeout = httpx.Timeout(call.timeout)
    if call.private:
        return http.build_request(
            call.method, call.url, content=call.content, headers=call.headers, timeout=timeout
        )
    # Not built by the HTTP client, whose default headers, cookies and parameters may be secrets.
    return httpx.Request(
        call.method, call.url, headers=call.headers, extensions={"timeout": timeout.as_dict()}
    )


def _head(response: httpx.Response) -> Head:
    return Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def _failure(error: Exception) -> Failure:
    if isinstance(error, _IMPOSSIBLE):
        stage = Stage.IMPOSSIBLE
    else:
        stage = Stage.UNSENT if isinstance(error, _UNSENT) else Stage.SENT
    return Failure(stage, f"{type(error).__name__}: {error}", error)


def open_client(given: object) -> SyncHTTP:
    """The injected HTTP client, or a new one. Raises ConfigError for an object of another type."""
    if given is None:
        return httpx.Client()
    if isinstance(given, httpx.Client):
        return given
    raise ConfigError(f"http_client: Client requires an httpx.Client, not {type(given).__qualname__}")


class AsyncSession:
    """Holds the HTTP client of asynchronous calls: the injected one, or its own.

    Connections belong to the event loop on which they were opened, so a second `asyncio.run` gets a new
    HTTP client. Raises ConfigError for an injected object of another type.
    """

    def __init__(self, given: object) -> None:
        if given is not None and not isinstance(given, httpx.AsyncClient):
            kind = type(given).__qualname__
            raise ConfigError(f"http_client: AsyncClient requires an httpx.AsyncClient, not {kind}")
        self._given = given
        self._own: httpx.AsyncClient | None = None
        self._loop: object = None
        self._closed = False

    def current(self) -> AsyncHTTP:
        """The HTTP client for the running event loop."""
        if self._given is not None:
            return self._given
        if self._closed:
            raise ConfigError(_CLOSED)
        loop = _running_loop()
        if self._own is None or loop is not self._loop:
            self._own, self._loop = httpx.AsyncClient(), loop
        return self._own

    async def close(self) -> None:
        """Close its own HTTP client, not an injected one. Repeated calls have no effect."""
        self._closed = True
        if self._own is not None and self._loop is _running_loop():
            await self._own.aclose()


def _running_loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # an event loop of another library
        return None
