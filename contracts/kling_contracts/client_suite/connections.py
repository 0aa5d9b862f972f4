"""The client's ends of its connections, which tell how long it would wait for an answer."""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, Self
from unittest import mock

Address = tuple[str, int]


class Patience(Enum):
    """How long somebody waits who still does."""

    LIMITED = "until a timeout of its own"
    ENDLESS = "for ever"
    UNSEEN = "nobody can see how long"


class Connections:
    """Knows the sockets that were connected in this process while it was entered, for as long as they live.

    Not seen are those of other processes, and of libraries that are not written in Python. `is_awaited` says
    of the number of a socket whether an event loop in virtual time waits for it: there a timeout is over at
    once, so who waits has none.
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

    def patience(self, address: Address) -> Patience:
        """How long whoever speaks from an address would go on waiting."""
        client = self._at(address)
        timeout = 0.0 if client is None else client.gettimeout()
        if client is None or (timeout == 0 and not self._is_awaited(client.fileno())):
            return Patience.UNSEEN
        return Patience.LIMITED if timeout else Patience.ENDLESS

    def _at(self, address: Address) -> socket.socket | None:
        with self._lock:
            known = list(self._known)
        return next((each for each in known if _address(each) == address), None)


def _address(client: socket.socket) -> object:
    try:
        return client.getsockname()
    except OSError:  # it is closed
        return None
