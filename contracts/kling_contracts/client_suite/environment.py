"""Environment shared by all tests of a suite: one server address, one event loop, no real service."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self
from unittest import mock

from kling_contracts.client_suite.server import Address, ClientTimeout, Received, Reply, ScriptedServer
from kling_contracts.client_suite.virtual_time import ClientTime
from kling_contracts.gateways import INTERCEPTED_HOSTS


class Environment:
    """A scripted server and an event loop, both open until `close`.

    They last for the whole suite, because long-lived clients keep their base URL, connections and loop.
    """

    def __init__(self) -> None:
        self.clock = ClientTime(self._is_quiet, self.interrupt)
        # The number of requests received when a call was interrupted; None without interruption.
        self.stopped: int | None = None
        self.connections = Connections(self._is_awaited)
        self.server = self._new_server()
        self._listens = False
        self._runner: asyncio.Runner | None = None
        self._selector: selectors.BaseSelector | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both. They open again when they are needed."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()
        if self._listens:
            self.server.__exit__()
            self.server, self._listens = self._new_server(), False

    def interrupt(self) -> None:
        """Record the number of requests at the moment of an interruption."""
        self.server.settle()
        self.stopped = len(self.server.requests)

    def open_server(self, answer: Callable[[Received], Reply], now: Callable[[], float]) -> ScriptedServer:
        """The scripted server, started if needed, without requests of previous tests."""
        if not self._listens:
            self.server.__enter__()
            self._listens = True
        self.server.begin(answer, now)
        return self.server

    def run(self, work: Coroutine[Any, Any, object]) -> object:
        """Run a coroutine in the event loop of this environment; return its result."""
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=self._loop)
        try:
            return self._runner.run(work)
        except BaseException:
            if self.clock.overdue:  # the loop may be in an inconsistent state
                runner, self._runner = self._runner, None
                runner.close()
            raise

    def _new_server(self) -> ScriptedServer:
        return ScriptedServer(lambda _: Reply(), self.connections.client_timeout)

    def _loop(self) -> asyncio.AbstractEventLoop:
        self._selector = selectors.DefaultSelector()
        return asyncio.SelectorEventLoop(self._selector)

    def _is_awaited(self, number: int) -> bool:
        """Whether the loop, in virtual time, waits for the socket with this file descriptor."""
        awaited = self._selector.get_map() if self._selector and self.clock.active else None
        return awaited is not None and number in awaited  # None: the loop is closed

    def _is_quiet(self) -> bool:
        """Whether no request or reply is in transit between the client and the scripted server."""
        return not self._listens or self.server.is_idle()


_LOOPBACK: Final = "127.0.0.1,localhost"


class Isolation:
    """A context in which the service's host names do not resolve, and no proxy is used for loopback."""

    def __init__(self) -> None:
        self._resolve = socket.getaddrinfo
        direct = {
            name: f"{_LOOPBACK},{os.environ.get(name, '')}".strip(",") for name in ("NO_PROXY", "no_proxy")
        }
        self._patches = (
            mock.patch.object(socket, "getaddrinfo", self._getaddrinfo),
            mock.patch.dict(os.environ, direct),
        )

    def __enter__(self) -> Self:
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()

    def _getaddrinfo(self, host: Any, *arguments: Any, **named: Any) -> Any:  # as in the socket module
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if isinstance(name, str) and name.lower().rstrip(".") in INTERCEPTED_HOSTS:
            raise socket.gaierror(
                socket.EAI_FAIL,
                f"{name} is the real service, which bills tasks; the client must use service.base_url",
            )
        return self._resolve(host, *arguments, **named)


class Connections:
    """A context that tracks the sockets connected in this process, to find the client's timeouts.

    Sockets of other processes, and of libraries not written in Python, are not tracked. `is_awaited`: whether
    an event loop in virtual time waits for the socket with a file descriptor. In virtual time a timeout of
    the loop fires immediately, so a client that still waits there has none.
    """

    def __init__(self, is_awaited: Callable[[int], bool]) -> None:
        self._is_awaited: Final = is_awaited
        self._lock = threading.Lock()
        self._known = weakref.WeakSet[socket.socket]()

    def __enter__(self) -> Self:
        real = socket.socket.connect

        def connect(client: socket.socket, address: Any) -> None:
            with self._lock:
                self._known.add(client)
            real(client, address)

        self._patch = mock.patch.object(socket.socket, "connect", connect)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def client_timeout(self, address: Address) -> ClientTimeout:
        """The timeout of the client that is connected from an address."""
        client = self._at(address)
        timeout = 0.0 if client is None else client.gettimeout()
        if client is None or (timeout == 0 and not self._is_awaited(client.fileno())):
            return ClientTimeout.UNSEEN
        return ClientTimeout.LIMITED if timeout else ClientTimeout.ENDLESS

    def _at(self, address: Address) -> socket.socket | None:
        with self._lock:
            known = list(self._known)
        return next((each for each in known if _address(each) == address), None)


def _address(client: socket.socket) -> object:
    try:
        return client.getsockname()
    except OSError:  # the socket is closed
        return None
