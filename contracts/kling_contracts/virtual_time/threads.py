"""Which threads live in virtual time, and which of them are at work."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Final

# Real time, also for a module that is imported while freezegun has replaced the functions of `time`: it
# leaves this one alone, and so does time-machine for this clock.
_CLOCK: Final = getattr(time, "CLOCK_MONOTONIC", None)
_gettime: Final[Callable[[int], float] | None] = getattr(time, "clock_gettime", None)
_gettime_ns: Final[Callable[[int], int] | None] = getattr(time, "clock_gettime_ns", None)
_perf_counter: Final = (time.perf_counter,)  # in a tuple, where freezegun does not replace it
_process_time_ns: Final = time.process_time_ns
_ON_LINUX: Final = sys.platform == "linux"
# A thread that used no CPU for this long is waiting for something, in seconds of real time.
SILENCE: Final = 0.005
# Readings in this time: a process that the system stopped for a while has been silent without waiting.
_LOOKS: Final = 4


def real_now() -> float:
    """Seconds of real time since an arbitrary instant, also while the time module is replaced."""
    return _perf_counter[0]() if _gettime is None or _CLOCK is None else _gettime(_CLOCK)


def calling_frame(depth: int) -> FrameType:
    """The frame of the function that called this one's caller (1), and further out."""
    return sys._getframe(depth + 1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- `inspect` is slow to import


def current_frames() -> dict[int, FrameType]:
    """Where each thread is, by ident; also threads that were not started by `threading`."""
    return sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- the only such list


class RealTimeThread(threading.Thread):
    """A thread in real time, also when a test in virtual time starts it: that of a server of ours."""


class HelperThread(RealTimeThread):
    """A thread of this package: it is at work for virtual time itself."""


class Participants:
    """The thread that begins, and the threads that it starts, directly or through others.

    Threads that were there before are outsiders, and so are the threads that outsiders start.
    """

    def __init__(self) -> None:
        self._outsiders = set(threading.enumerate()) - {threading.current_thread()}
        self._old_idents = set(current_frames()) - {threading.get_ident()}

    def started(self, thread: threading.Thread) -> None:
        """The current thread starts another one."""
        if not self.includes(threading.current_thread()):
            self._outsiders.add(thread)

    def includes(self, thread: threading.Thread) -> bool:
        """Whether a thread lives in this virtual time."""
        if thread in self._outsiders or isinstance(thread, RealTimeThread):
            return False
        if type(thread).__name__ == "_DummyThread":  # started by another language
            return thread.ident not in self._old_idents
        return True

    def alive(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if self.includes(thread)]


class Silence:
    """Finds out that no thread is at work: each has used no CPU for `SILENCE` seconds."""

    def __init__(self) -> None:
        self._readings: dict[int, int] = {}
        self._since = 0.0
        self._looks = 0

    def restart(self) -> None:
        """It was broken by something else."""
        self._looks = 0

    def lasts(self, threads: Iterable[threading.Thread]) -> bool:
        """Whether it has lasted long enough. To be asked again about every millisecond of real time."""
        idents = [thread.native_id for thread in threads]
        tasks = _cpu_times(filter(None, idents))
        now = real_now()
        is_starting = None in idents  # a thread that another one has started, and that has not run yet
        if is_starting or tasks != self._readings or not self._looks:
            self._readings, self._since, self._looks = tasks, now, 1
            return False
        self._looks += 1
        return (
            self._looks > _LOOKS
            and now - self._since >= SILENCE
            and not (_ON_LINUX and any(map(_is_running, tasks)))
            # Again: one that got a processor since the first reading may wait for the interpreter by now.
            and _cpu_times(tasks) == tasks
        )


def _cpu_times(native_ids: Iterable[int]) -> dict[int, int]:
    return {ident: cpu_time(ident) for ident in native_ids}


def cpu_time(native_id: int) -> int:
    """CPU time of a thread in nanoseconds; of the process, where a thread's cannot be read."""
    if not _ON_LINUX or _gettime_ns is None:
        return _process_time_ns()
    try:
        # Computed as by pthread_getcpuclockid(), which must not be called for a thread that has ended.
        return _gettime_ns(~native_id << 3 | 6)
    except OSError:  # it has ended
        return -1


def _is_running(native_id: int) -> bool:
    """Whether a thread could go on but waits for a processor, as it may for long on a busy machine."""
    try:
        with open(f"/proc/self/task/{native_id}/stat", "rb") as file:  # noqa: PTH123 -- twice as fast
            return file.read().rpartition(b") ")[2][:1] == b"R"
    except OSError:  # it has ended
        return False


def server_threads() -> list[threading.Thread]:
    """The threads of our own servers: while they answer, a client that waits for them is not idle."""
    return [
        thread
        for thread in threading.enumerate()
        if isinstance(thread, RealTimeThread) and not isinstance(thread, HelperThread)
    ]


def replace_attribute(holder: Any, name: str, ours: object) -> Callable[[], None]:
    """Set an attribute. Returns a function that sets it back, unless it was replaced again by then."""
    real = getattr(holder, name)
    setattr(holder, name, ours)

    def undo() -> None:
        if getattr(holder, name) is ours:
            setattr(holder, name, real)

    return undo
