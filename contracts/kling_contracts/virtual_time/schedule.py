"""The order in which sleeps end, and the moves of time between them."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from kling_contracts.virtual_time.threads import (
    HelperThread,
    Participants,
    Silence,
    real_now,
    server_threads,
)

# How often a thread that waits for silence looks again, in seconds of real time.
TICK: Final = 0.001


class Bell:
    """Wakes one thread. Made of a bare lock: tests replace the classes of `threading` and their methods."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        if self._silent.locked():
            with suppress(RuntimeError):  # another thread rang at the same moment
                self._silent.release()

    def wait(self, seconds: float | None = None) -> bool:
        """Return once it is rung, at the latest after these seconds of real time, and whether it was rung."""
        return self._silent.acquire(timeout=-1 if seconds is None else seconds)


class LoopWait(Protocol):
    """An asyncio event loop of this time: where it waits for events."""

    @property
    def thread(self) -> threading.Thread: ...

    @property
    def until(self) -> float:
        """When its next timer is due, in seconds of `Schedule.elapsed`; infinite while it does not wait."""
        ...

    @property
    def is_waiting(self) -> bool: ...

    def is_idle(self) -> bool:
        """Whether only other threads can give it anything to do before that."""
        ...

    def ring(self) -> None:
        """Time has moved, or the next sleep to end is one of its own."""
        ...


@dataclass(slots=True, eq=False)
class Sleeper:
    """A sleep under way, until `elapsed` is `wakes`. Sleeps that end together end in the order of `turn`.

    `ring` wakes the thread that moves time once this sleep is the next to end; `end` is called when time
    does not move any more, with the seconds that are left. At `latest`, by real time, it ends in any case.
    """

    wakes: float
    turn: int
    latest: float
    ring: Callable[[], None]
    end: Callable[[float], None]
    loop: LoopWait | None = None

    def __lt__(self, other: Sleeper) -> bool:
        return (self.wakes, self.turn) < (other.wakes, other.turn)


