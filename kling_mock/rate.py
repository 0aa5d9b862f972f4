"""A rate: the number of requests in a window of time."""

from __future__ import annotations

import math
from typing import Self

from msgspec import Struct

from kling_mock.records import WindowRecord


class Rate(Struct, frozen=True, gc=False):
    """At most `count` requests in a window of `seconds`; the text form is `10/60`.

    A window opens with a request while none is open, so a test need not wait for a full minute.

    >>> Rate.parse("10/60")
    Rate(count=10, seconds=60.0)
    """

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rate for a text form. Raises ValueError."""
        count, _, seconds = text.partition("/")
        try:
            rate = cls(int(count), float(seconds))
        except ValueError:
            raise ValueError(f"must be REQUESTS/SECONDS, such as 10/60, not {text!r}") from None
        if rate.count < 0 or not 0 < rate.seconds < math.inf:
            raise ValueError(f"must be 0 or more requests in a positive number of seconds, not {text!r}")
        return rate

    def is_open(self, window: WindowRecord, now: float) -> bool:
        return window.opened <= now < window.opened + self.seconds

    def wait(self, window: WindowRecord | None, now: float) -> float | None:
        """Seconds until a request is accepted again; None: it is accepted now."""
        if window is None or not self.is_open(window, now):
            return None if self.count else self.seconds
        return None if window.used < self.count else window.opened + self.seconds - now

    def used(self, window: WindowRecord | None, now: float, account: str | None, kind: str) -> WindowRecord:
        """The window after an accepted request."""
        version = 1 if window is None else window.version + 1
        if window is None or not self.is_open(window, now):
            return WindowRecord(account, kind, now, 1, version)
        return WindowRecord(account, kind, window.opened, window.used + 1, version)

    def __str__(self) -> str:
        return f"{self.count}/{self.seconds:g}"
