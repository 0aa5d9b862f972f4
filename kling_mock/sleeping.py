"""Sleep without waiting: while it is on, sleeping moves clocks on instead of taking time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar
from unittest import mock

from kling_mock.clock import Clock

T = TypeVar("T")


class SkippedSleep:
    """A context manager in which `time.sleep` and `asyncio.sleep` return at once and advance a clock.

    `time.time` and `time.monotonic` move on with it, so that a polling loop with a deadline still meets
    its deadline. A function imported by name before (`from time import sleep`) is not reached. Calls
    for which `exempt()` is true keep the real functions: the server's own thread, say.
    """

    def __init__(self, clock: Clock, exempt: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._exempt = exempt
        self._skipped = 0.0
        self._real_sleep = time.sleep
        self._real_async_sleep = asyncio.sleep
        self._patches = (
            mock.patch.object(time, "sleep", self._sleep),
            mock.patch.object(asyncio, "sleep", self._async_sleep),
            mock.patch.object(time, "time", self._shifted(time.time)),
            mock.patch.object(time, "monotonic", self._shifted(time.monotonic)),
        )

    def __enter__(self) -> None:
        for patch in self._patches:
            patch.start()

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()

    def _skip(self, seconds: float) -> bool:
        if self._exempt() or not 0 < seconds < float("inf"):
            return False
        self._skipped += seconds
        self._clock.advance(seconds)
        return True

    def _sleep(self, seconds: float, /) -> None:
        if not self._skip(seconds):
            self._real_sleep(seconds)

    async def _async_sleep(self, delay: float, result: Any = None) -> Any:  # the signature of asyncio.sleep
        # Other tasks get their turn, as they would during a real sleep.
        return await self._real_async_sleep(0 if self._skip(delay) else delay, result)

    def _shifted(self, real: Callable[[], float]) -> Callable[[], float]:
        return lambda: real() + (0.0 if self._exempt() else self._skipped)
