"""Functions of the time module that stand for the real ones, and the virtual time that is active.

A name that was bound to one of them while a virtual time was active (`from time import sleep`) calls the real
function afterwards, and virtual time again in a later test.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Protocol

from kling_contracts.virtual_time.threads import Participants, calling_frame

_NANOSECONDS: Final = 1_000_000_000
# Modules of Python that wait for other processes, by short sleeps: those take real time to get on.
_WAITING_FOR_PROCESSES: Final = ("subprocess", "multiprocessing.")
# Above, in seconds, `time.sleep` refuses; 250 years.
_LONGEST: Final = 8e9


class VirtualTimeLike(Protocol):
    """The interface of a virtual time for the replaced functions."""

    @property
    def participants(self) -> Participants: ...

    @property
    def shift(self) -> float:
        """By how much its clocks are ahead of real time, in seconds."""
        ...

    def sleep(self, seconds: float) -> float: ...
    async def sleep_in_asyncio(self, seconds: float) -> float: ...
    async def sleep_in_trio(self, seconds: float) -> float: ...
    def yielded(self) -> None:
        """A task of an asyncio loop sleeps for no time, to let others go first."""
        ...

    def begin_real_sleep(self, frame: FrameType) -> object: ...
    def end_real_sleep(self, begun: object) -> None: ...
    def start_in(self, loop: object) -> None: ...


# Those that have begun and not ended, innermost last.
ACTIVE: Final[list[VirtualTimeLike]] = []


def active() -> VirtualTimeLike | None:
    """The virtual time that was begun last and has not ended."""
    return ACTIVE[-1] if ACTIVE else None


def here() -> VirtualTimeLike | None:
    """The virtual time of the current thread; None if it lives in real time."""
    found = active()
    return found if found is not None and found.participants.includes(threading.current_thread()) else None


class _Function:
    """Stands for a function of `time`. No Python function: in a class that would become a method."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = "time"
        self.__doc__ = getattr(time, name).__doc__
        self._first: Callable[..., Any] = getattr(time, name)
        self.real = self._first

    def __repr__(self) -> str:
        return f"<time.{self.__name__} in virtual time>"

    def __reduce__(self) -> str:
        return self.__name__

    def install(self) -> None:
        found = getattr(time, self.__name__)
        if found is not self:
            self.real = found
            setattr(time, self.__name__, self)

    def uninstall(self) -> None:
        if getattr(time, self.__name__) is self:
            setattr(time, self.__name__, self.real)
        self.real = self._first


class _Reading(_Function):
    """`time.time` or `time.monotonic`."""

    def __call__(self) -> float:
        found = here()
        value: float = self.real()
        return value if found is None else value + found.shift


class _ReadingInNanoseconds(_Function):
    def __call__(self) -> int:
        found = here()
        value: int = self.real()
        return value if found is None else value + int(found.shift * _NANOSECONDS)


class _Sleep(_Function):
    def __call__(self, seconds: float, /) -> None:
        found = active()
        if found is None:
            self.real(seconds)
            return
        caller = calling_frame(1)
        if (
            is_skipped(seconds)
            and found.participants.includes(threading.current_thread())
            and not str(caller.f_globals.get("__name__")).startswith(_WAITING_FOR_PROCESSES)
        ):
            seconds = found.sleep(seconds)
            if not seconds:
                return
        begun = found.begin_real_sleep(caller)
        self.real(seconds)
        found.end_real_sleep(begun)


TIME: Final = _Reading("time")
SLEEP: Final = _Sleep("sleep")
FUNCTIONS: Final[tuple[_Function, ...]] = (
    SLEEP,
    TIME,
    _Reading("monotonic"),
    _ReadingInNanoseconds("time_ns"),
    _ReadingInNanoseconds("monotonic_ns"),
)


def system_time() -> float:
    """System time in Unix seconds, without skipped sleeps; libraries that replace `time.time` move it."""
    found: Callable[[], float] = time.time
    return TIME.real() if found is TIME else found()


def is_skipped(seconds: object) -> bool:
    """Whether virtual time has to do with a sleep of these seconds; the real function judges all others."""
    return isinstance(seconds, int | float) and 0 < seconds < _LONGEST
