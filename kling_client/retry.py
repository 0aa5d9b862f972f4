"""How long to wait: between attempts, between polls, as the server asks, and in total."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from kling_client.errors import ConfigError

Clock = Callable[[], float]

# A poll made at the deadline still gets this long, so that a task finished in time is not lost.
LAST_POLL_SECONDS: Final = 5.0
_ROUNDING: Final = 1e-6


def monotonic() -> float:
    """The clock of all deadlines. Looked up at each call, so that a patched `time` is honoured."""
    return time.monotonic()


def require_seconds(name: str, value: float, *, minimum: float = 0.0, above: bool = False) -> None:
    """Raise ConfigError unless value is a finite number >= minimum (or > minimum)."""
    if not math.isfinite(value) or value < minimum or (above and value == minimum):
        raise ConfigError(f"{name} must be a finite number {'>' if above else '>='} {minimum:g}, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how soon a request is sent again, where that is safe.

    `attempts` counts the first one. The pause starts at `first` seconds and doubles up to `cap`. A
    Retry-After is honoured up to `max_retry_after` seconds; a longer one ends the call at once with an
    error that carries it.
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
        """The seconds before each further attempt."""
        return _growing(self.first, 2.0, self.cap, self.attempts - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """The seconds between polls: `first`, then `factor` times longer each time, up to `cap`."""

    first: float = 1.0
    factor: float = 1.5
    cap: float = 8.0

    def __post_init__(self) -> None:
        require_seconds("Poll.first", self.first, above=True)
        require_seconds("Poll.factor", self.factor, minimum=1)
        require_seconds("Poll.cap", self.cap, minimum=self.first)

    def pauses(self) -> Iterator[float]:
        """The seconds after each poll, without end."""
        return _growing(self.first, self.factor, self.cap, None)


def _growing(pause: float, factor: float, cap: float, count: int | None) -> Iterator[float]:
    while count is None or count > 0:
        yield min(pause, cap)
        pause = min(pause * factor, cap)
        count = None if count is None else count - 1


class Timer:
    """A total deadline.

    What was slept counts even if the clock did not move: under a `sleep` replaced by a test, or a clock
    that stands still, a wait must end as well.
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
        """Seconds left. What sums of floats leave over is nothing."""
        left = self._seconds - self.spent
        return left if left > _ROUNDING else 0.0

    def clip(self, timeout: float) -> float:
        """The timeout of a request made now."""
        return min(timeout, max(self.remaining, LAST_POLL_SECONDS))


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds a Retry-After header asks for, given as a number or an HTTP date; None without one.

    A date is compared with the reply's own Date, if there is one: the server's clock may be off.
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
    due = _read_date(text)
    if due is None:
        return None
    start = _read_date(now) or datetime.fromtimestamp(time.time(), UTC)
    return max((due - start).total_seconds(), 0.0)


def _read_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser raises for nonsense
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
