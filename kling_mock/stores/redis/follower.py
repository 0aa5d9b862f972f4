"""Follows the changes that other processes make to a namespace in Redis: calls, tasks, the clock, resets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, cast

from kling_mock.records import CallRecord
from kling_mock.stores import StateNotKept
from kling_mock.stores.record_format import decode
from kling_mock.stores.redis.async_store import AsyncRedisStore, Entry

if TYPE_CHECKING:
    from kling_mock.stores.redis.store import RedisStore

# Seconds between two checks of the leases of other processes, and before a lost connection is tried again.
PERIOD: Final = 1.0
_AT_ONCE: Final = 200


class ChangeListener(Protocol):
    """Is called in the event loop. Its methods do not raise."""

    def wants_calls(self) -> bool:
        """Whether `on_call` has an effect at present. May be called by any thread."""
        ...

    def on_call(self, call: CallRecord) -> None:
        """Another process has answered a request."""

    def on_callback(self, task_id: str, *, created: bool) -> None:
        """Another process has answered a create or a query of a task with a callback."""

    def on_task(self, task_id: str) -> None:
        """Another process has changed a task without a request, or has recorded a delivery."""

    def on_clock(self) -> None:
        """The settings of the clock were changed."""

    def on_reset(self) -> None:
        """Everything may have changed."""

    def on_period(self) -> None:
        """A period is over: leases may have ended."""


class Follower:
    """Reads the stream of changes, and the journal while its entries are wanted.

    It begins with the changes after this call. `run()` ends when it is cancelled.
    """

    def __init__(self, store: RedisStore, listener: ChangeListener) -> None:
        self._store = store
        self._listener = listener
        prefix = store.session.address.prefix
        self._process = store.session.process.encode()
        self._changes = f"{prefix}changes".encode()
        self._calls = f"{prefix}calls".encode()
        self._lock = threading.Lock()
        self._begin_calls: Callable[[], object] = lambda: None
        # The latest entry that was read; None: not known.
        self._change: bytes | None = None
        self._call: bytes | None = None
        with suppress(StateNotKept):  # then `run` begins when Redis answers
            self._change = store.latest(self._changes)
            if listener.wants_calls():
                self.need_calls()

    def need_calls(self) -> bool:
        """Read the journal from now on, while it is wanted. Returns whether it was not read until now.

        May be called by any thread.
        """
        with self._lock:
            if self._call is not None:
                return False
            with suppress(StateNotKept):  # then `run` begins when Redis answers
                self._call = self._store.latest(self._calls)
        self._begin_calls()
        return True

    async def run(self) -> None:
        loop, wanted = asyncio.get_running_loop(), asyncio.Event()

        def begin_calls() -> None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(wanted.set)

        self._begin_calls = begin_calls
        if self._listener.wants_calls():
            wanted.set()
        in_loop = self._store.in_loop()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_changes(in_loop))
                group.create_task(self._follow_calls(in_loop, wanted))
        finally:
            self._change = self._call = None

    async def _follow_changes(self, in_loop: AsyncRedisStore) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            try:
                if self._change is None:  # after an outage, or an earlier run
                    self._change = await in_loop.latest(self._changes)
                    self._listener.on_reset()
                found = await in_loop.wait_for_entries(self._changes, self._change, PERIOD, _AT_ONCE)
            except StateNotKept:
                self._change = None
                await asyncio.sleep(PERIOD)
                continue
            for entry in found:
                self._change = entry[0]
                self._report_change(entry)
            if loop.time() - checked >= PERIOD:
                checked = loop.time()
                self._listener.on_period()

    async def _follow_calls(self, in_loop: AsyncRedisStore, wanted: asyncio.Event) -> None:
        while True:
            await wanted.wait()
            with self._lock:
                if not self._listener.wants_calls():
                    wanted.clear()
                    self._call = None
                    continue
            try:
                if self._call is None:
                    self._call = await in_loop.latest(self._calls)
                found = await in_loop.wait_for_entries(self._calls, self._call, PERIOD, _AT_ONCE)
            except StateNotKept:
                self._call = None
                await asyncio.sleep(PERIOD)
                continue
            for entry in found:
                self._call = entry[0]
                self._report_call(entry)

    def _report_change(self, entry: Entry) -> None:
        fields = entry[1]
        if fields.get(b"process") == self._process:
            return
        task_id = fields[b"id"].decode("utf-8", "surrogatepass")
        match fields[b"kind"]:
            case b"task":
                self._listener.on_task(task_id)
            case b"created" | b"queried":
                self._listener.on_callback(task_id, created=fields[b"kind"] == b"created")
            case b"clock":
                self._listener.on_clock()
            case _:
                self._listener.on_reset()

    def _report_call(self, entry: Entry) -> None:
        fields = entry[1]
        if fields.get(b"process") not in (self._process, b"import"):
            with suppress(ValueError):  # written by a later version of this package
                self._listener.on_call(cast("CallRecord", decode(fields[b"call"])))
