"""The protocol of the socket server: one object for each connection, for uvicorn's option `http`.

Requests to the imitated service are answered directly, others by the ASGI application. Replies are sent in
the order of the requests, whether they are computed here, in a thread or by the application.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from kling_contracts.vocabulary import BODY_MAXIMUM
from kling_mock.delivery import Delivery
from kling_mock.doors.asgi import Answering, ASGIApp, address_of, is_heavy
from kling_mock.doors.asgi_exchange import ASGIExchange, address_in, scope_of
from kling_mock.doors.asgi_types import App
from kling_mock.doors.limits import Deadlines, Limits
from kling_mock.doors.origins import REACHABLE, is_control, is_served, refuse_host
from kling_mock.doors.request_parser import BadRequest, Incoming, RequestParser
from kling_mock.doors.responses import BODILESS, CONTINUE, field_lines, reply_bytes
from kling_mock.doors.socket_delivery import Ending, SocketDelivery
from kling_mock.doors.socket_stream import SocketStream
from kling_mock.http import Reply, Request

TEXT = ("content-type", "text/plain; charset=utf-8")


class Connection(asyncio.Protocol):
    """One client connection. `server.on_tick` calls `check` once a second, for all timeouts.

    `guarded`: the server listens on loopback, so only loopback Host names are served.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 -- the call of uvicorn
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        guarded: bool,
    ) -> None:
        self._app = cast("App", config.app)
        self._direct = self._app if isinstance(self._app, ASGIApp) else None
        self._state = server_state
        self._limits = limits
        self._guarded = guarded
        self._loop = _loop or asyncio.get_running_loop()
        self._deadlines = Deadlines(limits, self._loop.time)
        self._parser = RequestParser(limits, self._on_head, self._on_expect, self._on_request)
        # Complete requests; the last item may be the refusal of invalid bytes.
        self._queue: deque[Incoming | BadRequest] = deque()
        self._busy = False  # a reply is in progress outside `_pump`
        self._exchange: ASGIExchange | SocketDelivery | None = None
        self._continue_due = False
        self._dated: tuple[object, bytes] = None, b""
        self._ahead = 0
        self._yielding = False  # reading is paused until other connections were served
        self._eof = False
        self._stopping = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._stream = SocketStream(self.transport, self._limits, self._deadlines)
        # uvicorn's type lists its own protocol classes only; the server itself uses ours (`_Lifecycle`).
        self._state.connections.add(self)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        info = transport.get_extra_info
        self._tls = info("sslcontext") is not None
        self._scheme = "https" if self._tls else "http"
        self._server = address_in(info("sockname"))
        self._client = address_in(info("peername"))
        self._deadlines.idle()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the call of asyncio
        self._state.connections.discard(self)  # pyright: ignore[reportArgumentType] -- as in connection_made
        self._stream.lost()
        self._queue.clear()
        if self._exchange is not None:
            self._exchange.disconnect(lost=True)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._stream.closing:
            return
        if self._busy:
            self._ahead += len(data)
        try:
            self._parser.feed(data)
        except BadRequest as refusal:
            self._queue.append(refusal)
        if self._queue:
            self._pump()
        else:
            if len(data) >= self._limits.turn_bytes and self._parser.incoming is not None:
                self._yield_turn()
            self._set_reading()
        if not self._stream.closing:
            self._set_deadline(received=True)

    def eof_received(self) -> bool:
        self._eof = True
        if self._tls:  # asyncio closes TLS transports in any case
            return False
        if self._exchange is not None:
            self._exchange.disconnect(lost=False)
        # Requests received before are still answered.
        return not self._stream.closing and (self._busy or bool(self._queue))

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        if self._stream.resume_writing():
            self._go_on()

    # -- the server

    def check(self, now: float) -> None:
        """End the connection if one of its timeouts has passed. `now` is the time of the event loop."""
        passed = self._deadlines.passed(now)
        if self._deadlines.write_passed(now) or (self._stream.closing and passed):
            self.transport.abort()
        elif passed:
            if self._parser.in_head and not self._busy and not self._queue:
                self._queue.append(BadRequest(408, "request header: not complete in time"))
                self._pump()
            else:
                self._close()

    def shutdown(self) -> None:
        """End after the reply in progress, or at once if there is none."""
        self._stopping = True
        if self._exchange is not None:
            # A client that ended its side has most likely given up on a late reply.
            self._exchange.disconnect(lost=self._eof and isinstance(self._exchange, SocketDelivery))
        if not self._busy and not self._queue:
            self._close()

    def abort(self) -> None:
        self.transport.abort()

    # -- requests

    def _on_head(self, incoming: Incoming) -> int:
        """Assign the request to the current fake, and return its body cap."""
        fake = incoming.tag = None if self._direct is None else self._direct.fake
        return BODY_MAXIMUM.value if fake is None else fake.settings.body_cap

    def _on_expect(self) -> None:
        self._continue_due = True
        self._send_continue()

    def _send_continue(self) -> None:
        """Send `100 Continue`, once the replies to earlier requests were sent."""
        if self._continue_due and not self._busy and not self._queue and not self._stream.closing:
            self._continue_due = False
            self.transport.write(CONTINUE)

    def _on_request(self, incoming: Incoming) -> None:
        self._continue_due = False
        self._queue.append(incoming)

    def _pump(self) -> None:
        """Answer queued requests until a reply is in progress, writing is paused or the turn is over."""
        turn = self._limits.turn_requests
        queue, stream = self._queue, self._stream
        while queue and not self._busy and stream.writable is None and not stream.closing:
            if not turn:
                self._busy = True
                self._loop.call_soon(self._next_turn)
                return
            turn -= 1
            item = queue.popleft()
            if isinstance(item, BadRequest):
                refusal = Reply(item.status, (TEXT,), f"{item}\n".encode())
                self.transport.write(reply_bytes(refusal, self._date(), head=False, close=True))
                self._linger()
            else:
                self._begin(item)
        if not self._busy:
            self._ahead = 0
            if self._eof and not queue:
                self._close()
            elif self._continue_due:
                self._send_continue()
        self._set_reading()

    def _yield_turn(self) -> None:
        """Pause reading for one iteration of the event loop, in which uvloop would read up to 8 MB."""
        if not self._yielding:
            self._yielding = True
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._yielding = False
        self._set_reading()

    def _next_turn(self) -> None:
        self._busy = False
        self._go_on()

    def _begin(self, incoming: Incoming) -> None:
        fake: Answering | None = incoming.tag
        settings = None if fake is None else fake.settings
        head, direct = incoming.head, self._direct
        if self._guarded and not is_served(head.host, None if settings is None else settings.base_url):
            if direct is not None:
                direct.note(f"Host {head.host[:100]!a} refused; --public-url URL serves other hosts")
            self._respond(incoming, refuse_host(head.host))
        elif direct is None or fake is None or settings is None or is_control(head.path):
            self._run_app(incoming)
        elif fake.handle_async is not None:
            self._await_reply(incoming, direct.answer(fake, self._request(incoming, b""), incoming.body))
        elif not is_heavy(head.path, incoming.size, settings):
            self._respond(incoming, direct.reply(fake, self._request(incoming, bytes(incoming.body))))
        else:
            self._busy = True
            # The body is not copied here: copying 84 MB would stall the event loop.
            request, call = self._request(incoming, b""), self._loop.call_soon_threadsafe
            direct.answer_in_thread(
                fake, request, incoming.body, lambda reply: call(self._finish, incoming, reply)
            )

    def _await_reply(self, incoming: Incoming, reply: Coroutine[Any, Any, Reply]) -> None:
        """Send a reply that waits for the store."""
        self._busy = True

        async def finish() -> None:
            self._finish(incoming, await reply)

        task = self._loop.create_task(finish())
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _request(self, incoming: Incoming, body: bytes) -> Request:
        head = incoming.head
        origin = f"{head.scheme or self._scheme}://{head.host or address_of(self._server)}"
        return Request(head.method, head.path, head.query, head.headers, body, origin, incoming.size)

    def _run_app(self, incoming: Incoming) -> None:
        self._busy = True
        scheme = incoming.head.scheme or self._scheme
        scope = scope_of(incoming, scheme, self._server, self._client)
        if not self._guarded:
            scope["extensions"] = {REACHABLE: {}}
        exchange = ASGIExchange(self._stream, incoming, scope, self._date(), self._exchange_done)
        self._follow(exchange, self._loop.create_task(exchange.run(self._app)))

    def _follow(self, exchange: ASGIExchange | SocketDelivery, task: asyncio.Task[Any]) -> None:
        """Connect an exchange, which runs in a task, with the ends of the connection and of the server."""
        self._exchange = exchange
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)
        if self._stopping or self._eof:
            exchange.disconnect(lost=False)

    # -- replies

    def _finish(self, incoming: Incoming, reply: Reply) -> None:
        """Send a reply that was not computed in `_begin`."""
        self._busy = False
        if not self._stream.closing:
            self._respond(incoming, reply)
            self._go_on()

    def _exchange_done(self, keep_alive: bool) -> None:  # noqa: FBT001 -- a callback
        self._busy = False
        self._exchange = None
        if self._stream.closing:
            return
        if not keep_alive or self._stopping:
            self._close()
        self._go_on()

    def _go_on(self) -> None:
        self._pump()
        if not self._stream.closing:
            self._set_deadline(received=False)

    def _respond(self, incoming: Incoming, reply: Reply) -> None:
        if reply.delivery is not None:
            self._deliver(incoming, reply, reply.delivery)
            return
        keep_alive = incoming.keep_alive and not self._stopping
        head = incoming.head.method == "HEAD"
        self.transport.write(reply_bytes(reply, self._date(), head=head, close=not keep_alive))
        if not keep_alive:
            self._end(incoming)

    def _deliver(self, incoming: Incoming, reply: Reply, delivery: Delivery) -> None:
        """Send a reply in a task; later requests wait for it."""
        self._busy = True
        bodiless = incoming.head.method == "HEAD" or reply.status in BODILESS

        def head() -> bytes:
            size = len(reply.body)
            # A fault is not announced. But a client that sees none may use the connection until it ends.
            ends = not bodiless and delivery.ends_connection(size) and delivery.looks_complete(size)
            close = ends or self._stopping or not incoming.keep_alive
            return reply_bytes(reply, self._date(), head=True, close=close)

        def done(ending: Ending) -> None:
            self._busy = False
            self._exchange = None
            if self._stream.closing:
                return
            if ending is Ending.RESET:
                self._queue.clear()
                self._stream.reset()
            elif ending is Ending.CLOSED or self._stopping or not incoming.keep_alive:
                self._end(incoming)
            self._go_on()

        exchange = SocketDelivery(self._stream, reply, delivery, head, bodiless=bodiless)
        self._follow(exchange, exchange.start(self._loop, done))

    def _date(self) -> bytes:
        """The header `date`, which uvicorn replaces once a second."""
        fields = self._state.default_headers
        if fields is not self._dated[0]:
            self._dated = fields, field_lines(fields)
        return self._dated[1]

    # -- the end

    def _end(self, incoming: Incoming) -> None:
        """Close after the reply to a request, of whose body the client may still be sending a part."""
        if len(incoming.body) < incoming.size or not self._stream.reading:
            self._linger()
        else:
            self._close()

    def _close(self) -> None:
        """Close after the written data was sent."""
        self._queue.clear()
        self._stream.close()

    def _linger(self) -> None:
        """Close later: the client may still be sending."""
        self._queue.clear()
        self._stream.linger(stopping=self._stopping)

    # -- reading and its deadlines

    def _set_reading(self) -> None:
        stream = self._stream
        wanted = stream.closing or (
            stream.writable is None
            and not self._yielding
            and not (self._queue and not self._busy)
            and self._ahead <= self._limits.ahead_bytes
        )
        if wanted != stream.reading:
            stream.read(wanted=wanted)

    def _set_deadline(self, *, received: bool) -> None:
        """Restart the deadline, after bytes were `received` or a reply was sent."""
        if self._busy or self._queue:
            self._deadlines.replying()
        elif self._parser.in_head:
            self._deadlines.reading_head(received=received)
        elif self._parser.incoming is None:
            self._deadlines.idle()
        else:
            self._deadlines.reading_body()
