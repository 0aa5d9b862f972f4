"""A receiver that records callbacks, the URL of a callback, and the time of a create."""

from __future__ import annotations

from kling_mock.callbacks.model import Callback

HOOK = "https://app.test/hook"
# The start of a manual clock, in Unix seconds.
BORN = 1_767_225_600.0


class Inbox:
    """A receiver that records callbacks, returns the given statuses (or raises the exceptions), then None."""

    def __init__(self, *answers: int | Exception | None) -> None:
        self.answers = list(answers)
        self.received: list[Callback] = []

    def __call__(self, callback: Callback) -> int | None:
        self.received.append(callback)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def statuses(self) -> list[str]:
        return [callback.status.value for callback in self.received]
