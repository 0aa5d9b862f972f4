"""An independent model of the life cycle of a task, as a client sees it. It shares no code with the fake.

A pace is data: its name and its numbers. Time is in seconds. `look` is not a query.
"""

from __future__ import annotations

UNFINISHED = ("submitted", "processing")


class ModelTask:
    def __init__(self, pace: str, numbers: tuple[float, ...], born: float, failure: str | None) -> None:
        self.pace, self.numbers, self.failure = pace, numbers, failure
        self.polls = 0
        self.status, self.since = "submitted", born
        self.born = born
        self.look(born)

    def look(self, now: float) -> tuple[str, float]:
        """The status, and the instant of the change to it."""
        if self.pace == "instant":
            self._become("end", self.born)
        elif self.pace == "held":
            self._become("processing", self.born)
        elif self.pace == "seconds" and now >= self.born + self.numbers[0]:
            self._become("processing", self.born + self.numbers[0])
            if now >= self.born + sum(self.numbers):
                self._become("end", self.born + sum(self.numbers))
        return self.status, self.since

    def poll(self, now: float) -> tuple[str, float]:
        self.polls += 1
        if self.pace == "polls":
            self._become("end" if self.polls >= self.numbers[0] else "processing", now)
        return self.look(now)

    def finish(self, now: float, failure: str | None) -> None:
        self.look(now)
        self.failure = failure
        self._become("end", now)

    def _become(self, status: str, since: float) -> None:
        status = status if status != "end" else "failed" if self.failure else "succeed"
        if self.status in UNFINISHED and self.status != status:
            self.status, self.since = status, since
