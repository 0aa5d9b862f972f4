"""The control API as an ASGI application, for the paths under `/_mock/` of a server."""

from __future__ import annotations

from collections.abc import Callable

from kling_mock.control_api.access import Peer
from kling_mock.control_api.api import ControlAPI
from kling_mock.control_api.reading import BODY_BYTES
from kling_mock.doors.asgi import declared_length, read_body, request_of, with_body
from kling_mock.doors.asgi_types import Receive, Scope, Send
from kling_mock.doors.origins import REACHABLE, is_loopback, parse_host
from kling_mock.doors.workers import Workers
from kling_mock.fake import Fake
from kling_mock.http import Reply, Request


class ControlApp:
    """The control API of the fake that `current` returns, which may change between requests."""

    def __init__(self, current: Callable[[], Fake]) -> None:
        self._current = current
        self._workers = Workers()
        self._api: ControlAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = await read_body(receive, BODY_BYTES, declared_length(scope))
        if received is None:  # the client closed the connection
            return
        body, size = received
        request = with_body(request_of(scope, size), body)
        api, peer = self._current_api(), _peer(scope, request)
        # Handlers may deliver callbacks and wait for locks, so they run in a thread.
        reply = await self._workers.call(lambda: api.answer(request, peer))
        await _send(send, reply, head=request.method == "HEAD")

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