class Schedule:
    """Time moves to the next end of a sleep, once every other participant sleeps or is not at work.

    One sleep ends at a time, so the next one ends only when the thread that woke is asleep again, or waits
    for something. `passed` is called with the seconds of each move, in the thread that makes it.

    `wire_is_quiet`, if it is known: whether nothing is on its way to a socket of a participant.
    `timers_move`: time also moves to the timers of event loops, and not only to the ends of sleeps.
    """

    def __init__(
        self,
        passed: Callable[[float], None],
        wire_is_quiet: Callable[[], bool] | None = None,
        *,
        timers_move: bool = False,
    ) -> None:
        self.wire_is_quiet = wire_is_quiet
        self.timers_move = timers_move
        self.elapsed = 0.0
        self.active = False
        self.participants = Participants()
        self.loops: list[LoopWait] = []
        self.lock = threading.Lock()
        self._passed = passed
        self._sleepers: list[Sleeper] = []
        self._turns = itertools.count()
        self._asleep: set[threading.Thread] = set()
        self._movers: set[threading.Thread] = set()

    def start(self) -> None:
        self.participants = Participants()
        self.active = True

    def stop(self) -> None:
        """Time moves no more: sleeps that are under way go on in real time."""
        with self.lock:
            self.active = False
            sleepers, self._sleepers = self._sleepers, []
        for sleeper in sleepers:
            sleeper.end(max(sleeper.wakes - self.elapsed, 0.0))

    def add(
        self,
        seconds: float,
        ring: Callable[[], None],
        end: Callable[[float], None],
        loop: LoopWait | None = None,
    ) -> Sleeper:
        """Begin a sleep."""
        with self.lock:
            sleeper = Sleeper(
                self.elapsed + seconds, next(self._turns), real_now() + seconds, ring, end, loop
            )
            heapq.heappush(self._sleepers, sleeper)
            self.ring_first()
        if not self.active:
            self.remove(sleeper)
            end(seconds)
        return sleeper

    def remove(self, sleeper: Sleeper) -> None:
        """End a sleep that time does not end: it was cancelled or interrupted."""
        with self.lock:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
                self.ring_first()

    def first(self) -> Sleeper | None:
        sleepers = self._sleepers
        return sleepers[0] if sleepers else None

    def ring_first(self) -> None:
        """Wake the thread that may move time now."""
        first = self.first()
        if first is not None:
            first.ring()

    def advance(self, seconds: float) -> None:
        """Move time without a sleep."""
        with self.lock:
            self.elapsed += seconds
            for loop in self.loops:
                if loop.until <= self.elapsed:
                    loop.ring()
            self.ring_first()

    def sleep(self, seconds: float, is_over: Callable[[], bool] | None = None) -> float:
        """Sleep in this thread; return the seconds of real time that are left to sleep.

        A sleep ends early once `is_over`.
        """
        me, bell = threading.current_thread(), Bell()
        left: list[float] = []

        def end(rest: float) -> None:
            left.append(rest)
            bell.ring()

        self._asleep.add(me)
        sleeper = self.add(seconds, bell.ring, end)
        try:
            silence = Silence()
            while not left:
                if is_over is not None and is_over():
                    return 0.0
                if self.first() is not sleeper:
                    bell.wait(None if is_over is None else TICK)
                    silence = Silence()
                elif not self.is_quiet(silence, me, sleeper.latest):
                    bell.wait(TICK)
                elif self.move(sleeper):
                    return 0.0
                else:
                    self._asleep.add(me)  # unless a listener slept meanwhile
                    silence = Silence()
        finally:
            self._asleep.discard(me)
            self.remove(sleeper)
        return left[0]

    def is_quiet(
        self, silence: Silence, me: threading.Thread | None, latest: float, *, waits: bool = False
    ) -> bool:
        """Whether no participant but `me` is at work. `waits`: `me` is waiting for something itself."""
        at_work = self.awake(me)
        if not at_work and not waits:
            return True
        if self.wire_is_quiet is not None and not self.wire_is_quiet():
            silence.restart()
            return real_now() >= latest
        return silence.lasts([*at_work, *server_threads()]) or real_now() >= latest

    def awake(self, me: threading.Thread | None = None) -> list[threading.Thread]:
        """The participants but `me` that do not sleep; they may wait for something, or be at work."""
        idle = {each.thread for each in self.loops if each.is_idle()}
        return [
            each
            for each in self.participants.alive()
            if each is not me and (each in self._movers or not (each in self._asleep or each in idle))
        ]

    def move(self, first: Sleeper) -> bool:
        """Move time to the end of the first sleep, or to a timer of an event loop before it.

        Returns whether the sleep has ended.
        """
        me = threading.current_thread()
        with self.lock:
            if self.first() is not first:
                return False
            loop = min(self.loops, key=lambda each: each.until, default=None)
            timer = math.inf if loop is None else loop.until
            ends = first.wakes <= timer
            if ends:
                heapq.heappop(self._sleepers)
                self._asleep.discard(me)
            step = (first.wakes if ends else timer) - self.elapsed
            if step > 0:
                self.elapsed += step
            self._movers.add(me)
        try:
            if step > 0:
                self._passed(step)
        finally:
            with self.lock:
                self._movers.discard(me)
                for each in self.loops:
                    if (each is loop and not ends) or not each.is_waiting:
                        each.ring()
                self.ring_first()
        return ends


class Mover(HelperThread):
    """Moves time for event loops of which only this is known: their threads use no CPU while they wait."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(name="virtual-time", daemon=True)
        self._schedule = schedule
        self._bell = Bell()

    def ring(self) -> None:
        self._bell.ring()

    def run(self) -> None:
        schedule, known, silence = self._schedule, None, Silence()
        while schedule.active:
            first = schedule.first()
            if first is None or first.ring != self.ring:
                known = None
                self._bell.wait()
                continue
            if first is not known:
                known, silence = first, Silence()
            if not schedule.is_quiet(silence, None, first.latest):
                self._bell.wait(TICK)
            elif schedule.move(first):
                first.end(0.0)
            else:
                known = None
