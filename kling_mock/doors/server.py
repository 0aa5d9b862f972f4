"""The socket door: uvicorn on a socket that is bound before anybody is told its address."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import uvicorn

from kling_mock.timing.time_skipping import RealTimeThread

BACKLOG: Final = 2048
STOP_SECONDS: Final = 5
# Many clients poll every 5 s, and 5 s is when uvicorn by itself hangs up on an idle connection: a poll
# could meet the hanging up half-way.
KEEP_ALIVE_SECONDS: Final = 75


# What runs in the loop beside the server, until it is cancelled.
Work = Callable[[], Coroutine[Any, Any, None]]


class AddressRefused(OSError):
    """The socket could not be bound; the text names the reason and the way out."""


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises AddressRefused with what to do about it."""
    if not 0 <= port <= 65535:  # the resolver would take 70000 for 4464
        raise AddressRefused(f"{port} is no port: take one from 0 to 65535")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Without the protocol named, asyncio does not switch Nagle's algorithm off: 46 ms a request.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:  # the latter: no name could ever look like this
        raise AddressRefused(_advice(host, port, error)) from error
    listening.setblocking(False)
    return listening


def _advice(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what listens there, or take another (0: any free one)"
    if number == errno.EACCES:
        return f"port {port} needs more rights than you have: take one from 1024 on"
    return f"cannot listen on {host!r}, port {port}: {error}"


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    # An address of every interface is none to call: name the one that a client on this machine can use.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host) or str(host)  # noqa: S104 -- nothing is bound here
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def uvicorn_config(app: Callable[..., Any]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="error",  # what a client does wrong is no news for whoever runs the server
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )


class _Announcing(uvicorn.Server):
    """A uvicorn that says when it answers, so that nobody has to sleep and look; with work beside it."""

    def __init__(
        self, config: uvicorn.Config, announce: Callable[[], None], beside: Work | None = None
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._first = beside
        self._beside: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        if self._first is not None:
            await self.begin(self._first)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            for task in tuple(self._beside):
                await self.end(task)
        finally:
            await super().shutdown(sockets)

    async def begin(self, work: Work) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work())
        self._beside.add(task)
        return task

    async def end(self, task: asyncio.Task[None]) -> None:
        """Cancel a work and wait until it is over. Raises what it ended with, if it did so by itself."""
        self._beside.discard(task)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def serve_until_interrupted(
    app: Callable[..., Any],
    listening: socket.socket,
    announce: Callable[[], None],
    beside: Work | None = None,
) -> None:
    """Serve in this (the main) thread until Ctrl-C or SIGTERM; `announce` is called once it answers."""
    # uvicorn stops on either and then raises the signal again, for whoever had it before.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = _Announcing(uvicorn_config(app), announce, beside)
    try:
        server.run([listening])
    except KeyboardInterrupt:  # uvicorn has stopped cleanly and raises the signal again
        pass
    finally:
        listening.close()


class Server:
    """A server in a thread: a context manager, or `start()` and `stop()`."""

    def __init__(
        self,
        app: Callable[..., Any],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        beside: Work | None = None,
    ) -> None:
        self._app = app
        self._work = beside
        self._host = host
        self._port = port
        self._server: _Announcing | None = None
        self._thread: threading.Thread | None = None
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port. Raises RuntimeError unless the server has been started."""
        if self._url is None:
            raise RuntimeError("the server is not started: use `with fake.serve() as server:`")
        return self._url

    def start(self) -> Self:
        """Bind, then serve. Raises AddressRefused."""
        if self._thread is not None:
            raise RuntimeError("the server is started already")
        listening = bind(self._host, self._port)
        self._url = url_of(listening)
        answering = threading.Event()
        server = _Announcing(uvicorn_config(self._app), answering.set, self._work)
        problems: list[BaseException] = []

        def run() -> None:
            try:
                server.run([listening])
            except BaseException as problem:
                if server.started:
                    raise
                problems.append(problem)  # start() is waiting to tell of it
            finally:
                listening.close()
                answering.set()

        self._server = server
        self._thread = RealTimeThread(target=run, name="kling-mock-server", daemon=True)
        self._thread.start()
        answering.wait()
        if not server.started:
            self.stop()
            raise RuntimeError("the server could not be started") from next(iter(problems), None)
        return self

    def stop(self) -> None:
        """Stop serving; harmless when it has been stopped."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
        self._server = self._thread = self._url = None

    @contextmanager
    def beside(self, work: Work) -> Generator[None]:
        """Run a work in the loop of the server for the time of the block, whose end waits for its end."""
        server = self._server
        if server is None or server.loop is None:
            raise RuntimeError("the server is not started")
        task = asyncio.run_coroutine_threadsafe(server.begin(work), server.loop).result(STOP_SECONDS)
        try:
            yield
        finally:
            if self._server is server:  # else it was stopped, and its work before it
                asyncio.run_coroutine_threadsafe(server.end(task), server.loop).result(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
