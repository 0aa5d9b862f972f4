"""Explores the interleavings of threads: switches at chosen lines of code, instead of waiting for chance.

One thread runs at a time. A schedule is a list of turns (thread, number of lines); after its last turn the
threads run to their ends, in order. A thread that waits for a `TurnLock` gives up its turn.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import permutations
from types import FrameType
from typing import Any, NamedTuple

# Far beyond the time of any schedule: a thread waits for something that is not a TurnLock.
PATIENCE = 30.0
# More lines than any thread executes.
TO_THE_END = 1_000_000


class Turn(NamedTuple):
    """A thread runs this number of lines, or less if it ends or waits for a lock."""

    thread: int
    lines: int


class Stuck(AssertionError):
    """All threads wait: a deadlock of the code under test."""


class _Abandoned(BaseException):
    """Ends a thread that waits in a deadlock."""


class Scheduler:
    """Runs functions in threads by a schedule. `files` are those whose lines count."""

    def __init__(self, files: Collection[str]) -> None:
        self._files = frozenset(files)
        self._locals = threading.local()
        self.lines: list[int] = []

    def run(self, functions: Sequence[Callable[[], object]], turns: Sequence[Turn]) -> list[Any]:
        """The results of the functions. Raises the first error of one, or Stuck."""
        self._turns = list(turns)
        self._batons = [threading.Semaphore(0) for _ in functions]
        self._waiting: list[TurnLock | None] = [None] * len(functions)
        self._ended = [False] * len(functions)
        self._left = 0
        self._abandoned = False
        self._finished = threading.Event()
        self._errors: list[BaseException] = []
        self.lines = [0] * len(functions)
        results: list[Any] = [None] * len(functions)
        threads = [
            threading.Thread(target=self._work, args=(number, function, results), daemon=True)
            for number, function in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        self._pass_on()
        if not self._finished.wait(PATIENCE):
            raise Stuck("a thread waits for a lock that the scheduler does not know")
        for thread in threads:
            thread.join(PATIENCE)
        if self._errors:
            raise self._errors[0]
        return results

    @property
    def current(self) -> int | None:
        """The number of the calling thread; None for one that is not scheduled."""
        return getattr(self._locals, "number", None)

    def wait_for(self, lock: TurnLock) -> None:
        """Give up the turn until the lock is free."""
        me = self._locals.number
        self._waiting[me] = lock
        self._pass_on()
        self._batons[me].acquire()
        self._waiting[me] = None
        if self._abandoned:
            raise _Abandoned

    def _work(self, number: int, function: Callable[[], object], results: list[Any]) -> None:
        self._locals.number = number
        self._batons[number].acquire()
        sys.settrace(self._trace)
        try:
            results[number] = function()
        except _Abandoned:
            pass
        except BaseException as error:  # noqa: BLE001 -- raised in the thread of the test
            self._errors.append(error)
        finally:
            sys.settrace(None)
            self._ended[number] = True
            self._pass_on()

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        return self._trace_lines if frame.f_code.co_filename in self._files else None

    def _trace_lines(self, _frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            me = self._locals.number
            self.lines[me] += 1
            self._left -= 1
            if self._left < 0:
                self._pass_on()
                self._batons[me].acquire()
        return self._trace_lines

    def _pass_on(self) -> None:
        """Let the thread of the next turn run. Only the running thread calls this."""
        if all(self._ended):
            self._finished.set()
        if self._abandoned or self._finished.is_set():
            return
        while self._turns:
            turn = self._turns.pop(0)
            if self._may_run(turn.thread):
                self._go(turn)
                return
        for thread in range(len(self._ended)):
            if self._may_run(thread):
                self._go(Turn(thread, TO_THE_END))
                return
        self._errors.append(Stuck("every thread waits for a lock"))
        self._abandoned = True
        for thread, ended in enumerate(self._ended):
            if not ended:
                self._batons[thread].release()

    def _may_run(self, thread: int) -> bool:
        lock = self._waiting[thread]
        return not self._ended[thread] and (lock is None or lock.owner is None)

    def _go(self, turn: Turn) -> None:
        self._left = turn.lines
        self._batons[turn.thread].release()


class TurnLock:
    """A reentrant lock of scheduled threads. `works=False`: a removed lock, the counterexample."""

    def __init__(self, scheduler: Scheduler, *, works: bool = True) -> None:
        self._scheduler = scheduler
        self._works = works
        self._depth = 0
        self.owner: int | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = self._scheduler.current
        if self._works and me is not None:
            while self.owner not in (None, me):
                self._scheduler.wait_for(self)
            self.owner = me
            self._depth += 1
        return True

    def release(self) -> None:
        if self._works and self._scheduler.current is not None:
            self._depth -= 1
            if not self._depth:
                self.owner = None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def schedules(lines: Sequence[int], switches: int, step: int = 1) -> Iterator[list[Turn]]:
    """Every schedule with at most this number of switches, or each `step`-th place of a switch.

    `lines`: the number of lines of each thread. A switch is a change of the thread before its end.
    """
    threads = range(len(lines))
    for order in permutations(threads):
        yield [Turn(thread, TO_THE_END) for thread in order]
    for first, second in permutations(threads, 2):
        for at in range(1, lines[first], step):
            start = Turn(first, at)
            if switches == 1:
                yield [start, Turn(second, TO_THE_END)]
                continue
            for until in range(1, lines[second] + 1, step):
                for third in threads:
                    if third != second:
                        yield [start, Turn(second, until), Turn(third, TO_THE_END)]
