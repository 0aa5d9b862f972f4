"""Threads for jobs that would stall the event loop; they never delay the exit of the process."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from kling_contracts.virtual_time.threads import RealTimeThread

T = TypeVar("T")

THREADS: Final = 2


class Workers:
    """Runs jobs in at most two threads, in order of arrival. Threads end when no job is left.

    The threads are daemons: at exit, Python waits for the threads of an executor of the standard library.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: deque[Callable[[], None]] = deque()
        self._running = 0

    def run(self, job: Callable[[], None]) -> None:
        """Run `job`, which must not raise, in a thread."""
        with self._lock:
            self._jobs.append(job)
            if self._running == THREADS:
                return
            self._running += 1
        RealTimeThread(target=self._work, name="kling-mock-worker", daemon=True).start()

    async def call(self, job: Callable[[], T]) -> T:
        """The result of `job`, which must not raise, in a thread."""

        def start(done: Callable[[T], object]) -> None:
            self.run(lambda: _ignore(done(job())))

        return await outcome_of(start)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running -= 1
                    return
                job = self._jobs.popleft()
            job()


def _ignore(_: object) -> None: ...


def in_asyncio() -> bool:
    """Whether an event loop of asyncio runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def outcome_of(start: Callable[[Callable[[T], object]], object]) -> T:
    """Call `start(done)`, and wait until a thread calls `done` with the outcome (asyncio and trio)."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        replied = trio.Event()
        token = trio.lowlevel.current_trio_token()
        found: list[T] = []

        def receive(outcome: T) -> None:
            found.append(outcome)
            replied.set()

        start(lambda outcome: token.run_sync_soon(receive, outcome))
        await replied.wait()
        return found[0]
    future: asyncio.Future[T] = loop.create_future()

    def done(outcome: T) -> None:
        if not future.done():  # the request may have been cancelled
            future.set_result(outcome)

    def call(outcome: T) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(done, outcome)

    start(call)
    return await future
