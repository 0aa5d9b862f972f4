"""An asynchronous memory store, faulty variants of it, and a fake that uses it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kling_mock import ManualClock, Settings
from kling_mock.records import PollRecord
from kling_mock.request_handler import _draw
from kling_mock.service import answer
from kling_mock.stores import Change, Snapshot, Ticket, run_async
from kling_mock.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mock import Reply, Request
    from kling_mock.stores import AsyncStore, Expect, Key

SYSTEM = 1_767_225_600.0


class AsyncMemoryStore:
    """A memory store that lets every other asyncio task run before and after each read and commit."""

    def __init__(self, *, retention: float = 30 * 86_400, journal_bytes: int = 2**24) -> None:
        self.inner = MemoryStore(ManualClock(), retention=retention, journal_bytes=journal_bytes)

    async def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        await asyncio.sleep(0)
        snapshot = self.inner.read(keys)
        await asyncio.sleep(0)
        return snapshot

    async def commit(self, change: Change) -> Expect | None:
        await asyncio.sleep(0)
        failed = self.inner.commit(change)
        await asyncio.sleep(0)
        return failed


class RacyAsyncStore(AsyncMemoryStore):
    """Compares first; other tasks run before it writes."""

    async def commit(self, change: Change) -> Expect | None:
        failed = self.inner.commit(Change(change.expect, ()))
        await asyncio.sleep(0)
        return failed or self.inner.commit(Change((), change.records))


class TornAsyncStore(AsyncMemoryStore):
    """Reads one key after the other; other tasks run in between."""

    async def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        values: dict[Key[Any], object] = {}
        for key in keys:
            values[key] = self.inner.read((key,))[key]
            await asyncio.sleep(0)
        return Snapshot(self.inner.clock.now(), values)


class RepeatingAsyncStore(AsyncMemoryStore):
    """Reads the number of a ticket; other tasks run before it writes the next number."""

    def __init__(self, *, retention: float = 30 * 86_400, journal_bytes: int = 2**24) -> None:
        super().__init__(retention=retention, journal_bytes=journal_bytes)
        self.next: dict[Key[Any], int] = {}

    async def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        numbers: dict[Key[Any], int] = {key: self.next.get(key, 0) for key in keys if isinstance(key, Ticket)}
        snapshot = await super().read(keys)
        self.next |= {key: number + 1 for key, number in numbers.items()}
        return Snapshot(snapshot.now, {key: numbers.get(key, snapshot[key]) for key in keys})


class DroppingAsyncStore(AsyncMemoryStore):
    """Loses polls."""

    async def commit(self, change: Change) -> Expect | None:
        records = tuple(each for each in change.records if not isinstance(each, PollRecord))
        return await super().commit(Change(change.expect, records))


class AsyncFake:
    """Answers requests as `Fake.handle` does, on an asynchronous store."""

    def __init__(self, store: AsyncStore, **switches: Any) -> None:
        self.store = store
        self.settings = Settings.of(switches)

    async def handle(self, request: Request) -> Reply:
        answered = await run_async(answer(request, self.settings, SYSTEM, _draw), self.store)
        return answered.reply
