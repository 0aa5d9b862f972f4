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
    """For one event loop of asyncio, with a connection for each request at a time, in order of arrival."""

    def __init__(self, connections: int) -> None:
        self._locks: WeakValueDictionary[Key[Any], asyncio.Lock] = WeakValueDictionary()
        self._arrivals = count()
        self._connections = _Connections(connections)

    @asynccontextmanager
    async def turn(self, keys: Sequence[Key[Any]]) -> AsyncGenerator[None]:
        """Wait for the earlier requests that read the same task or the totals of the same account."""
        arrival = next(self._arrivals)
        key = _contended(keys)
        if key is None:
            async with self._connections.one(arrival):
                yield
            return
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock, self._connections.one(arrival):
            yield


class _Connections:
    """A semaphore in order of arrival.

    One in order of its own calls would let a request wait behind all others once more after each earlier
    request about its task or account.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def one(self, arrival: int) -> AsyncGenerator[None]:
        await self._acquire(arrival)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, arrival: int) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (arrival, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _release(self) -> None:
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
