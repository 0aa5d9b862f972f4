"""The schedule of deliveries: the next attempt of a task, derived from its state and the settings.

The callbacks of a task are sent one after another, in the order of the changes: each is sent after the one
before was delivered or given up.
"""

from __future__ import annotations

from typing import NamedTuple

from kling_mock.callbacks.model import changes_of, next_attempt
from kling_mock.plan import Transition
from kling_mock.records import SENT, TaskState
from kling_mock.settings import Settings


class Scheduled(NamedTuple):
    """An attempt to make: its due time in Unix seconds, its kind, and the change that it reports."""

    due: float
    position: int
    change: Transition
    kind: str = SENT


def next_delivery(task: TaskState, settings: Settings) -> Scheduled | None:
    """The next attempt of a task, due or planned; None if its time is not known, or after the last one."""
    changes = changes_of(task)
    after = 0.0
    for position in range(0 if settings.callback_submitted else 1, len(changes)):
        change, attempts = changes[position], task.attempts_at(position)
        due = next_attempt(change.at, attempts, settings.callback_retries)
        if due is not None:
            return Scheduled(max(due, after), position, change)
        after = max(after, attempts[-1].at)
    return None
