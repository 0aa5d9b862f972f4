"""Callbacks: which are due, derived from plans and the clock, and what became of them.

Nothing is queued. A callback is due for every change of a task that gave a `callback_url`; only attempts
to deliver are records. Sources: the trigger and the bare task object as body are official; repeats until
a receiver takes it are assumed (at-least-once).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kling_contracts.vocabulary import TaskStatus
from kling_mock.plan import NEVER, Transition
from kling_mock.records import AttemptRecord, TaskState
from kling_mock.render import task_message
from kling_mock.settings import Settings

CONTENT_TYPE = "application/json; charset=utf-8"


class Callback(NamedTuple):
    """One change of one task as its receiver is told. `due` and attempts are in Unix seconds.

    `refused` says why a server does not send it (setting `callbacks`); None: nothing is in the way.
    """

    task_id: str
    url: str
    status: TaskStatus
    due: float
    position: int
    body: dict[str, object]
    attempts: tuple[AttemptRecord, ...]
    refused: str | None = None

    @property
    def content(self) -> bytes:
        """The body as sent: the bare task object in JSON, without an envelope."""
        return json.dumps(self.body, ensure_ascii=False).encode()

    @property
    def headers(self) -> dict[str, str]:
        return {"content-type": CONTENT_TYPE}

    @property
    def delivered(self) -> bool:
        return any(attempt.delivered for attempt in self.attempts)

    def next_attempt(self, retries: Sequence[float]) -> float | None:
        """When to try (again), or None if the callback was taken or has been given up."""
        return next_attempt(self.due, self.attempts, retries)


def next_attempt(due: float, attempts: Sequence[AttemptRecord], retries: Sequence[float]) -> float | None:
    """When a callback is to be tried (again), or None if it was taken or has been given up."""
    if not attempts:
        return due
    failed = len(attempts)
    over = attempts[-1].delivered or failed > len(retries)
    return None if over else attempts[-1].at + retries[failed - 1]


# Gives the HTTP status of the receiver's answer; None counts as 200. An exception is a failed attempt.
Receiver = Callable[[Callback], "int | None"]


def callbacks_of(task: TaskState, settings: Settings, until: float) -> Iterator[Callback]:
    """The callbacks of one task that have become due by an instant."""
    for position, change in enumerate(changes_of(task, until)):
        yield callback_of(task, settings, position, change)


def changes_of(task: TaskState, until: float = NEVER) -> Sequence[Transition]:
    """The changes that a task calls back on, up to an instant: also those that are known to come."""
    if not task.record.request.callback_url:
        return ()
    return [change for change in task.history(until) if change.at < NEVER]


def callback_of(task: TaskState, settings: Settings, position: int, change: Transition) -> Callback:
    """The callback on the change at this position of a task's history."""
    record = task.record
    return Callback(
        record.id,
        record.request.callback_url or "",
        change.status,
        change.at,
        position,
        task_message(record, task.plan, change, settings.seed),
        task.attempts_at(position),
    )
