"""Event loops in virtual time: asyncio's own, those that are only known to be asyncio's kind, and trio's."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from kling_contracts.virtual_time.schedule import TICK, Mover, Schedule
from kling_contracts.virtual_time.threads import Silence, real_now

# asyncio's own pipe, by which other threads wake a loop, is the only event it waits for when all is idle.
_OWN_EVENTS: Final = 1


class AsyncioWait:
    """Stands for the method `select` of an event loop's selector: there a loop waits for events and timers.

    Where the next sleep to end is one of the loop's, this moves time; otherwise the loop waits as ever, and is
    woken when time has moved to one of its timers.
    """

    def __init__(self, schedule: Schedule, loop: Any) -> None:
        self.loop = loop
        self.thread = threading.current_thread()
        self.until = math.inf
        self._schedule = schedule
        self._selector = loop._selector  # noqa: SLF001 -- no other way to notice that a loop is idle
        self._select = self._selector.select
        self._waiting = False
        self._selector.select = self

    def remove(self) -> None:
        if vars(self._selector).get("select") is self:
            del self._selector.select

    @property
    def is_waiting(self) -> bool:
        return self._waiting

    def is_idle(self) -> bool:
        return self._waiting and not self.loop._ready and not self._has_events()  # noqa: SLF001 -- as above

    def ring(self) -> None:
        if self._waiting and threading.current_thread() is not self.thread:
            self.until = math.inf  # until it waits again
            _post(self.loop, _nothing)

    def _has_events(self) -> bool:
        """Whether it waits for sockets, pipes or processes."""
        events = getattr(self._selector, "get_map", dict)()  # None: closed; on Windows they cannot be listed
        return events is None or len(events) != _OWN_EVENTS

    def __call__(self, timeout: float | None = None) -> list[Any]:
        schedule, me = self._schedule, threading.current_thread()
        if (timeout is not None and timeout <= 0) or not schedule.active:
            return self._select(timeout)
        if not schedule.participants.includes(me):
            return self._select(timeout)
        with schedule.lock:
            self.thread = me
            self.until = math.inf if timeout is None else schedule.elapsed + timeout
            self._waiting = True
            schedule.ring_first()
        try:
            return self._wait(timeout, me)
        finally:
            self._waiting = False
            self.until = math.inf

    def _wait(self, timeout: float | None, me: threading.Thread) -> list[Any]:
        schedule, silence = self._schedule, Silence()
        until, latest = self.until, math.inf if timeout is None else real_now() + timeout
        while schedule.active:
            first = schedule.first()
            if first is None or first.loop is not self:
                return self._select(timeout)
            events = self._select(0)
            if events or schedule.elapsed >= until or real_now() >= latest:
                return events
            if not schedule.is_quiet(silence, me, first.latest, waits=self._has_events()):
                if events := self._select(TICK):
                    return events
                continue
            silence = Silence()
            if schedule.move(first):
                first.end(0.0)
                return []
        return self._select(timeout)


class Loops:
    """The event loops of a virtual time, and sleeps in them."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._known: dict[int, AsyncioWait] = {}
        self._mover: Mover | None = None

    def adopt(self, loop: Any) -> AsyncioWait | None:
        """Let a loop of this thread wait in virtual time. None: it is not one of asyncio's own."""
        known = self._known.get(id(loop))
        if known is not None and known.loop is loop:
            return known
        if not isinstance(loop, asyncio.BaseEventLoop) or not hasattr(loop, "_selector"):
            return None
        self._known = {key: each for key, each in self._known.items() if not each.loop.is_closed()}
        self._known[id(loop)] = known = AsyncioWait(self._schedule, loop)
        self._schedule.loops = list(self._known.values())
        return known

    def close(self) -> None:
        """Give all loops back; after `Schedule.stop`."""
        for each in self._known.values():
            each.remove()
        self._known.clear()
        self._schedule.loops = []
        if self._mover is not None:
            self._mover.ring()
            self._mover = None

    def waiting_tasks(self) -> list[asyncio.Task[Any]]:
        """The unfinished tasks of loops that wait."""
        return [task for each in self._known.values() if each.is_waiting for task in _tasks(each.loop)]

    async def sleep_in_asyncio(self, seconds: float) -> float:
        """Sleep in an asyncio loop; return the seconds of real time that are left to sleep."""
        loop = asyncio.get_running_loop()
        wait = self.adopt(loop)
        future: asyncio.Future[float] = loop.create_future()

        def set_result(rest: float) -> None:
            if not future.done():
                future.set_result(rest)

        sleeper = self._schedule.add(
            seconds,
            self._ring_mover() if wait is None else wait.ring,
            lambda rest: _post(loop, set_result, rest),
            wait,
        )
        try:
            return await future
        finally:
            self._schedule.remove(sleeper)

    async def sleep_in_trio(self, seconds: float) -> float:
        """The same in trio, where a deadline around the sleep comes first if it is earlier."""
        trio: Any = sys.modules["trio"]
        token, event = trio.lowlevel.current_trio_token(), trio.Event()
        until_deadline = trio.current_effective_deadline() - trio.current_time()
        left: list[float] = []

        def end(rest: float) -> None:
            left.append(rest)
            try:
                token.run_sync_soon(event.set)
            except trio.RunFinishedError:
                pass

        shorter = max(min(seconds, until_deadline), 0.0)
        sleeper = self._schedule.add(shorter, self._ring_mover(), end)
        try:
            await event.wait()
        finally:
            self._schedule.remove(sleeper)
        return left[0] + seconds - shorter

    def _ring_mover(self) -> Callable[[], None]:
        if self._mover is None:
            self._mover = Mover(self._schedule)
            self._mover.start()
        return self._mover.ring


def _nothing() -> None:
    pass


def _post(loop: Any, callback: Callable[..., None], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:  # the loop is closed
        pass


def _tasks(loop: Any) -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks(loop)
    except RuntimeError:  # they changed while they were listed
        return set()
