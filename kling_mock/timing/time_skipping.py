"""Virtual time that moves the clocks of fakes, and reports the sleeps that it cannot reach."""

from __future__ import annotations

import threading
from types import FrameType
from typing import Self

from kling_contracts.virtual_time.clock import VirtualTime
from kling_contracts.virtual_time.threads import RealTimeThread, calling_frame, real_now
from kling_mock.timing.clock import Clock
from kling_mock.timing.real_sleeps import LEAST, RealSleeps


class TimeSkipping(VirtualTime):
    """A context manager in which sleeps return at once and advance the clocks.

    `real_sleeps` has the places of those that took more than a second of real time all the same.
    """

    def __init__(self, *clocks: Clock) -> None:
        super().__init__()
        self.clocks = list(clocks)
        self.real_sleeps = RealSleeps(self)

    def __enter__(self) -> Self:
        super().__enter__()
        self.real_sleeps.start()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.real_sleeps.stop()  # waits for a thread: before that, time could move meanwhile

    def passed(self, seconds: float, /) -> None:
        for clock in self.clocks:
            clock.advance(seconds)

    def sleep(self, seconds: float) -> float:
        began = real_now()
        left = super().sleep(seconds)
        if not left and seconds >= LEAST and real_now() - began >= seconds:  # another thread was at work
            self.real_sleeps.add(calling_frame(2), seconds)
        return left

    def begin_real_sleep(self, frame: FrameType) -> object:
        if isinstance(threading.current_thread(), RealTimeThread):
            return None
        return self.real_sleeps.begin(frame)

    def end_real_sleep(self, begun: object) -> None:
        self.real_sleeps.end(begun)
