"""Virtual time of a client under test: limited, and also for functions that it imported by name."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import FrameType, ModuleType
from typing import Final, Self

from kling_contracts.virtual_time.clock import VirtualTime
from kling_contracts.virtual_time.functions import FUNCTIONS
from kling_contracts.virtual_time.schedule import Schedule
from kling_contracts.virtual_time.threads import HelperThread, calling_frame, replace_attribute

# Packages that keep the real functions, because the test itself runs on them.
_REAL: Final = frozenset(
    (
        *sys.stdlib_module_names,
        "_pytest",
        "pytest",
        "pluggy",
        "hypothesis",
        "xdist",
        "execnet",
        "kling_contracts",
    )
)


class OutOfTime(BaseException):
    """Raised in a sleep beyond the limit. A BaseException, so that `except Exception` does not catch it."""


class ClientTime(VirtualTime):
    """Virtual time in which timers of event loops and timed `threading.Event.wait` are sleeps too.

    It reaches modules that imported the functions by name, but for those of Python itself and of pytest. Not
    reached are other ways to wait (conditions, queues) and the timers of a uvloop.

    A sleep beyond `limit` raises OutOfTime; the first beyond `interruption` raises KeyboardInterrupt, as
    Ctrl-C does. Both are in seconds of `elapsed`. `is_quiet`: whether no request or reply is in transit.
    """

    def __init__(
        self, is_quiet: Callable[[], bool] = lambda: True, on_interruption: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(Schedule(self.passed, is_quiet, timers_move=True))
        self._on_interruption = on_interruption
        self.limit = float("inf")
        self.interruption = float("inf")
        self.overdue = False
        self._undo: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        real_wait = threading.Event.wait

        def wait(event: threading.Event, timeout: float | None = None) -> bool:
            if timeout is None or timeout <= 0 or not self._is_for(calling_frame(1)):
                return real_wait(event, timeout)
            self._schedule.sleep(timeout, event.is_set)
            return event.is_set()

        self._undo = replace_attribute(threading.Event, "wait", wait)
        return self

    def __exit__(self, *error: object) -> None:
        if self._undo is not None:
            self._undo()
        super().__exit__(*error)

    def advance(self, seconds: float) -> None:
        """Advance the time without a sleep."""
        self._schedule.advance(seconds)

    def passed(self, _seconds: float, /) -> None:
        """Raises OutOfTime, KeyboardInterrupt in the thread that waits."""
        if self.elapsed > self.limit:
            self.overdue = True
        if isinstance(threading.current_thread(), HelperThread):
            return
        self._raise_if_overdue()
        if self.elapsed > self.interruption and threading.current_thread() is threading.main_thread():
            self.interruption = float("inf")
            self._on_interruption()
            raise KeyboardInterrupt

    def copies(self) -> Iterable[tuple[ModuleType, str]]:
        return _copies(len(sys.modules))

    async def sleep_in_asyncio(self, seconds: float) -> float:
        left = await super().sleep_in_asyncio(seconds)
        self._raise_if_overdue()
        return left

    def _raise_if_overdue(self) -> None:
        if self.elapsed > self.limit:
            raise OutOfTime(f"still waiting after {self.elapsed:.0f} seconds")

    def _is_for(self, caller: FrameType) -> bool:
        """Whether the caller of `Event.wait` is the client, and not Python's library or the test."""
        name = str(caller.f_globals.get("__name__"))
        return name.partition(".")[0] not in _REAL and self.participants.includes(threading.current_thread())


@lru_cache(maxsize=1)
def _copies(_loaded: int) -> list[tuple[ModuleType, str]]:
    """The module attributes that are functions of time: cached by the number of loaded modules."""
    functions = {id(getattr(time, function.__name__)) for function in FUNCTIONS} | {id(asyncio.sleep)}
    return [
        (module, name)
        for module in _modules_of_others()
        for name, value in list(vars(module).items())
        if id(value) in functions
    ]


def _modules_of_others() -> list[ModuleType]:
    """The loaded modules but those of Python and of the test itself."""
    found = list(sys.modules.items())
    return [
        module for name, module in found if name.partition(".")[0] not in _REAL and type(module) is ModuleType
    ]
