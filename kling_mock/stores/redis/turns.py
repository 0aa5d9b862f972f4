"""Turns of the requests of one process about the same task or account.

Each commit changes the preconditions of the others, so at once most would be refused and decided again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from kling_mock.stores import AccountKey, Key, TaskKey, WindowKey


class Turns:
    """For one event loop of asyncio, with a connection for each request at a time, in order of arrival.

    Requests that hold the turn of an account have connections of their own, since others wait for them.
    """

    def __init__(self, connections: int) -> None:
        self._locks: WeakValueDictionary[Key[Any], asyncio.Lock] = WeakValueDictionary()
        self._of_accounts = asyncio.Semaphore(connections // 2)
        self._others = asyncio.Semaphore(connections - connections // 2)

    @asynccontextmanager
    async def turn(self, keys: Sequence[Key[Any]]) -> AsyncGenerator[None]:
        """Wait for the earlier requests that read the same task or the totals of the same account."""
        key = _contended(keys)
        free = self._of_accounts if isinstance(key, AccountKey) else self._others
        if key is None:
            async with free:
                yield
            return
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock, free:
            yield


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
