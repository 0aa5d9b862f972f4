"""Follows the changes that other processes make to a namespace in Redis: calls, tasks, the clock, resets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Protocol, cast

from kling_mock.records import CallRecord
from kling_mock.stores import StateNotKept
from kling_mock.stores.record_format import decode
from kling_mock.stores.redis.async_store import AsyncRedisStore, Entry

# Seconds between two checks of the leases of other processes, and before a lost connection is tried again.
PERIOD: Final = 1.0
_AT_ONCE: Final = 200


class ChangeListener(Protocol):
    """Is called in the event loop. Its methods do not raise."""

    def on_call(self, call: CallRecord) -> None:
        """Another process has answered a request."""

    def on_task(self, task_id: str) -> None:
        """Another process has changed a task without a request, or has recorded a delivery."""

    def on_clock(self) -> None:
        """The settings of the clock were changed."""

    def on_reset(self) -> None:
        """Everything may have changed."""

    def on_period(self) -> None:
        """A period is over: leases may have ended."""


class Follower:
    """Reads the journal and the stream of changes from now on. `run()` ends when it is cancelled."""

    def __init__(self, store: AsyncRedisStore, listener: ChangeListener) -> None:
        self._store = store
        self._listener = listener
        prefix = store.session.address.prefix
        self._calls = f"{prefix}calls".encode()
        self._positions: dict[bytes, bytes] = {self._calls: b"0-0", f"{prefix}changes".encode(): b"0-0"}

    async def start(self) -> None:
        """Begin with the changes from now on."""
        for stream in self._positions:
            self._positions[stream] = await self._store.latest(stream)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            try:
                found = await self._store.wait_for_entries(self._positions, PERIOD, _AT_ONCE)
            except StateNotKept:
                await self._restart()
                continue
            for stream, entries in found:
                for entry in entries:
                    self._positions[stream] = entry[0]
                    self._report(stream, entry)
            if loop.time() - checked >= PERIOD:
                checked = loop.time()
                self._listener.on_period()

    async def _restart(self) -> None:
        """Try again until Redis answers; changes may have been lost meanwhile."""
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.start()
            except StateNotKept:
                continue
            self._listener.on_reset()
            return

    def _report(self, stream: bytes, entry: Entry) -> None:
        fields = entry[1]
        if fields.get(b"process") in (self._store.session.process.encode(), b"import"):
            return
        if stream == self._calls:
            with suppress(ValueError):  # written by a later version of this package
                self._listener.on_call(cast("CallRecord", decode(fields[b"call"])))
            return
        match fields[b"kind"]:
            case b"task":
                self._listener.on_task(fields[b"id"].decode("utf-8", "surrogatepass"))
            case b"clock":
                self._listener.on_clock()
            case _:
                self._listener.on_reset()
