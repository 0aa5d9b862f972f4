"""Sleeps that take real time while a test's sleeps are skipped, and their places in the source."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import linecache
import re
import threading
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kling_contracts.help_links import help_line
from kling_contracts.virtual_time.functions import SLEEP
from kling_contracts.virtual_time.patches import real_asyncio_sleep
from kling_contracts.virtual_time.schedule import Bell
from kling_contracts.virtual_time.threads import HelperThread, cpu_time, current_frames, real_now

if TYPE_CHECKING:
    from kling_contracts.virtual_time.clock import VirtualTime

# Shorter ones are not worth a report, in seconds of real time.
LEAST: Final = 1.0
_LOOK_EVERY: Final = 0.05
_MESSAGE: Final = 'sleep="advance": sleeps take no real time'
_WAY_OUT: Final = (
    "call time.sleep and asyncio.sleep through their modules, or bind the name in the test; sleeps in "
    "threads older than the test, and beside a thread that uses the CPU, take real time"
)


class RealSleepWarning(UserWarning):
    """A test with sleep="advance" slept really: by a name bound before it, or in a thread older than it."""


class SourceLine(NamedTuple):
    """A line of source code."""

    file: str
    line: int

    @classmethod
    def of(cls, frame: FrameType) -> SourceLine:
        return cls(frame.f_code.co_filename, frame.f_lineno)


class RealSleeps:
    """The places and durations (seconds) of real sleeps above `LEAST` that the test may have waited for.

    Sleeps by replaced functions report themselves. Those by names that were bound before the test are found
    by a thread that looks for participants that stay in a call of the real `time.sleep`.
    """

    def __init__(self, virtual_time: VirtualTime) -> None:
        self.found: dict[SourceLine, float] = {}
        self._virtual_time = virtual_time
        self._under_way: dict[object, tuple[SourceLine, float]] = {}
        self._seen: dict[_Thread | _Task, float] = {}
        self._over = Bell()
        self._lock = threading.Lock()

        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = HelperThread(target=self._watch, name="real-sleeps", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.ring()
        if self._thread is not None:
            self._thread.join()
        self._under_way.clear()  # sleeps that the test did not wait for

    def warn(self) -> None:
        """Issue a warning for each place, with its file and line."""
        for place, seconds in self.found.items():
            text = f"{_MESSAGE}; got a sleep of {seconds:.1f} s here: {_WAY_OUT}"
            message = f"{text}\n{help_line([RealSleepWarning.__name__], text)}"
            warnings.warn_explicit(message, RealSleepWarning, place.file, place.line)

    def add(self, frame: FrameType, seconds: float) -> None:
        self._add(SourceLine.of(frame), seconds)

    def begin(self, frame: FrameType) -> object:
        token = object()
        self._under_way[token] = (SourceLine.of(frame), real_now())
        return token

    def end(self, token: object) -> None:
        place, began = self._under_way.pop(token, (None, 0.0))
        if place is not None:
            self._add(place, real_now() - began)

    def _add(self, place: SourceLine, seconds: float) -> None:
        if seconds >= LEAST:
            with self._lock:
                self.found[place] = max(seconds, self.found.get(place, 0.0))

    def _watch(self) -> None:
        while self._virtual_time.active and not self._over.wait(_LOOK_EVERY):
            now, frames = real_now(), current_frames()
            self._seen = {token: self._seen.get(token, now) for token in self._still(frames)}
            for token, began in self._seen.items():
                if now - began >= LEAST and (place := token.place(frames)) is not None:
                    self._add(place, now - began)
            del frames

    def _still(self, frames: dict[int, FrameType]) -> Iterator[_Thread | _Task]:
        """The participants, as far as they have come."""
        for thread in self._virtual_time.participants.alive():
            ident, number = thread.ident or 0, thread.native_id or 0
            if ident in frames:
                frame = frames[ident]
                yield _Thread(ident, id(frame), frame.f_lasti, cpu_time(number))
        for task in self._virtual_time.waiting_tasks():
            yield _Task(task)


class _Thread(NamedTuple):
    """A thread at an instruction, where it stays as long as it uses no CPU."""

    ident: int
    frame: int
    instruction: int
    cpu_time: int

    def place(self, frames: dict[int, FrameType]) -> SourceLine | None:
        """Where it sleeps really, if it does."""
        frame = frames[self.ident]
        return SourceLine.of(frame) if _can_sleep(frame) else None


class _Task(NamedTuple):
    """A task of an event loop that waits."""

    task: asyncio.Task[Any]

    def place(self, _frames: dict[int, FrameType]) -> SourceLine | None:
        return _place_in(self.task.get_coro())


def _can_sleep(frame: FrameType) -> bool:
    """Whether the function that a frame calls is the real `time.sleep`, as far as that can be seen."""
    if str(frame.f_globals.get("__name__")).startswith("kling_contracts.virtual_time"):
        return False
    code = frame.f_code
    spaces = (frame.f_locals, frame.f_globals)
    names = (*code.co_names, *code.co_varnames, *code.co_freevars)
    called = _called_name(frame)
    values = {name: space[name] for space in spaces for name in names if name in space}
    if called is None:
        return any(map(_is_sleep, values.values()))
    found = [inspect.getattr_static(each, called, None) for each in values.values()]
    return any(map(_is_sleep, (values.get(called), *found)))


def _called_name(frame: FrameType) -> str | None:
    """The last name before the bracket of the call that a frame is in; None without its source."""
    positions = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    if positions is None or positions[0] is None or positions[2] is None:
        return None
    line = linecache.getline(frame.f_code.co_filename, positions[0]).encode()[positions[2] :]
    call = re.match(r"[\w.]*?(\w+)\s*\(", line.decode(errors="replace"))
    return call[1] if call else None


def _is_sleep(value: object) -> bool:
    if isinstance(value, functools.partial):
        return any(map(_is_sleep, (value.func, *value.args)))
    if isinstance(value, staticmethod):
        value = value.__func__
    return value is SLEEP.real


def _place_in(coroutine: Any) -> SourceLine | None:
    """Where a suspended coroutine awaits the real `asyncio.sleep`, directly or through others."""
    frame: FrameType | None = None
    inner = coroutine
    while (code := getattr(inner, "cr_code", None)) is not None:
        if code is real_asyncio_sleep.__code__:
            return None if frame is None else SourceLine.of(frame)
        frame, inner = inner.cr_frame, inner.cr_await
    return None
