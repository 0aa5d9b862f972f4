"""Virtual time: sleeps return immediately and advance the clocks, so long waits take no real time."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, Self

_CLOCKS: Final = ("time", "monotonic", "time_ns", "monotonic_ns")
_NANOSECONDS: Final = 1_000_000_000
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
# With other threads of the client running, time advances after this many real seconds without activity.
SILENCE: Final = 0.05


class OutOfTime(BaseException):
    """Raised in a sleep beyond the limit. A BaseException, so that `except Exception` does not catch it."""


class RealTimeThread(threading.Thread):
    """A thread that keeps real time, as those of the scripted server."""


class VirtualTime:
    """A context in which `time.sleep` and `asyncio.sleep` return immediately and the clocks advance instead.

    It applies to this thread and threads started meanwhile, also in modules that imported the functions by
    name. `threading.Event.wait` with a timeout counts as a sleep, unless the standard library calls it. Other
    ways to wait (conditions, queues, trio) and the clock of uvloop are not covered.

    A sleep beyond `limit` raises OutOfTime; the first beyond `interruption` raises KeyboardInterrupt, as
    Ctrl-C does. Both are in seconds of `elapsed`. `is_quiet`: whether no request or reply is in transit.
    """

    def __init__(
        self, is_quiet: Callable[[], bool] = lambda: True, on_interruption: Callable[[], None] = lambda: None
    ) -> None:
        self.is_quiet = is_quiet
        self._on_interruption = on_interruption
        self.elapsed = 0.0
        self.limit = float("inf")
        self.interruption = float("inf")
        self.overdue = False
        self.active = False
        self._lock = threading.Lock()
        self._strangers: set[threading.Thread] = set()
        self._sleepers: list[tuple[asyncio.AbstractEventLoop, float]] = []
        self._waiters: dict[threading.Thread, float] = {}
        self._real_sleep = time.sleep
        self._real_async_sleep = asyncio.sleep
        self._real_wait = threading.Event.wait
        self._undo: list[tuple[object, str, object]] = []

    def __enter__(self) -> Self:
        self._strangers = set(threading.enumerate()) - {threading.current_thread()}
        clocks = {name: getattr(time, name) for name in _CLOCKS}
        virtual: dict[int, tuple[object, object]] = {
            id(time.sleep): (time.sleep, self._sleep),
            id(asyncio.sleep): (asyncio.sleep, self._async_sleep),
        }
        for name, real in clocks.items():
            virtual[id(real)] = (real, self._shifted(real, _NANOSECONDS if name.endswith("_ns") else 1))
        for module, name in _copies(len(sys.modules)):
            value = vars(module).get(name)
            real, ours = virtual.get(id(value), (None, None))
            if ours is not None and real is value:
                self._undo.append((module, name, value))
                setattr(module, name, ours)
        self._undo.append((threading.Event, "wait", self._real_wait))
        setattr(threading.Event, "wait", _method(self._wait))  # noqa: B010 -- mypy refuses to assign to a method
        self.active = True
        return self

    def __exit__(self, *_: object) -> None:
        for module, name, value in reversed(self._undo):
            setattr(module, name, value)
        self._undo.clear()
        self.active = False

    def advance(self, seconds: float) -> None:
        """Advance the time without a sleep."""
        with self._lock:
            self.elapsed += seconds

    def companions(self) -> list[threading.Thread]:
        """The other threads in virtual time."""
        here = threading.current_thread()
        return [each for each in threading.enumerate() if each is not here and self._includes(each)]

    def pass_by(self, seconds: float) -> None:
        """Advance the time for a thread that waits. Raises OutOfTime, KeyboardInterrupt."""
        self.advance(seconds)
        if self.elapsed > self.limit:
            self.overdue = True
            raise OutOfTime(f"still waiting after {self.elapsed:.0f} seconds")
        if self.elapsed > self.interruption and threading.current_thread() is threading.main_thread():
            self.interruption = float("inf")
            self._on_interruption()
            raise KeyboardInterrupt

    def _includes(self, thread: threading.Thread) -> bool:
        return not isinstance(thread, RealTimeThread) and thread not in self._strangers

    def _applies(self) -> bool:
        return self._includes(threading.current_thread())

    def _sleep(self, seconds: float, /) -> None:
        if seconds > 0 and self._applies():
            self._sleep_until(self.elapsed + seconds, threading.Event())
        else:
            self._real_sleep(seconds)

    def _wait(self, event: threading.Event, timeout: float | None) -> bool:
        if timeout is None or timeout <= 0 or not self._applies() or _called_by_python():
            return self._real_wait(event, timeout)
        self._sleep_until(self.elapsed + timeout, event)
        return event.is_set()

    def _sleep_until(self, wakes: float, event: threading.Event) -> None:
        """Sleep concurrently with the other threads in virtual time: the shortest sleep ends first."""
        here = threading.current_thread()
        self._waiters[here] = wakes
        try:
            seen, since = self.elapsed, time.perf_counter()
            while not event.is_set() and self.elapsed < wakes:
                at_work = [each for each in self.companions() if self._waiters.get(each, 0.0) < wakes]
                if not at_work or time.perf_counter() - since > SILENCE:
                    self.pass_by(wakes - self.elapsed)
                    return
                self._real_wait(event, 0.001)
                if self.elapsed != seen or not self.is_quiet():
                    seen, since = self.elapsed, time.perf_counter()
        finally:
            del self._waiters[here]

    async def _async_sleep(self, delay: float, result: Any = None) -> Any:  # the signature of asyncio.sleep
        if delay <= 0 or not self._applies():
            return await self._real_async_sleep(delay, result)
        # Sleeps of one loop are concurrent: the shortest ends first.
        loop = asyncio.get_running_loop()
        sleeper = (loop, self.elapsed + delay)
        self._sleepers.append(sleeper)
        try:
            await self._real_async_sleep(0)
            while any(other is loop and wakes < sleeper[1] for other, wakes in self._sleepers):
                await self._real_async_sleep(0)
            if sleeper[1] > self.elapsed:
                self.pass_by(sleeper[1] - self.elapsed)
            # An expired timeout is detected in the next iteration of the loop, and raised in the one after.
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


def _method(wait: Callable[[threading.Event, float | None], bool]) -> Callable[..., bool]:
    """A plain function, which unlike a bound method can be set as a method of a class."""

    def method(self: threading.Event, timeout: float | None = None) -> bool:
        return wait(self, timeout)

    return method


def _called_by_python() -> bool:
    """Whether `Event.wait` was called by the standard library or a package of the test itself."""
    frame = inspect.currentframe()
    for _ in range(3):
        frame = frame.f_back if frame is not None else None
    caller = "" if frame is None else str(frame.f_globals.get("__name__"))
    return caller.partition(".")[0] in _REAL


@lru_cache(maxsize=1)
def _copies(_loaded: int) -> list[tuple[ModuleType, str]]:
    """The module attributes that are time functions, cached by the number of loaded modules."""
    functions = {id(getattr(time, name)) for name in _CLOCKS} | {id(time.sleep), id(asyncio.sleep)}
    return [
        (module, name)
        for module in (time, asyncio, *_modules_of_others())
        for name, value in list(vars(module).items())
        if id(value) in functions
    ]


def _modules_of_others() -> list[ModuleType]:
    """The loaded modules except those of the standard library and of the test itself."""
    found = list(sys.modules.items())
    return [
        module for name, module in found if name.partition(".")[0] not in _REAL and type(module) is ModuleType
    ]
