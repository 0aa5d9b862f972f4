"""Waiting for changes that other threads make to a fake: they wake assertions with `within=`."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final, Protocol

from kling_mock.fork_locks import free_after_fork
from kling_mock.timing.clock import Clock

# No sleep is shorter: instants of the fake's clock and of the system's differ by rounding.
SHORTEST: Final = 0.001


class Waiter(Protocol):
    """Waits for a condition that other threads, processes or time fulfil."""

    def wait(
        self, over: Callable[[], bool], within: float | None, due: Callable[[], float] = lambda: math.inf
    ) -> None:
        """Return once `over()` is true, at the latest after `within` seconds of real time (None: at once).

        `due` is the next instant of the fake's clock at which time alone may change the answer.
        """
        ...


def check_within(within: object) -> None:
    """Raise ValueError unless the argument `within` is a finite number of seconds from 0 on."""
    if isinstance(within, bool) or not isinstance(within, int | float) or not 0 <= within < math.inf:
        raise ValueError(f"within: must be a finite number of seconds from 0 on; got {within!r}")


class ChangeNotifier:
    """Notified of each change: a reply, a change of the clock, a call of a script's or task's method.

    `settle` delivers callbacks that are due; `steered` is called before it when the clock has changed.
    Without a waiting assertion a notification costs almost nothing.
    """

    def __init__(
        self, clock: Clock, settle: Callable[[str | None], None], steered: Callable[[], None]
    ) -> None:
        self.clock = clock
        self._settle = settle
        self._changed = free_after_fork(threading.Condition())
        self._waiting = 0
        # Called when a wait begins, before its condition is checked.
        self.on_wait: Callable[[], object] = lambda: None
        self._listeners: list[Callable[[str | None], None]] = []
        clock.subscribe(steered)
        clock.subscribe(self.notify)

    def subscribe(self, listener: Callable[[str | None], None]) -> None:
        """Call `listener` with the id of the task after each change, None for a change of no single task."""
        self._listeners.append(listener)

    @property
    def is_waiting(self) -> bool:
        """Whether a thread waits for a change."""
        return self._waiting > 0

    def notify(self, task_id: str | None = None, *, has_callbacks: bool = True) -> None:
        """Something happened: to this task, if it was to one.

        `has_callbacks`: whether the change may make a callback of the task due.
        """
        self._settle(task_id if has_callbacks else None)
        for listener in self._listeners:
            listener(task_id)
        # A thread that begins to wait after this check sees the change by itself.
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def wait(
        self, over: Callable[[], bool], within: float | None, due: Callable[[], float] = lambda: math.inf
    ) -> None:
        """Return once `over()` is true, at the latest after `within` seconds of real time (None: at once).

        `due` is the next instant of the fake's clock at which time alone may change the answer.
        """
        if within is None:
            return
        check_within(within)
        left = within
        with self._changed:
            self._waiting += 1
        try:
            self.on_wait()
            with self._changed:
                # Slices are subtracted, and no clock is read: tests replace those of the time module.
                while left > 0:
                    slice_ = min(left, self.seconds_to(due()))
                    if self._changed.wait_for(over, slice_):
                        return
                    left -= slice_
        finally:
            with self._changed:
                self._waiting -= 1

    def seconds_to(self, instant: float) -> float:
        """How long the fake's clock takes to get there, in seconds of real time; at least SHORTEST."""
        clock = self.clock
        speed = clock.estimated_speed
        return max((instant - clock.estimate()) / speed, SHORTEST) if speed else math.inf
