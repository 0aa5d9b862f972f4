"""Time that passes by being slept, so that waiting for minutes takes none."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, Self

_NANOSECONDS: Final = 1_000_000_000
# Whose copies of `time.sleep` and the like stay real: what the test itself runs on.
_REAL: Final = frozenset(
    (*sys.stdlib_module_names, "_pytest", "pytest", "pluggy", "hypothesis", "xdist", "execnet", "contracts")
)


class OutOfTime(BaseException):
    """Raised where somebody sleeps on, long after the time allowed. No `except Exception` stops it."""


class RealTimeThread(threading.Thread):
    """A thread that is no part of the virtual time: one of the stand-in."""


class VirtualTime:
    """A context in which `time.sleep` and `asyncio.sleep` return at once, and the clocks have moved on.

    It holds for this thread and those started meanwhile, also for modules that imported the functions by
    name. Not reached are other ways to wait (events, trio) and the time of a uvloop.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.limit = float("inf")
        self.overdue = False
        self._lock = threading.Lock()
        self._strangers: set[threading.Thread] = set()
        self._sleepers: list[tuple[asyncio.AbstractEventLoop, float]] = []
        self._real_sleep = time.sleep
        self._real_async_sleep = asyncio.sleep
        self._undo: list[tuple[ModuleType, str, object]] = []

    def __enter__(self) -> Self:
        self._strangers = set(threading.enumerate()) - {threading.current_thread()}
        clocks = {name: getattr(time, name) for name in ("time", "monotonic", "time_ns", "monotonic_ns")}
        virtual: dict[int, tuple[object, object]] = {
            id(time.sleep): (time.sleep, self._sleep),
            id(asyncio.sleep): (asyncio.sleep, self._async_sleep),
        }
        for name, real in clocks.items():
            virtual[id(real)] = (real, self._shifted(real, _NANOSECONDS if name.endswith("_ns") else 1))
        for module in (time, asyncio, *_modules_of_others()):
            for name, value in list(vars(module).items()):
                real, ours = virtual.get(id(value), (None, None))
                if ours is not None and real is value:
                    self._undo.append((module, name, value))
                    setattr(module, name, ours)
        return self

    def __exit__(self, *_: object) -> None:
        for module, name, value in reversed(self._undo):
            setattr(module, name, value)
        self._undo.clear()

    def advance(self, seconds: float) -> None:
        """Let time pass, without anybody sleeping."""
        with self._lock:
            self.elapsed += seconds

    def _applies(self) -> bool:
        thread = threading.current_thread()
        return not isinstance(thread, RealTimeThread) and thread not in self._strangers

    def _pass(self, seconds: float) -> None:
        self.advance(seconds)
        if self.elapsed > self.limit:
            self.overdue = True
            raise OutOfTime(f"still waiting after {self.elapsed:.0f} seconds")

    def _sleep(self, seconds: float, /) -> None:
        if seconds > 0 and self._applies():
            self._pass(seconds)
        else:
            self._real_sleep(seconds)

    async def _async_sleep(self, delay: float, result: Any = None) -> Any:  # the signature of asyncio.sleep
        if delay <= 0 or not self._applies():
            return await self._real_async_sleep(delay, result)
        # Sleeps of one loop pass side by side: who has the least left to sleep wakes first.
        loop = asyncio.get_running_loop()
        sleeper = (loop, self.elapsed + delay)
        self._sleepers.append(sleeper)
        try:
            await self._real_async_sleep(0)
            while any(other is loop and wakes < sleeper[1] for other, wakes in self._sleepers):
                await self._real_async_sleep(0)
            if sleeper[1] > self.elapsed:
                self._pass(sleeper[1] - self.elapsed)
            # A timeout due by now is noticed in the next round of the loop, and told in the one after.
            for _ in range(2):
                await self._real_async_sleep(0)
        finally:
            self._sleepers.remove(sleeper)
        return result

    def _shifted(self, real: Callable[[], float], unit: int) -> Callable[[], float]:
        def shifted() -> float:
            if not self._applies():
                return real()
            return real() + (int(self.elapsed * unit) if unit > 1 else self.elapsed)

        return shifted


def _modules_of_others() -> list[ModuleType]:
    """Everybody's modules but those of Python and of the test itself."""
    found = list(sys.modules.items())
    return [
        module for name, module in found if name.partition(".")[0] not in _REAL and type(module) is ModuleType
    ]
