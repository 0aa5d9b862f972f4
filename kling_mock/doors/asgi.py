"""The ASGI door: a bare callable. Small requests are answered in the loop, heavy ones beside it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, cast
from urllib.parse import quote

from kling_mock.http import Headers, Reply, Request
from kling_mock.images.urls import locate
from kling_mock.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Above this, decoding JSON and base64 would hold up everybody else in the loop.
INLINE_BYTES: Final = 256 * 1024
_HOST: Final = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
# A body over the cap is read on and dropped, so that the client gets to read the refusal; but not for ever.
DRAINED_CAPS: Final = 4


class Answering(Protocol):
    """What stands behind the door: a `Fake`."""

    @property
    def settings(self) -> Settings: ...

    def handle(self, request: Request) -> Reply: ...


class ASGIApp:
    """`app(scope, receive, send)` for one fake; `fake` may be changed between requests."""

    def __init__(self, fake: Answering) -> None:
        self.fake = fake
        self._pool: ThreadPoolExecutor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case _:  # websocket: the service has none
                await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        fake = self.fake
        received = await _read_body(receive, fake.settings.body_cap, _declared_length(scope))
        if received is None:  # the client has gone
            return
        request = _request(scope, *received)
        reply = await self.answer(fake, request)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.framed_headers]
        if request.size > fake.settings.body_cap * DRAINED_CAPS:  # what was not read cannot be kept apart
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if request.method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    async def answer(self, fake: Answering, request: Request) -> Reply:
        """The fake's reply, from the loop or from a thread beside it."""
        if request.size <= INLINE_BYTES and locate(request.path) is None:
            return fake.handle(request)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="kling-mock")
        return await asyncio.get_running_loop().run_in_executor(self._pool, fake.handle, request)


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
    if declared > cap * DRAINED_CAPS:  # nobody waits for that
        return b"", declared
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = cast("bytes", message.get("body", b""))
        size += len(chunk)
        if size <= cap:
            chunks.append(chunk)
        else:
            chunks.clear()
        if not message.get("more_body") or size > cap * DRAINED_CAPS:
            return b"".join(chunks), size


def _request(scope: Scope, body: bytes, size: int) -> Request:
    headers: Headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    raw_path = cast("bytes | None", scope.get("raw_path"))
    path = quote(scope["path"]) if raw_path is None else raw_path.decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    host = next((value.strip() for name, value in headers if name == "host"), "")
    if not _HOST.fullmatch(host):  # it becomes part of result URLs
        host = _address(scope)
    return Request(scope["method"], path, query, headers, body, f"{scope['scheme']}://{host}", size)


def _address(scope: Scope) -> str:
    """Where the server listens, for a client that does not say whom it has called."""
    host, port = scope.get("server") or ("127.0.0.1", None)
    if port is None:  # a path in the file system, or a server that does not tell
        return "127.0.0.1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
