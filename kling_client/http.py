"""The only module that knows httpx and httpx2: sends calls, reads raw responses, classifies exceptions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import httpx

from kling_client.credentials import Redact
from kling_client.deadline import CallTimedOut, CallTimeout, limit_connections
from kling_client.errors import ConfigError
from kling_client.steps import Call, Failure, Head, Read, Send, Stage
from kling_contracts.connection_advice import connection_advice

if TYPE_CHECKING:
    import httpx2

# httpx2 is used only where the caller passes a client of it.
SyncHTTP: TypeAlias = "httpx.Client | httpx2.Client"
AsyncHTTP: TypeAlias = "httpx.AsyncClient | httpx2.AsyncClient"
Response: TypeAlias = "httpx.Response | httpx2.Response"

_CLOSED = "the client is closed; create a new one"
# Requests to this machine use no proxy, also where the environment names one.
_LOOPBACK = ("all://localhost", "all://*.localhost", "all://127.0.0.1", "all://[::1]")


class Library(NamedTuple):
    """One of the two libraries, which have the same names: its classes, and its errors by their meaning."""

    module: Any
    errors: tuple[type[Exception], ...]
    unsent: tuple[type[Exception], ...]
    impossible: tuple[type[Exception], ...]


@cache
def _library(name: str) -> Library:
    module: Any = sys.modules[name]
    return Library(
        module,
        # The others are not subclasses of HTTPError; invalid host names and paths raise UnicodeError.
        errors=(module.HTTPError, module.InvalidURL, module.StreamError, UnicodeError, CallTimedOut),
        unsent=(module.ConnectError, module.ConnectTimeout, module.PoolTimeout, module.ProxyError),
        impossible=(module.UnsupportedProtocol, module.InvalidURL, module.LocalProtocolError, UnicodeError),
    )


def _library_of(given: object, name: str) -> Library | None:
    """The library whose class of this name the client is made from, or derived from."""
    for library in ("httpx", "httpx2"):
        module = sys.modules.get(library)
        if module is not None and isinstance(given, getattr(module, name)):
            return _library(library)
    return None


class Exchange:
    """Performs the calls of one flow, in sequence; at most one response is open at a time."""

    def __init__(self, http: SyncHTTP, redact: Redact = str) -> None:
        self._http: Any = http
        self._redact = redact
        self._library = _library_of(http, "Client") or _library("httpx")
        self._url: Any = None
        self._response: Response | None = None
        self._chunks: Generator[bytes, None, None] | None = None

    def perform(self, step: Send | Read) -> Head | bytes | Failure:
        try:
            if isinstance(step, Send):
                self.close()
                request = _request(self._library, self._http, step.call)
                self._url = request.url
                response: Response = self._http.send(request, stream=True, auth=None, follow_redirects=False)
                self._response = response
                return _head(response)
            if self._chunks is None:
                self._chunks = self._read()
            return next(self._chunks, b"")
        except self._library.errors as error:
            return _failure(self._library, error, _proxy(self._http, self._url), self._redact)

    def close(self) -> None:
        """Close the open response, read or not."""
        with suppress(*self._library.errors):
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

    def __init__(self, http: AsyncHTTP, redact: Redact = str) -> None:
        self._http: Any = http
        self._redact = redact
        self._library = _library_of(http, "AsyncClient") or _library("httpx")
        self._url: Any = None
        self._response: Response | None = None
        self._chunks: AsyncGenerator[bytes, None] | None = None

    async def perform(self, step: Send | Read) -> Head | bytes | Failure:
        try:
            if isinstance(step, Send):
                await self.close()
                request = _request(self._library, self._http, step.call)
                self._url = request.url
                response: Response = await self._http.send(
                    request, stream=True, auth=None, follow_redirects=False
                )
                self._response = response
                return _head(response)
            if self._chunks is None:
                self._chunks = self._read()
            return await anext(self._chunks, b"")
        except self._library.errors as error:
            return _failure(self._library, error, _proxy(self._http, self._url), self._redact)

    async def close(self) -> None:
        """Close the open response, read or not."""
        with suppress(*self._library.errors):
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


def _request(library: Library, http: Any, call: Call) -> Any:
    if http.is_closed:
        raise ConfigError(_CLOSED)
    total = call.timeout if call.total is None else call.total
    timeout = library.module.Timeout(CallTimeout(call.timeout, total, sends=call.content is not None))
    if call.private:
        return http.build_request(
            call.method, call.url, content=call.content, headers=call.headers, timeout=timeout
        )
    # Not built by the HTTP client, whose default headers, cookies and parameters may be secrets.
    return library.module.Request(
        call.method, call.url, headers=call.headers, extensions={"timeout": timeout.as_dict()}
    )


def _head(response: Response) -> Head:
    return Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def _proxy(http: Any, url: Any) -> str | None:
    """The proxy that a request was sent through, without its password; None if there was none."""
    try:
        proxy = http._transport_for_url(url)._pool._proxy_url  # noqa: SLF001 -- neither library has a public way to ask
        port = "" if proxy.port is None else f":{proxy.port}"
        return f"{proxy.scheme.decode()}://{proxy.host.decode()}{port}"
    except AttributeError:
        return None


def _failure(library: Library, error: Exception, proxy: str | None, redact: Redact) -> Failure:
    if isinstance(error, library.impossible):
        stage = Stage.IMPOSSIBLE
    else:
        unsent = isinstance(error, library.unsent) or (isinstance(error, CallTimedOut) and not error.sent)
        stage = Stage.UNSENT if unsent else Stage.SENT
    through = f" (through the proxy {proxy})" if proxy else ""
    _clean(library, error, redact)
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    advice = "" if proxy else connection_advice(str(error))
    return Failure(stage, f"{reason}{through}{advice and f'; {advice}'}", error)


def _clean(library: Library, error: Exception, redact: Redact) -> None:
    """Remove secrets from an exception that becomes the cause of ours.

    Its message may quote the server, and its request and its own causes hold the key.
    """
    error.args = tuple([redact(arg) if isinstance(arg, str) else arg for arg in error.args])
    error.__cause__ = error.__context__ = None
    if isinstance(error, library.module.HTTPError):
        request: Any = vars(error).get("_request")
        vars(error).clear()  # the response of HTTPStatusError, which an event hook may raise
        bare = ("", "") if request is None else (request.method, _bare(request.url))
        vars(error)["_request"] = library.module.Request(*bare)


def _bare(url: Any) -> Any:
    return url.copy_with(userinfo=b"", query=None, fragment=None)


def open_client(given: SyncHTTP | None) -> SyncHTTP:
    """The injected HTTP client, or a new one. Raises ConfigError for an object of another type."""
    if given is None:
        given = httpx.Client(mounts=dict.fromkeys(_LOOPBACK))
    _require(given, "Client")
    limit_connections(given, awaitable=False)
    return given


def _require(given: object, name: str) -> None:
    if _library_of(given, name) is None:
        kind = type(given)
        raise ConfigError(
            f"http_client: {name} requires an httpx.{name} or httpx2.{name}, "
            f"not {kind.__module__.partition('.')[0]}.{kind.__qualname__}"
        )


class AsyncSession:
    """Holds the HTTP client of asynchronous calls: the injected one, or its own.

    Connections belong to the event loop on which they were opened, so a second `asyncio.run` gets a new
    HTTP client. Raises ConfigError for an injected object of another type.
    """

    def __init__(self, given: AsyncHTTP | None) -> None:
        if given is not None:
            _require(given, "AsyncClient")
            limit_connections(given, awaitable=True)
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
            self._own, self._loop = httpx.AsyncClient(mounts=dict.fromkeys(_LOOPBACK)), loop
            limit_connections(self._own, awaitable=True)
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
