"""Event loops in virtual time: asyncio's own, those that are only known to be asyncio's kind, and trio's."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Callable, Sized
from contextlib import suppress
from typing import Any, Final

from kling_contracts.virtual_time.schedule import TICK, Mover, Schedule
from kling_contracts.virtual_time.threads import SILENCE, Silence, real_now

# After as many rounds in which all that happened was `asyncio.sleep(0)`, a loop only waits by other means.
_SPINS: Final = 3
# A loop always waits for the pipe by which other threads wake it.
_OWN_EVENTS: Final = 1


class AsyncioWait:
    """Stands for the method `select` of an event loop's selector: there a loop waits for events and timers.

    If the next sleep to end is one of the loop's, this moves time; otherwise the loop waits as usual, and is
    woken when time has moved to one of its timers.
    """

    def __init__(self, schedule: Schedule, loop: Any) -> None:
        self.loop = loop
        self.thread = threading.current_thread()
        self.until = math.inf
        self._schedule = schedule
        self._selector = loop._selector  # noqa: SLF001 -- no other way to notice that a loop is idle
        self._select: Callable[[float | None], list[Any]] = self._selector.select
        self._waiting = False
        self._yields = self._spins = 0
        self._silence = Silence()
        self._spinning_since = math.inf
        self._selector.select = self

    def remove(self) -> None:
        if self._selector.select is self:
            del self._selector.select

    @property
    def is_waiting(self) -> bool:
        return self._waiting

    def is_idle(self) -> bool:
        if self._waiting:
            return not self.loop._ready and not self._has_events()  # noqa: SLF001 -- as above
        return real_now() - self._spinning_since >= SILENCE

    def yielded(self) -> None:
        """A task has called `asyncio.sleep(0)`."""
        self._yields += 1

    def ring(self) -> None:
        if self._spins > _SPINS:
            self._spinning_since = real_now()
        if self._waiting and threading.current_thread() is not self.thread:
            self.until = math.inf  # until it waits again
            _post(self.loop, _nothing)

    def _has_events(self) -> bool:
        """Whether it waits for sockets, pipes or processes."""
        get_map: Callable[[], Sized | None] = getattr(self._selector, "get_map", tuple)  # Windows has no list
        events = get_map()
        return events is None or len(events) != _OWN_EVENTS  # None: it is closed

    def __call__(self, timeout: float | None = None) -> list[Any]:
        schedule, me = self._schedule, threading.current_thread()
        if not schedule.active or not schedule.participants.includes(me):
            return self._select(timeout)
        if timeout is not None and timeout <= 0:
            return self._spin(me)
        self._stop_spinning()
        with schedule.lock:
            self.thread = me
            self.until = math.inf if timeout is None else schedule.elapsed + timeout
            self._waiting = True
            schedule.ring_first()
        moves = timeout is not None and schedule.timers_move
        timer = schedule.add(timeout or 0.0, self.ring, lambda _: None, self) if moves else None
        try:
            return self._wait(timeout, me)
        finally:
            self._waiting = False
            self.until = math.inf
            if timer is not None:
                schedule.remove(timer)

    def _spin(self, me: threading.Thread) -> list[Any]:
        """The loop has callbacks to call: it is at work, unless all of them are tasks that wait in a loop.

        `while not done: await asyncio.sleep(0)` waits for a sleep to end as well as any other way.
        """
        yields, self._yields = self._yields, 0
        events = self._select(0)
        if events or not yields or len(self.loop._ready) > yields:  # noqa: SLF001 -- as above
            self._stop_spinning()
            return events
        self._spins += 1
        if self._spins <= _SPINS:
            return events
        if self._spinning_since == math.inf:
            self._spinning_since = real_now()
        first = self._schedule.first()
        if (
            first is not None
            and first.loop is self
            and self._schedule.is_quiet(self._silence, me, first.latest, waits=self._has_events())
        ):
            if self._schedule.move(first):
                first.end(0.0)
            self._stop_spinning()
        return events

    def _stop_spinning(self) -> None:
        self._spins, self._spinning_since, self._silence = 0, math.inf, Silence()

    def _wait(self, timeout: float | None, me: threading.Thread) -> list[Any]:
        schedule, silence = self._schedule, Silence()
        until, latest = self.until, math.inf if timeout is None else real_now() + timeout
        while schedule.active:
            first = schedule.first()
            if first is None or first.loop is not self:
                return self._select(timeout)
            quiet = schedule.wire_is_quiet is not None and schedule.wire_is_quiet()
            events = self._select(0)
            if events or schedule.elapsed >= until or real_now() >= latest:
                return events
            if not schedule.is_quiet(silence, me, first.latest, waits=not quiet and self._has_events()):
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

    def yielded(self) -> None:
        known = self._known.get(id(asyncio.get_running_loop()))
        if known is not None:
            known.yielded()

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
        until_deadline: float = trio.current_effective_deadline() - trio.current_time()
        left: list[float] = []

        def end(rest: float) -> None:
            left.append(rest)
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(event.set)

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
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(callback, *arguments)


def _tasks(loop: Any) -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks(loop)
    except RuntimeError:  # they changed while they were listed
        return set()
