"""Sleep without waiting: while it is on, sleeping moves clocks on instead of taking time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from kling_mock.timing.clock import Clock

_NANOSECONDS = 1_000_000_000


class RealTimeThread(threading.Thread):
    """A thread in which sleeping takes time all the same: that of a server with ticks of its own."""


class TimeSkipping:
    """A context manager in which `time.sleep` and `asyncio.sleep` return at once and advance the clocks.

    `time.time` and `time.monotonic` move on with them, so that a polling loop with a deadline still meets
    its deadline. A function imported by name before (`from time import sleep`) is not reached, nor is the
    time of a uvloop; `time.perf_counter` goes on measuring what things really take.
    """

    def __init__(self, *clocks: Clock) -> None:
        from unittest import mock  # heavy, and a server needs only the thread below

        self.clocks = list(clocks)
        self._skipped = 0.0
        self._lock = threading.Lock()
        self._sleepers: list[tuple[asyncio.AbstractEventLoop, float]] = []
        self._real_sleep = time.sleep
        self._real_async_sleep = asyncio.sleep
        self._patches = (
            mock.patch.object(time, "sleep", self._sleep),
            mock.patch.object(asyncio, "sleep", self._async_sleep),
            mock.patch.object(time, "time", self._shifted(time.time)),
            mock.patch.object(time, "monotonic", self._shifted(time.monotonic)),
            mock.patch.object(time, "time_ns", self._shifted_ns(time.time_ns)),
            mock.patch.object(time, "monotonic_ns", self._shifted_ns(time.monotonic_ns)),
        )

    def __enter__(self) -> Self:
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()

    def _skips(self, seconds: float) -> bool:
        return 0 < seconds < float("inf") and not _in_real_time()

    def _advance(self, seconds: float) -> None:
        with self._lock:
            self._skipped += seconds
        for clock in self.clocks:
            clock.advance(seconds)

    def _sleep(self, seconds: float, /) -> None:
        if self._skips(seconds):
            self._advance(seconds)
        else:
            self._real_sleep(seconds)

    async def _async_sleep(self, delay: float, result: Any = None) -> Any:  # the signature of asyncio.sleep
        if not self._skips(delay):
            return await self._real_async_sleep(delay, result)
        # Sleeps of one loop pass side by side: others get their turn, and who has the least to sleep
        # wakes first. Ten tasks that each sleep a second take one second, not ten.
        loop = asyncio.get_running_loop()
        sleeper = (loop, self._skipped + delay)
        self._sleepers.append(sleeper)
        try:
            await self._real_async_sleep(0)
            while any(other is loop and wakes < sleeper[1] for other, wakes in self._sleepers):
                await self._real_async_sleep(0)
            if sleeper[1] > self._skipped:
                self._advance(sleeper[1] - self._skipped)
            # A timeout due by now is noticed in the next round of the loop, and told in the one after.
            for _ in range(2):
                await self._real_async_sleep(0)
        finally:
            self._sleepers.remove(sleeper)
        return result

    def _shifted(self, real: Callable[[], float]) -> Callable[[], float]:
        return lambda: real() + (0.0 if _in_real_time() else self._skipped)

    def _shifted_ns(self, real: Callable[[], int]) -> Callable[[], int]:
        return lambda: real() + (0 if _in_real_time() else int(self._skipped * _NANOSECONDS))


def _in_real_time() -> bool:
    return isinstance(threading.current_thread(), RealTimeThread)
