"""The socket server: uvicorn's life cycle around the protocol of `connection`, in this thread or another.

The socket is bound before the URL is available.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, cast

import uvicorn

from kling_contracts.virtual_time.threads import RealTimeThread
from kling_mock.doors.connection import Connection
from kling_mock.doors.limits import Limits
from kling_mock.doors.listening import bind, listens_on_loopback, url_of

if TYPE_CHECKING:
    from kling_mock.doors.tls import Certificate

STOP_SECONDS: Final = 5
TICKS_A_SECOND: Final = 10  # of uvicorn's main loop
# The number of connections that are accepted in one iteration of the event loop.
ACCEPTED_AT_ONCE: Final = 16
DEFAULTS: Final = Limits()

# A coroutine function for a background task: it runs in the event loop of the server until it is cancelled.
Background = Callable[[], Coroutine[Any, Any, None]]


def uvicorn_config(
    app: Callable[..., Any],
    *,
    guarded: bool = False,
    limits: Limits = DEFAULTS,
) -> uvicorn.Config:
    """`guarded` serves only loopback Host names, unless the fake has a `base_url`."""
    return uvicorn.Config(
        app,
        http=cast("Any", partial(Connection, limits=limits, guarded=guarded)),
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        log_config=None,
        log_level="error",  # uvicorn logs its start and stop as info
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=int(limits.keep_alive),
    )


class _Lifecycle(uvicorn.Server):
    """A uvicorn server that reports when it is ready, runs background tasks, and stops within 2 s."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        background: Background | None = None,
        limits: Limits = DEFAULTS,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._on_ready = on_ready
        self._first = background
        self._limits = limits
        self._accepting: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        listening = [] if self._certificate is not None else list(sockets or ())
        copies = _copies(listening)
        try:
            await super().startup([*listening, *copies])
        except BaseException:
            for each in copies:
                each.close()
            raise
        if self._certificate is not None:
            from kling_mock.doors.tls import Acceptor

            acceptor = Acceptor(self._connect, self._certificate.context(), self._limits)
            self._accepting = [asyncio.create_task(acceptor.run(each)) for each in sockets or ()]
        self.loop = asyncio.get_running_loop()
        if self._first is not None:
            await self.begin(self._first)
        self._on_ready()

    def _connect(self) -> Connection:
        connect = cast("Callable[..., Connection]", self.config.http_protocol_class)
        return connect(self.config, self.server_state, {})

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            now = asyncio.get_running_loop().time()
            for connection in self._connections():
                connection.check(now)
        return await super().on_tick(counter)

    def _connections(self) -> tuple[Connection, ...]:
        return cast("tuple[Connection, ...]", tuple(self.server_state.connections))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, wait `stop_seconds` for replies in progress, then end everything."""
        background = tuple(self._background)
        for server in self.servers:
            server.close()
        for task in self._accepting:
            task.cancel()
        if self._accepting:
            await asyncio.wait(self._accepting)
        for listening in sockets or ():
            listening.close()
        for connection in self._connections():
            connection.shutdown()
        try:
            await self._until_quiet(self._limits.stop_seconds)
            for task in self.server_state.tasks:
                task.cancel()
            for connection in self._connections():
                connection.abort()
            await self._until_quiet(self._limits.stop_seconds / 4)
        finally:
            for task in background:
                await self.end(task)

    async def _until_quiet(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (self.server_state.connections or self.server_state.tasks) and not self.force_exit:
            if loop.time() >= deadline:
                return
            await asyncio.sleep(0.01)

    async def begin(self, background: Background) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(background())
        self._background.add(task)
        return task

    async def end(self, task: asyncio.Task[None]) -> None:
        """Cancel a background task and wait for its end. Raises the exception with which it failed before."""
        self._background.discard(task)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def _copies(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """More handles of listening sockets for the running event loop.

    uvloop accepts one connection of each handle in an iteration, between which it serves all others: under
    load, 300 new connections waited for seconds. asyncio accepts all of them.
    """
    is_uvloop = type(asyncio.get_running_loop()).__module__.partition(".")[0] == "uvloop"
    return [each.dup() for each in sockets for _ in range(ACCEPTED_AT_ONCE - 1) if is_uvloop]


def serve_until_interrupted(
    app: Callable[..., Any],
    listening: socket.socket,
    on_ready: Callable[[], None],
    background: Background | None = None,
    *,
    certificate: Certificate | None = None,
) -> None:
    """Serve in this (the main) thread until Ctrl-C, SIGTERM or SIGHUP; `on_ready` is called once it answers.

    SIGHUP, sent when the terminal is closed, is ignored if it was (`nohup`).
    """
    # uvicorn stops on the first two and then raises the signal again for the handlers that were set before.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_DFL:
        signal.signal(hangup, _terminate)
    config = uvicorn_config(app, guarded=listens_on_loopback(listening))
    server = _Lifecycle(config, on_ready, background, certificate=certificate)
    try:
        server.run([listening])
    except KeyboardInterrupt:  # uvicorn has stopped and raises the signal again
        pass
    finally:
        listening.close()


def _terminate(*_: object) -> None:
    """A signal handler with the effect of SIGTERM."""
    signal.raise_signal(signal.SIGTERM)


def _require_real_threads() -> None:
    """Raise RuntimeError if threads have been replaced by green ones of gevent or eventlet."""
    gevent: Any = sys.modules.get("gevent.monkey")
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        library = "gevent"
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        library = "eventlet"
    else:
        return
    raise RuntimeError(
        f"a server in a thread needs real threads, and {library} has replaced them (monkey patching). Use "
        "the fixture kling (or Fake().intercept()), which needs none, or `kling-mock serve` in a process of "
        "its own."
    )


class Server:
    """A server in a thread: a context manager, or `start()` and `stop()`.

    Raises RuntimeError under gevent and eventlet, where it would hang.
    """

    def __init__(  # noqa: PLR0913 -- the options are keyword-only
        self,
        app: Callable[..., Any],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        background: Background | None = None,
        limits: Limits = DEFAULTS,
        certificate: Certificate | None = None,
    ) -> None:
        _require_real_threads()
        self._app = app
        self._first = background
        self._host = host
        self._port = port
        self._limits = limits
        self._certificate = certificate
        self._server: _Lifecycle | None = None
        self._thread: threading.Thread | None = None
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port. Raises RuntimeError if the server is not started."""
        if self._url is None:
            raise RuntimeError("the server is not started: use `with fake.serve() as server:`")
        return self._url

    def start(self) -> Self:
        """Bind, then serve. Raises AddressRefused."""
        if self._thread is not None:
            raise RuntimeError("the server is started already")
        if self._certificate is not None:
            self._certificate.context()  # raises here, not in the thread
        listening = bind(self._host, self._port)
        self._url = url_of(listening, "http" if self._certificate is None else "https")
        ready = threading.Event()
        config = uvicorn_config(self._app, guarded=listens_on_loopback(listening), limits=self._limits)
        server = _Lifecycle(config, ready.set, self._first, self._limits, self._certificate)
        problems: list[BaseException] = []

        def run() -> None:
            try:
                server.run([listening])
            except BaseException as problem:
                if server.started:
                    raise
                problems.append(problem)  # start() raises it
            finally:
                listening.close()
                ready.set()

        self._server = server
        self._thread = RealTimeThread(target=run, name="kling-mock-server", daemon=True)
        self._thread.start()
        ready.wait()
        if not server.started:
            self.stop()
            raise RuntimeError("the server could not be started") from next(iter(problems), None)
        return self

    def stop(self) -> None:
        """Stop serving; without effect if it is not started."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
        self._server = self._thread = self._url = None

    @contextmanager
    def running(self, background: Background) -> Generator[None]:
        """Run a background task in the event loop of the server; leaving the context ends it and waits."""
        server = self._server
        if server is None or server.loop is None:
            raise RuntimeError("the server is not started")
        task = asyncio.run_coroutine_threadsafe(server.begin(background), server.loop).result(STOP_SECONDS)
        try:
            yield
        finally:
            if self._server is server:  # otherwise it was stopped, which ended the task
                asyncio.run_coroutine_threadsafe(server.end(task), server.loop).result(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
