"""The ASGI application, and the dispatch that it shares with the socket server.

Small requests are answered in the event loop, heavy ones in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import quote

from msgspec.structs import replace

from kling_contracts.vocabulary import HEALTH_PATH
from kling_mock.doors.asgi_delivery import refusal, send_body, unsupported, wait
from kling_mock.doors.asgi_types import App, Receive, Scope, Send
from kling_mock.doors.index_page import index_reply, wants_index
from kling_mock.doors.limits import DRAINED_CAPS, read_length
from kling_mock.doors.origins import (
    allows,
    cors_advice,
    is_control,
    is_preflight,
    parse_host,
    preflight_reply,
    with_cors,
)
from kling_mock.doors.workers import Workers, in_asyncio, outcome_of
from kling_mock.header_facts import header_facts
from kling_mock.http import Headers, Reply, Request
from kling_mock.images.urls import RESULT_FOLDER
from kling_mock.settings import Settings

if TYPE_CHECKING:
    from kling_mock.fake import Fake
    from kling_mock.heavy_requests import ParsingProcesses

Body = bytes | bytearray

# Decoding JSON and base64 of a larger body would stall the event loop.
INLINE_BYTES: Final = 256 * 1024
# A picture of a kilobyte may have millions of pixels, which take a second to decode.
THUMBNAIL_BYTES: Final = 1024


class Answering(Protocol):
    """The part of `Fake` that the application uses."""

    @property
    def settings(self) -> Settings: ...

    def handle(self, request: Request) -> Reply: ...

    @property
    def handle_async(self) -> Callable[[Request], Coroutine[Any, Any, Reply]] | None: ...

    def report(self, problem: Exception) -> None: ...


class ASGIApp:
    """`app(scope, receive, send)` for one fake; `fake` may be replaced between requests.

    `control` is an ASGI application for the paths under `/_mock/`, by default the control API. `note` is
    called with one line of text for each refusal that is not in the fake's journal.
    """

    def __init__(self, fake: Answering, control: App | None = None) -> None:
        self.fake = fake
        self.control = control
        self.note: Callable[[str], None] = _drop
        self._workers = Workers()
        self._waiters = Workers()
        self._processes: ParsingProcesses | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                path = _below(scope["path"], _root(scope))
                if is_control(path) and path != HEALTH_PATH:
                    await self._control_app()(scope, receive, send)
                else:
                    await self._http(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case _:  # websocket: the service has none
                await send({"type": "websocket.close", "code": 1000})

    def _control_app(self) -> App:
        """The application for the paths under `/_mock/`, imported for its first request."""
        if self.control is None:
            from kling_mock.doors.control import ControlApp

            self.control = ControlApp(lambda: cast("Fake", self.fake))
        return self.control

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        fake = self.fake
        received = await read_body(receive, fake.settings.body_cap, declared_length(scope))
        if received is None:  # the client closed the connection
            return
        body, size = received
        request = request_of(scope, size)
        reply = await self.answer(fake, request, body)
        delivery = reply.delivery
        if delivery is not None:
            fault = unsupported(reply)
            if fault is not None:
                reply, delivery = refusal(fault), None
                fake.report(RuntimeError(reply.body.decode().strip()))
            elif not await wait(receive, delivery):
                return
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.framed_headers]
        if request.size > fake.settings.body_cap * DRAINED_CAPS:  # the rest of the body was not read
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if request.method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        elif delivery is None:
            await send({"type": "http.response.body", "body": reply.body})
        else:
            await send_body(send, reply, delivery)

    async def answer(self, fake: Answering, request: Request, body: Body) -> Reply:
        """The reply to a request with this body, computed here or in a thread (asyncio and trio)."""
        if not is_heavy(request.path, request.size, fake.settings):
            handle = fake.handle_async
            if handle is None or not in_asyncio():
                return self.reply(fake, with_body(request, body))
            return await self._reply_async(fake, handle, with_body(request, body))
        return await outcome_of(lambda done: self.answer_in_thread(fake, request, body, done))

    def answer_in_thread(
        self, fake: Answering, request: Request, body: Body, done: Callable[[Reply], object]
    ) -> None:
        """Compute the reply to a request with this body in a thread, then call `done` in that thread.

        Threads that wait for a parsing process or for pictures have a separate pool, so that they do not
        delay other requests. `done` may raise RuntimeError if the event loop was closed meanwhile.
        """

        def finish(reply: Reply) -> None:
            with suppress(RuntimeError):
                done(reply)

        def in_thread() -> None:
            from kling_mock.heavy_requests import needs_process

            if needs_process(body, fake.settings):
                self._waiters.run(lambda: finish(self._parsed_reply(fake, request, body)))
            elif fake.settings.fetch_images != "off" and request.size:
                self._waiters.run(lambda: finish(self.reply(fake, with_body(request, body))))
            else:
                finish(self.reply(fake, with_body(request, body)))

        self._workers.run(in_thread)

    def _parsed_reply(self, fake: Answering, request: Request, body: Body) -> Reply:
        """The reply to a request whose body is parsed in a process."""
        from kling_mock.heavy_requests import ParsingProcesses

        self._processes = processes = self._processes or ParsingProcesses()
        try:
            parsed = processes.parse(request, body, fake.settings, time())
        except Exception:  # noqa: BLE001 -- no process could be started, or it does not know a gateway: parse here
            return self.reply(fake, with_body(request, body))
        if parsed is None:  # the process ended early, for lack of memory: as for a body over the cap
            return self.reply(fake, replace(request, length=fake.settings.body_cap + 1))
        return self.reply(fake, parsed)

    def reply(self, fake: Answering, request: Request) -> Reply:
        """The reply of the fake, the index page, or the reply to a preflight; with CORS headers."""
        if wants_index(request):
            return self._with_cors(fake, request, lambda: index_reply(request, fake.settings))
        if header_facts(request.headers).origin is None:
            return fake.handle(request)
        return self._with_cors(fake, request, lambda: fake.handle(request))

    async def _reply_async(
        self, fake: Answering, handle: Callable[[Request], Coroutine[Any, Any, Reply]], request: Request
    ) -> Reply:
        """As `reply`, with a store that does I/O."""
        origin = header_facts(request.headers).origin
        if wants_index(request) or (origin is not None and is_preflight(request)):
            return self.reply(fake, request)
        reply = await handle(request)
        if origin is None or fake.settings.cors == "off" or is_control(request.path):
            return reply
        return with_cors(reply, fake.settings.cors, origin)

    def _with_cors(self, fake: Answering, request: Request, answer: Callable[[], Reply]) -> Reply:
        origin, policy = header_facts(request.headers).origin, fake.settings.cors
        if origin is None or is_control(request.path):
            return answer()
        if is_preflight(request):
            if not allows(policy, origin):
                self.note(f"preflight of {request.path[:100]} refused; {cors_advice(origin)}")
            return preflight_reply(request, policy, origin)
        return answer() if policy == "off" else with_cors(answer(), policy, origin)


def _drop(_: str) -> None: ...


def is_heavy(path: str, size: int, settings: Settings) -> bool:
    """Whether a reply would stall the event loop.

    A large body does, a picture to draw, thumbnails to decode, and pictures to fetch.
    """
    if size and settings.fetch_images != "off":
        return True
    limit = THUMBNAIL_BYTES if settings.thumbnails else INLINE_BYTES
    return size > limit or path.startswith(RESULT_FOLDER)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def declared_length(scope: Scope) -> int:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return read_length(declared.decode("latin-1"))


def with_body(request: Request, body: Body) -> Request:
    """The request with its body, which is empty if it was over the cap."""
    return replace(request, body=bytes(body))


async def read_body(receive: Receive, cap: int, declared: int) -> tuple[bytearray, int] | None:
    """The body, which is empty if it is over the cap, and its size; None if the client disconnected."""
    if declared > cap * DRAINED_CAPS:
        return bytearray(), declared
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
            return body, size


def request_of(scope: Scope, size: int) -> Request:
    """The request without its body."""
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
    return Request(scope["method"], path, query, headers, b"", f"{scheme}://{host}{root}", size)


def _root(scope: Scope) -> str:
    """The prefix under which the application is mounted."""
    return cast("str", scope.get("root_path") or "").rstrip("/")


def _raw_path(scope: Scope) -> str:
    """The percent-encoded path. `raw_path` is optional in ASGI."""
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
