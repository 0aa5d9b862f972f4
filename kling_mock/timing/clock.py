"""The clock that drives everything: states, callbacks and their retries, slots, expiry."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from numbers import Real
from typing import Any

from msgspec.structs import replace

from kling_contracts.virtual_time.functions import system_time
from kling_contracts.virtual_time.threads import real_now
from kling_mock.fork_locks import free_after_fork
from kling_mock.records import JUMPS_KEPT, ClockRecord, Jump

# Instants before this one would give task ids that no real task has ever had.
EARLIEST = 1_577_836_800.0  # 2020-01-01
# In Unix seconds this is the year 2286. Later instants are in another unit.
LATEST = 10_000_000_000.0
# The end of the year 9999: later times have no date in Python, and in other languages.
_END = 253_402_300_800.0
# At this speed a second is eleven days.
_FASTEST = 1e6
_UNITS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
# System time that is set back and later forth again is the same as before within this, in seconds.
_SAME_TIME = 1.0


class Clock:
    """System time plus an offset. It can be advanced, frozen and sped up, and never goes backwards.

    >>> clock = Clock()
    >>> before = clock.now()
    >>> clock.advance(days=30)
    >>> clock.now() - before >= 30 * 86_400
    True

    `now()` is in Unix seconds; the milliseconds on the wire are its floor. Libraries that replace system
    time (freezegun, time-machine) move this clock too: also back, as long as no request was recorded by it.
    Otherwise a clock goes on from its last reading when system time is set back.
    """

    def __init__(self) -> None:
        start = system_time()
        self._start(start, start, 1.0)

    def _start(self, since: float, reading: float, speed: float) -> None:
        self._record = ClockRecord(since, reading, speed)
        self._latest = reading
        self._system = since
        # System time less real time, by which system time is known again after it was set back and forth.
        self._origin = since - real_now()
        self._was_set_back = False
        # Whether a store has recorded an instant of this clock.
        self.recorded = False
        # Held while the settings are compared and replaced.
        self.lock = free_after_fork(threading.RLock())
        self._listeners: list[Callable[[], None]] = []
        self._keep: Callable[[ClockRecord], None] | None = None

    @property
    def record(self) -> ClockRecord:
        """Its settings, as a store keeps them."""
        return self._record

    def adopt(self, record: ClockRecord) -> None:
        """Go on by these settings. Listeners are called by `announce`."""
        self._record = record
        self._latest = max(self._latest, record.reading)

    def go_on(self, record: ClockRecord, latest: float) -> None:
        """Go on by the settings of another clock, not before `latest` (Unix seconds).

        If that clock ran, the time since then has passed.
        """
        with self.lock:
            system = system_time()
            reading = max(record.at(system), record.reading, latest)
            if reading != record.at(system):  # system time was set back meanwhile
                record = replace(record, since=system, reading=reading)
            self._record, self._latest, self._system = record, reading, system
            self._origin = system - real_now()
            self._was_set_back = False
            self.recorded = True

    def keep_with(self, keep: Callable[[ClockRecord], None] | None) -> None:
        """Call `keep` with new settings before they take effect; if it raises, they do not."""
        self._keep = keep

    def now(self) -> float:
        """The present, in Unix seconds."""
        system = system_time()
        if system < self._system or self._was_set_back:
            with self.lock:
                system = system_time()  # another thread may have read a later one
                self._follow(system)
        self._system = system
        record = self._record
        reading = record.reading + (system - record.since) * record.speed  # `ClockRecord.at`, without a call
        if reading < self._latest:  # by rounding
            return self._latest
        self._latest = reading
        return reading

    def estimate(self) -> float:
        """`now()` without I/O: by the settings that this process has read last, if others may change them."""
        return self.now()

    @property
    def latest(self) -> float:
        """The latest reading, in Unix seconds."""
        return self._latest

    def _follow(self, system: float) -> None:
        """System time was set back, or forth again after that: neither is time that passes."""
        is_original = abs(system - real_now() - self._origin) < _SAME_TIME
        if system < self._system:
            reading = self._latest
            if not self.recorded and self._record.speed and _is_time_travel():
                self._latest = reading = reading + system - self._system
            else:
                self._was_set_back = not is_original
            self._record = replace(self._record, since=system, reading=reading)
        elif self._was_set_back and is_original:
            self._record = replace(self._record, since=system, reading=self._latest)
            self._was_set_back = False

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Move forward at once.

        Raises TypeError for a value that is not a number, ValueError for a negative or infinite sum, and for
        one that leads beyond the year 9999.
        """
        for name, given in (("seconds", seconds), ("minutes", minutes), ("hours", hours), ("days", days)):
            if isinstance(given, bool) or not isinstance(given, Real):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
                raise TypeError(f"{name} must be a number, not {given!r}")
        total = seconds + 60 * minutes + 3600 * hours + 86_400 * days
        if not 0 <= total < float("inf"):
            raise ValueError(f"a clock cannot be advanced by {total} seconds: time never goes backwards")
        self._steer(total)

    @property
    def jumps(self) -> Sequence[Jump]:
        """How it was advanced so far, oldest first: the last thousand times."""
        return self._record.jumps

    def freeze(self) -> None:
        """Stand still until `resume()` or `advance()`; advancing leaves the clock frozen."""
        self.speed = 0.0

    def resume(self) -> None:
        """Run at the pace of system time again."""
        self.speed = 1.0

    @property
    def speed(self) -> float:
        """Seconds of this clock per second of system time."""
        return self._record.speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._set_speed(value)

    @property
    def estimated_speed(self) -> float:
        """`speed` without I/O, as `estimate`."""
        return self._record.speed

    def _set_speed(self, value: float) -> None:
        if not 0 <= value <= _FASTEST:
            raise ValueError(f"speed must be from 0 to {_FASTEST:.0f}; got {value}")
        self._steer(0, speed=value)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change of the settings and each advance: callbacks may be due."""
        self._listeners.append(listener)

    def announce(self) -> None:
        """Call the listeners: the settings have changed."""
        for listener in self._listeners:
            listener()

    def _steer(self, forward: float, speed: float | None = None) -> None:
        with self.lock:
            now = self.now()
            record = steered(self._record, now, self._system, forward, speed)
            if self._keep is not None:
                self._keep(record)
            self.adopt(record)
        self.announce()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} now={self.now():.3f} speed={self.speed:g}>"


class ManualClock(Clock):
    """A clock that stands still until it is advanced: for tests that compare instants.

    `start` is in Unix seconds, 2020 or later. Raises ValueError for an earlier one.
    """

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._start(system_time(), _unix_seconds(start), 0.0)

    def go_on(self, record: ClockRecord, latest: float) -> None:
        """Stand at the reading of another clock."""
        system = system_time()
        super().go_on(replace(record, since=system, reading=record.at(system), speed=0.0), latest)

    def resume(self) -> None:
        """Refused: a manual clock moves by `advance()` only. Use Clock() for one that can run."""
        raise ValueError("a ManualClock moves by advance() only; use Clock() for one that runs")

    @property
    def speed(self) -> float:
        return 0.0

    @speed.setter
    def speed(self, value: float) -> None:
        if value:
            self.resume()


def _is_time_travel() -> bool:
    """Whether a test has moved system time by freezegun or time-machine. No clock of a computer was set."""
    if str(getattr(time.time, "__module__", "")).startswith("freezegun"):
        return True
    library: Any = sys.modules.get("time_machine")
    return library is not None and library.escape_hatch.is_travelling()


def _unix_seconds(start: object) -> float:
    """The start of a manual clock. Raises TypeError, ValueError."""
    if isinstance(start, bool) or not isinstance(start, int | float):
        hint = "; use .timestamp()" if isinstance(start, datetime) else ""
        raise TypeError(f"start: must be a number of Unix seconds; got {start!r}{hint}")
    if EARLIEST <= start < LATEST:
        return float(start)
    message = f"start: must be Unix seconds from {EARLIEST:.0f} (2020) to {LATEST:.0f} (2286); got {start}"
    for unit, factor in _UNITS:
        if EARLIEST <= (seconds := start / factor) < LATEST:
            when = datetime.fromtimestamp(seconds, UTC)
            message += f", which looks like {unit} ({when:%Y-%m-%d}): divide by {factor:.0f}"
            break
    raise ValueError(message)


def steered(
    record: ClockRecord, now: float, system: float, forward: float, speed: float | None = None
) -> ClockRecord:
    """The settings of a clock that reads `now`, advanced by `forward` seconds, maybe at another speed."""
    # To the microsecond, so that ten steps of 0.1 s are one second, to the bit.
    reading = max(now, round(now + forward, 6))
    if forward and reading >= _END:
        message = f"a clock cannot be advanced by {forward} seconds: it would be later than the year 9999"
        raise ValueError(message)
    jumps = (*record.jumps, Jump(now, forward))[-JUMPS_KEPT:] if forward else record.jumps
    return ClockRecord(system, reading, record.speed if speed is None else speed, record.version + 1, jumps)
