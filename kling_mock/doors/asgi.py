"""The ASGI application, and the part that it shares with the socket server: which reply a request gets.

Small requests are answered in the event loop, heavy ones in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final, Protocol, cast
from urllib.parse import quote

from kling_mock.doors.index_page import index_reply, wants_index
from kling_mock.doors.limits import DRAINED_CAPS
from kling_mock.doors.origins import (
    allows,
    cors_advice,
    is_control,
    is_preflight,
    parse_host,
    preflight_reply,
    with_cors,
)
from kling_mock.doors.workers import THREADS, Workers
from kling_mock.http import Headers, Reply, Request
from kling_mock.images.urls import locate
from kling_mock.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Decoding JSON and base64 of a larger body would stall the event loop.
INLINE_BYTES: Final = 256 * 1024


class Answering(Protocol):
    """A `Fake`, as far as the application uses it."""

    @property
    def settings(self) -> Settings: ...

    def handle(self, request: Request) -> Reply: ...


class ASGIApp:
    """`app(scope, receive, send)` for one fake; `fake` may be replaced between requests.

    `control` is an ASGI application that answers all paths under `/_mock/` if it is given. `note` receives a
    line of text about a refusal that the fake's journal does not have.
    """

    def __init__(self, fake: Answering, control: App | None = None) -> None:
        self.fake = fake
        self.control = control
        self.note: Callable[[str], None] = _drop
        self._workers = Workers()
        self._limiter: Any = None  # of threads, on trio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                path = _below(scope["path"], _root(scope))
                if self.control is not None and is_control(path):
                    await self.control(scope, receive, send)
                else:
                    await self._http(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case _:  # websocket: the service has none
                await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        fake = self.fake
        received = await _read_body(receive, fake.settings.body_cap, _declared_length(scope))
        if received is None:  # the client closed the connection
            return
        request = _request(scope, *received)
        reply = await self.answer(fake, request)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.framed_headers]
        if request.size > fake.settings.body_cap * DRAINED_CAPS:  # the rest of the body was not read
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if request.method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    async def answer(self, fake: Answering, request: Request) -> Reply:
        """The reply, computed in the event loop or in a thread; on asyncio or trio."""
        if not is_heavy(request.path, request.size):
            return self.reply(fake, request)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio

            self._limiter = limiter = self._limiter or trio.CapacityLimiter(THREADS)
            return await trio.to_thread.run_sync(
                self.reply, fake, request, limiter=limiter, abandon_on_cancel=True
            )
        future: asyncio.Future[Reply] = loop.create_future()

        def done(reply: Reply) -> None:
            if not future.done():  # the request may have been cancelled
                future.set_result(reply)

        self.answer_in_thread(fake, lambda: request, loop, done)
        return await future

    def answer_in_thread(
        self,
        fake: Answering,
        request: Callable[[], Request],
        loop: asyncio.AbstractEventLoop,
        done: Callable[[Reply], object],
    ) -> None:
        """Compute the reply in a thread, then call `done` in the event loop; not once that has ended."""

        def job() -> None:
            reply = self.reply(fake, request())
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(done, reply)

        self._workers.run(job)

    def reply(self, fake: Answering, request: Request) -> Reply:
        """The reply of the fake, of the index page, or to a preflight; with CORS headers."""
        origin = request.header("origin")
        if origin is None or is_control(request.path):
            return index_reply(request, fake.settings) if wants_index(request) else fake.handle(request)
        policy = fake.settings.cors
        if is_preflight(request):
            if not allows(policy, origin):
                self.note(f"preflight of {request.path[:100]} refused; {cors_advice(origin)}")
            return preflight_reply(request, policy, origin)
        reply = index_reply(request, fake.settings) if wants_index(request) else fake.handle(request)
        return reply if policy == "off" else with_cors(reply, policy, origin)


def _drop(_: str) -> None: ...


def is_heavy(path: str, size: int) -> bool:
    """Whether a reply takes long enough to stall the event loop: large bodies, and pictures to draw."""
    return size > INLINE_BYTES or locate(path) is not None


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _declared_length(scope: Scope) -> int:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(declared) if declared.isdigit() and len(declared) < 19 else 0


async def _read_body(receive: Receive, cap: int, declared: int) -> tuple[bytes, int] | None:
    """The body and its size; an empty body if it is over the cap, None if the client left."""
    if declared > cap * DRAINED_CAPS:
        return b"", declared
    body = bytearray()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = cast("bytes", message.get("body", b""))
        size += len(chunk)
        if size <= cap:
            body += chunk
        else:
            body.clear()
        if not message.get("more_body") or size > cap * DRAINED_CAPS:
            return bytes(body), size


def _request(scope: Scope, body: bytes, size: int) -> Request:
    headers: Headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    query = scope["query_string"].decode("latin-1")
    host = next((value.strip() for name, value in headers if name == "host"), "")
    if parse_host(host) is None:  # it becomes part of result URLs
        host = address_of(scope.get("server"))
    root = quote(_root(scope))
    scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
    path = _below(_raw_path(scope), root)
    return Request(scope["method"], path, query, headers, body, f"{scheme}://{host}{root}", size)


def _root(scope: Scope) -> str:
    """The prefix under which the application is mounted."""
    return cast("str", scope.get("root_path") or "").rstrip("/")


def _raw_path(scope: Scope) -> str:
    """The path as it was sent. `raw_path` is optional in ASGI."""
    raw_path = cast("bytes | None", scope.get("raw_path"))
    if raw_path is None:
        return quote(scope["path"])
    return raw_path.decode("latin-1").partition("?")[0]  # some servers include the query


def _below(path: str, root: str) -> str:
    """The path without the prefix under which the application is mounted."""
    return path[len(root) :] or "/" if path == root or path.startswith(f"{root}/") else path


def address_of(server: tuple[str, int | None] | None) -> str:
    """Host and port of the server, for a client that does not send a valid Host header."""
    host, port = server or ("127.0.0.1", None)
    if port is None:  # a path in the file system, or not given
        return "127.0.0.1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
