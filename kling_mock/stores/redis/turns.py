"""Turns of the requests of one process about the same task or account.

Each commit changes the preconditions of the others, so at once most would be refused and decided again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from kling_mock.stores import AccountKey, Key, TaskKey, WindowKey


class Turns:
    """For one event loop of asyncio, with a connection for each request at a time, in order of arrival.

    Requests that hold the turn of an account have connections of their own, since others wait for them.
    """

    def __init__(self, connections: int) -> None:
        self._locks: WeakValueDictionary[Key[Any], asyncio.Lock] = WeakValueDictionary()
        self._arrivals = count()
        self._of_accounts = _Connections(connections // 2)
        self._others = _Connections(connections - connections // 2)

    @asynccontextmanager
    async def turn(self, keys: Sequence[Key[Any]]) -> AsyncGenerator[None]:
        """Wait for the earlier requests that read the same task or the totals of the same account."""
        arrival = next(self._arrivals)
        key = _contended(keys)
        free = self._of_accounts if isinstance(key, AccountKey) else self._others
        if key is None:
            await free.acquire(arrival)
            try:
                yield
            finally:
                free.release()
            return
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            await free.acquire(arrival)
            try:
                yield
            finally:
                free.release()


class _Connections:
    """A semaphore in order of arrival.

    One in order of `acquire` would let a request wait behind all others once more after each earlier request
    about its task.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def acquire(self, arrival: int) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (arrival, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        while self._waiting:
            _, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _contended(keys: Sequence[Key[Any]]) -> Key[Any] | None:
    """The key that most other requests share: totals of all, else of an account, else a task."""
    found: Key[Any] | None = None
    for key in keys:
        if isinstance(key, AccountKey | WindowKey):
            if key.account is None:
                return AccountKey(None)
            found = AccountKey(key.account)
        elif isinstance(key, TaskKey) and found is None:
            found = key
    return found
