"""The control API as an ASGI application, for the paths under `/_mock/` of a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from kling_mock.control_api.access import Peer
from kling_mock.control_api.api import PRIVATE, ControlAPI
from kling_mock.control_api.feed import PERIOD
from kling_mock.control_api.models import EventStream
from kling_mock.doors.asgi import declared_length, read_body, request_of, with_body
from kling_mock.doors.asgi_types import Receive, Scope, Send
from kling_mock.doors.origins import REACHABLE, is_loopback, parse_host
from kling_mock.doors.workers import Workers
from kling_mock.fake import Fake
from kling_mock.http import Reply, Request

_EVENTS: Final = (("content-type", "text/event-stream"), *PRIVATE)
# The header of a stream with the first part of the ids of its events, which differs after a restart.
BOOT_HEADER: Final = "x-kling-mock-boot"
HEARTBEAT_SECONDS: Final = 15.0


class ControlApp:
    """The control API of the fake that `current` returns, which may change between requests."""

    def __init__(self, current: Callable[[], Fake]) -> None:
        self._current = current
        self._workers = Workers()
        self._api: ControlAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        api = self._current_api()
        received = await read_body(receive, api.body_limit(request_of(scope, 0)), declared_length(scope))
        if received is None:  # the client closed the connection
            return
        body, size = received
        request = with_body(request_of(scope, size), body)
        peer = _peer(scope, request)
        # Handlers may deliver callbacks and wait for locks, so they run in a thread.
        reply = await self._workers.call(lambda: api.answer(request, peer))
        if isinstance(reply, Reply):
            await _send(send, reply, head=request.method == "HEAD")
        elif request.method == "HEAD":
            await _send(send, Reply(200, _EVENTS, b""), head=True)
        else:
            await self._stream(api, reply, receive, send)

    async def _stream(self, api: ControlAPI, stream: EventStream, receive: Receive, send: Send) -> None:
        """Send events until the client disconnects, the server stops, or another fake or state is served."""
        import anyio

        # Before the head, after which the client expects events. In a thread, as it may wait for Redis.
        feed = await self._workers.call(lambda: api.feed)
        while True:
            boot = feed.boot
            position = await self._workers.call(lambda: feed.start(stream.after))
            if feed.boot == boot:  # a reset meanwhile begins the positions again
                break
        headers = [(name.encode(), value.encode()) for name, value in (*_EVENTS, (BOOT_HEADER, boot))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b": kling-mock\n\n", "more_body": True})
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            quiet = 0.0
            while self._current() is api.fake and feed.boot == boot:
                content, position = await self._workers.call(partial(feed.read, position, stream.account))
                quiet = 0.0 if content else quiet + PERIOD
                if quiet >= HEARTBEAT_SECONDS:
                    content, quiet = b": heartbeat\n\n", 0.0
                if content:
                    await send({"type": "http.response.body", "body": content, "more_body": True})
                await anyio.sleep(PERIOD)
            group.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})

    def _current_api(self) -> ControlAPI:
        fake, api = self._current(), self._api
        if api is None or api.fake is not fake:
            self._api = api = ControlAPI(fake)
        return api


def _peer(scope: Scope, request: Request) -> Peer:
    client = scope.get("client")
    host = parse_host(request.header("host") or "")
    return Peer(
        is_local=client is not None and is_loopback(str(client[0])),
        host_is_local=host is not None and is_loopback(host[0]),
        exposed=REACHABLE in (scope.get("extensions") or {}),
    )


async def _send(send: Send, reply: Reply, *, head: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.framed_headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
