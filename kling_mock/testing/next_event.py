"""The next event of a fake: the instant at which time alone changes something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from kling_mock.callbacks.schedule import next_delivery
from kling_mock.limits import CREATES, QUERIES
from kling_mock.plan import NEVER
from kling_mock.records import TaskState
from kling_mock.settings import Settings
from kling_mock.stores import SCRIPTS, Snapshot, Store, TasksKey, WindowKey


class NextEvent(NamedTuple):
    """An event at the instant `at` (Unix seconds).

    `kind`: a change of a task, an attempt to deliver a callback, or the end of a rate window or of a script.
    """

    kind: Literal["task", "callback", "window", "script"]
    at: float
    task_id: str | None = None
    account: str | None = None


def next_event(store: Store, settings: Settings, account: str | None) -> NextEvent | None:
    """The next event of an account, or of all (None)."""
    every = TasksKey(account)
    snapshot = store.read((every, SCRIPTS))
    tasks, now = snapshot[every], snapshot.now
    accounts: set[str | None] = {task.record.account for task in tasks}
    windows = _windows(settings, accounts | {account})
    snapshot.update(store.read(tuple(windows)))
    found = [
        *(event for task in tasks for event in _of_task(task, settings, now)),
        *_of_windows(snapshot, windows),
        *(
            NextEvent("script", rule.until, account=rule.account)
            for rule in snapshot[SCRIPTS].rules
            if rule.until is not None and account in (None, rule.account)
        ),
    ]
    return min((each for each in found if now < each.at < NEVER), key=lambda each: each.at, default=None)


def _of_task(task: TaskState, settings: Settings, now: float) -> Iterator[NextEvent]:
    record = task.record
    starts, ends = task.plan.instants(task.times)
    if now < ends:  # a failing task may end without being processed
        yield NextEvent("task", starts if now < starts <= ends else ends, record.id, record.account)
    if record.request.callback_url:
        delivery = next_delivery(task, settings)
        if delivery is not None and now < delivery.due:
            yield NextEvent("callback", delivery.due, record.id, record.account)


def _windows(settings: Settings, accounts: set[str | None]) -> dict[WindowKey, float]:
    """The rate windows of these accounts and of all, with their lengths in seconds."""
    found: dict[WindowKey, float] = {}
    for kind, own, total in (
        (CREATES, settings.rate, settings.rate_total),
        (QUERIES, settings.poll_rate, settings.poll_rate_total),
    ):
        if own is not None:
            found |= {WindowKey(account, kind): own.seconds for account in accounts if account is not None}
        if total is not None:
            found[WindowKey(None, kind)] = total.seconds
    return found


def _of_windows(snapshot: Snapshot, windows: dict[WindowKey, float]) -> Iterator[NextEvent]:
    for key, seconds in windows.items():
        window = snapshot[key]
        if window is not None:
            yield NextEvent("window", window.opened + seconds, account=key.account)
