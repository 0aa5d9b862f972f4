"""The clock of a namespace in Redis: system time is that of Redis, the settings are a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kling_contracts.virtual_time.threads import real_now
from kling_mock.records import ClockRecord, Jump
from kling_mock.stores import CLOCK, Change, Commit, Expect, Read, Snapshot, StateNotKept, Steps
from kling_mock.stores.redis.replies import Present
from kling_mock.timing.clock import Clock, steered


class RedisClock(Clock):
    """A clock that all processes of a namespace share.

    Each reading is a round trip. While Redis does not answer, `now()` goes on from the last reading.
    """

    # Whether Redis has answered the latest command.
    is_followed = True

    def __init__(self, perform: Callable[[Steps[Any]], Any]) -> None:
        super().__init__()
        self._perform = perform
        self._read_at = real_now()

    def follow(self, present: Present) -> None:
        """Go on from a reading."""
        self.is_followed = True
        self._read_at = real_now()
        self._system, self._latest, self._record = present.system, present.now, present.record

    def now(self) -> float:
        if self.is_followed:
            try:
                snapshot: Snapshot = self._perform(_read_present())
            except StateNotKept:
                pass
            else:
                return snapshot.now
        return self.estimate()

    def estimate(self) -> float:
        return max(self._latest, self._record.at(self._system + real_now() - self._read_at))

    @property
    def record(self) -> ClockRecord:
        snapshot: Snapshot = self._perform(_read_clock())
        return snapshot[CLOCK]

    @property
    def jumps(self) -> Sequence[Jump]:
        return self.record.jumps

    @property
    def speed(self) -> float:
        """Seconds of this clock per second of system time."""
        self.now()  # another process may have changed it
        return self._record.speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._set_speed(value)

    def _steer(self, forward: float, speed: float | None = None) -> None:
        self._perform(self._steps(forward, speed))
        self.announce()

    def _steps(self, forward: float, speed: float | None) -> Steps[None]:
        while True:
            snapshot: Snapshot = yield Read((CLOCK,))
            record = snapshot[CLOCK]
            new = steered(record, snapshot.now, self._system, forward, speed)
            failed: Expect | None = yield Commit(Change((Expect(CLOCK, record.version),), (new,)))
            if failed is None:
                return


def _read_present() -> Steps[Snapshot]:
    snapshot: Snapshot = yield Read(())
    return snapshot


def _read_clock() -> Steps[Snapshot]:
    snapshot: Snapshot = yield Read((CLOCK,))
    return snapshot
