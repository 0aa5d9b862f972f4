"""Turns of the requests of one process about the same task or account.

Each commit changes the preconditions of the others, so at once most would be refused and decided again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

from kling_mock.stores import AccountKey, Key, TaskKey, WindowKey

_Turn = asyncio.Future[None]


class Turns:
    """For one event loop of asyncio, with this number of requests at a time, in order of arrival."""

    def __init__(self, at_once: int) -> None:
        # The requests that wait behind the one that has the turn of a key.
        self._queues: dict[Key[Any], deque[_Turn]] = {}
        self._arrivals = count()
        self._free = at_once
        # In order of arrival. In order of these calls, a request would wait behind all others once more after
        # each earlier request about its task or account.
        self._waiting: list[tuple[int, _Turn]] = []

    async def begin(self, keys: Sequence[Key[Any]]) -> Key[Any] | None:
        """Wait for the earlier requests that read the same task or the totals of the same account.

        Returns what `end` needs.
        """
        key, arrival = _contended(keys), next(self._arrivals)
        if key is not None:
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = deque()
            else:
                turn = asyncio.get_running_loop().create_future()
                queue.append(turn)
                await self._wait(turn, lambda: self._end_key(key))
        if self._free:
            self._free -= 1
        else:
            turn = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (arrival, turn))
            try:
                await self._wait(turn, self._release)
            except asyncio.CancelledError:
                self._end_key(key)
                raise
        return key

    def end(self, key: Key[Any] | None) -> None:
        """End a turn that has begun."""
        self._end_key(key)
        self._release()

    @staticmethod
    async def _wait(turn: _Turn, give_up: Callable[[], None]) -> None:
        """Wait for a turn. If it comes when the request was cancelled, give it up."""
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                give_up()
            raise

    def _end_key(self, key: Key[Any] | None) -> None:
        if key is None:
            return
        queue = self._queues[key]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[key]

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
