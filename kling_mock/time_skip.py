"""Skipped time: with the setting `clock_mode="skip"`, queries of unfinished tasks move the clock. Pure.

A query of a task that time alone will change moves the clock to the next change of any task, so that changes
occur in due order whichever client asks. The move is a record of the commit that counts the query.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from kling_mock.commands import Command, Query
from kling_mock.plan import NEVER
from kling_mock.records import ClockRecord, TaskState
from kling_mock.stores import CLOCK, AccountKey, Expect, Key, Snapshot, TasksKey

_ALL: Final = AccountKey(None)
_TASKS: Final = TasksKey()


class TimeSkip(NamedTuple):
    """A move of the clock to the instant `now` (Unix seconds), with its preconditions."""

    now: float
    record: ClockRecord
    expect: tuple[Expect, ...]


def skip_keys(command: Command) -> tuple[Key[Any], ...]:
    """The store keys that `time_skip` needs for a command, besides its own keys."""
    return (CLOCK, _ALL, _TASKS) if isinstance(command, Query) else ()


def time_skip(snapshot: Snapshot, task: TaskState) -> TimeSkip | None:
    """The move of the clock by a query of this task; None if time alone does not change the task."""
    now = snapshot.now
    if next_change(task, now) == NEVER:
        return None
    target = min(next_change(each, now) for each in snapshot[_TASKS])
    clock = snapshot[CLOCK]
    # A task created meanwhile may change before the target.
    expect = (Expect(CLOCK, clock.version), Expect(_ALL, snapshot[_ALL].created))
    return TimeSkip(target, clock.moved(now, target), expect)


def next_change(task: TaskState, now: float) -> float:
    """The instant after `now` at which the status of a task changes (Unix seconds); NEVER if not by time."""
    starts, ends = task.plan.instants(task.times)
    if ends <= now:
        return NEVER
    return starts if now < starts < ends else ends
