"""A context in which sleeps take no time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import FrameType, ModuleType
from typing import Any, Self

from kling_contracts.virtual_time.functions import active
from kling_contracts.virtual_time.loops import Loops
from kling_contracts.virtual_time.patches import activate, deactivate
from kling_contracts.virtual_time.schedule import Schedule
from kling_contracts.virtual_time.threads import Participants


class VirtualTime:
    """A context in which the sleeps of time, asyncio, anyio and trio move time instead of taking it.

    `time.time`, `time.monotonic` and their variants in nanoseconds move with it, and so do the timers of
    asyncio's own event loops, in the thread that enters the context and the threads that it starts. Other
    threads live in real time, as do timed waits for locks, events and queues, and `time.perf_counter`.

    Time moves to the next end of a sleep as soon as every other participant sleeps, or has used no CPU for
    5 ms of real time. A sleep takes at most its seconds in real time.
    """

    def __init__(self, schedule: Schedule | None = None) -> None:
        self._schedule = Schedule(self.passed) if schedule is None else schedule
        self._loops = Loops(self._schedule)
        self._base = 0.0

    def __enter__(self) -> Self:
        outer = active()
        self._base = 0.0 if outer is None else outer.shift
        self._schedule.start()
        activate(self, self.copies())
        return self

    def __exit__(self, *_: object) -> None:
        deactivate(self)
        self._schedule.stop()
        self._loops.close()

    @property
    def elapsed(self) -> float:
        """Seconds by which time was moved."""
        return self._schedule.elapsed

    @property
    def shift(self) -> float:
        return self._base + self._schedule.elapsed

    @property
    def active(self) -> bool:
        return self._schedule.active

    @property
    def participants(self) -> Participants:
        return self._schedule.participants

    def waiting_tasks(self) -> list[asyncio.Task[Any]]:
        """The unfinished tasks of the event loops that wait for a timer or an event."""
        return self._loops.waiting_tasks()

    def passed(self, seconds: float, /) -> None:
        """Time has moved. Called in the thread that moved it."""

    def copies(self) -> Iterable[tuple[ModuleType, str]]:
        """Further module attributes that may hold functions of time and are to be replaced."""
        return ()

    # -- called by the replaced functions

    def sleep(self, seconds: float) -> float:
        return self._schedule.sleep(seconds)

    async def sleep_in_asyncio(self, seconds: float) -> float:
        return await self._loops.sleep_in_asyncio(seconds)

    async def sleep_in_trio(self, seconds: float) -> float:
        return await self._loops.sleep_in_trio(seconds)

    def yielded(self) -> None:
        self._loops.yielded()

    def start_in(self, loop: Any) -> None:
        self._loops.adopt(loop)

    def begin_real_sleep(self, frame: FrameType) -> object:
        """A sleep in real time begins; the returned value is the argument of `end_real_sleep`."""

    def end_real_sleep(self, begun: object) -> None:
        """It has ended."""
