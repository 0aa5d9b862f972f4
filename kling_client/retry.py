"""Durations: pauses between attempts and between polls, Retry-After headers, and the total deadline."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from numbers import Real
from typing import Final

from kling_client.errors import ConfigError

Clock = Callable[[], float]

# The least timeout of a poll made at the deadline, so that a task that finished in time is not missed.
LAST_POLL_SECONDS: Final = 5.0
_ROUNDING: Final = 1e-6


def monotonic() -> float:
    """The clock of all deadlines. `time.monotonic` is looked up at each call: it may have been patched."""
    return time.monotonic()


def require_seconds(name: str, value: float, *, minimum: float = 0.0, above: bool = False) -> None:
    """Raise ConfigError unless value is a finite number >= minimum (with `above`: > minimum)."""
    number = isinstance(value, Real) and not isinstance(value, bool)  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
    if not number or not math.isfinite(value) or value < minimum or (above and value == minimum):
        raise ConfigError(
            f"{name}: must be a finite number {'>' if above else '>='} {minimum:g}, not {value!r}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Limits of retries. Only requests that are safe to repeat are retried.

    `attempts` includes the first one. The pause starts at `first` seconds and doubles up to `cap`. A
    Retry-After of at most `max_retry_after` seconds is honoured; a longer one raises the error immediately,
    with its `retry_after` set.
    """

    attempts: int = 4
    first: float = 0.5
    cap: float = 8.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        require_seconds("Retry.attempts", self.attempts, minimum=1)
        require_seconds("Retry.first", self.first)
        require_seconds("Retry.cap", self.cap, minimum=self.first)
        require_seconds("Retry.max_retry_after", self.max_retry_after)

    def pauses(self) -> Iterator[float]:
        """The pause in seconds before each further attempt."""
        return _growing(self.first, 2.0, self.cap, self.attempts - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """The pauses between polls in seconds: `first`, then multiplied by `factor` each time, up to `cap`."""

    first: float = 1.0
    factor: float = 1.5
    cap: float = 8.0

    def __post_init__(self) -> None:
        require_seconds("Poll.first", self.first, above=True)
        require_seconds("Poll.factor", self.factor, minimum=1)
        require_seconds("Poll.cap", self.cap, minimum=self.first)

    def pauses(self) -> Iterator[float]:
        """The pause in seconds after each poll; infinite."""
        return _growing(self.first, self.factor, self.cap, None)


def _growing(pause: float, factor: float, cap: float, count: int | None) -> Iterator[float]:
    while count is None or count > 0:
        yield min(pause, cap)
        pause = min(pause * factor, cap)
        count = None if count is None else count - 1


class Timer:
    """A total deadline.

    Seconds slept count even if the clock did not advance, so that a wait also ends with a replaced `sleep`
    or a frozen clock.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        require_seconds("deadline", seconds)
        self._clock, self._start, self._seconds = clock, clock(), seconds
        self.slept = 0.0

    @property
    def spent(self) -> float:
        return max(self._clock() - self._start, self.slept)

    @property
    def remaining(self) -> float:
        """Seconds left. Rounding errors of float sums count as zero."""
        left = self._seconds - self.spent
        return left if left > _ROUNDING else 0.0

    def clip(self, timeout: float) -> float:
        """The timeout for a request sent now: at most `timeout`, and not far beyond the deadline."""
        return min(timeout, max(self.remaining, LAST_POLL_SECONDS))


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header, a number or an HTTP date; None if it is missing or invalid.

    A date is compared with the response's Date header if present, because the server's clock may be wrong.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _seconds_until(text, headers.get("date", ""))
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _seconds_until(text: str, now: str) -> float | None:
    end = _read_date(text)
    if end is None:
        return None
    start = _read_date(now) or datetime.fromtimestamp(time.time(), UTC)
    return max((end - start).total_seconds(), 0.0)


def _read_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser raises all of them
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
