"""The schedule of deliveries: the next attempt of a task, derived from its state and the settings.

The callbacks of a task are sent one after another, in the order of the changes: each is sent after the one
before was delivered or given up. The setting `callback_faults` changes that; all draws are from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from kling_mock.callbacks.model import changes_of, is_delivered, next_attempt
from kling_mock.plan import Transition
from kling_mock.records import DUPLICATE, SENT, TaskState
from kling_mock.rng import draw
from kling_mock.settings import Settings

# The positions of the changes of a task, and the orders of the fault `reordered`: each has processing before
# submitted, so that it also reorders a task without a third change.
_IN_ORDER: Final = (0, 1, 2)
_REORDERED: Final = ((1, 0, 2), (1, 2, 0), (2, 1, 0))
# The fault `late`: the seconds between the query that showed the end and the last callback.
_LATEST: Final = 10.0


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
    for position in _order(task, settings):
        if position >= len(changes):
            if changes and changes[-1].status.terminal:
                continue  # a failed task that was never processed
            return None
        change, attempts = changes[position], task.attempts_at(position)
        due = next_attempt(change.at, attempts, settings.callback_retries)
        if due is None:
            after = max(after, attempts[-1].at)
            repeated = sum(each.kind == DUPLICATE for each in attempts)
            if is_delivered(attempts) and repeated < _duplicates(task, settings, position):
                return Scheduled(after, position, change, DUPLICATE)
            continue
        if change.status.terminal and "late" in settings.callback_faults:
            seen = seen_at(task, change)
            if seen is None:
                return None
            due = max(due, seen + 1 + (_LATEST - 1) * _draw(task, settings, "late"))
        return Scheduled(max(due, after), position, change)
    return None


def seen_at(task: TaskState, end: Transition) -> float | None:
    """The instant of the first query that showed the end, in Unix seconds; None if none did."""
    return next((at for at in task.times if at >= end.at), None)


def _order(task: TaskState, settings: Settings) -> Sequence[int]:
    order = _IN_ORDER
    if "reordered" in settings.callback_faults:
        order = _REORDERED[int(_draw(task, settings, "order") * len(_REORDERED))]
    return order if settings.callback_submitted else [each for each in order if each]


def _duplicates(task: TaskState, settings: Settings, position: int) -> int:
    """The number of times that a delivered callback is sent again."""
    if "duplicated" not in settings.callback_faults:
        return 0
    return 1 + int(_draw(task, settings, "duplicates", position) * 2)


def _draw(task: TaskState, settings: Settings, *what: object) -> float:
    return draw(settings.seed, task.record.account, task.record.number, "callback", *what)
