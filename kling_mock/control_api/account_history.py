"""The units spent and the concurrency of an account over time, derived from the plans of its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from kling_mock.control_api import models, parameters
from kling_mock.control_api.accounts import ALL
from kling_mock.fake import Fake
from kling_mock.records import TaskState
from kling_mock.testing.view import FakeView

_READS: Final = 5


class _Step(NamedTuple):
    """A change of the units spent, and of the number of unfinished images, at an instant."""

    at: float
    units: int
    images: int


def read_account_history(fake: Fake, name: str, query: parameters.HistoryQuery) -> models.AccountHistory:
    """Read the units spent and the concurrency of an account over time; of all accounts together for `*`."""
    view = fake.named_account(None if name == ALL else name)
    tasks, now, spent = _read(view)
    steps = sorted(step for task in tasks for step in _steps(task, now))
    # Units of tasks whose retention is over are spent from the beginning on.
    before = spent - sum(step.units for step in steps)
    points = list(_totals(steps, before))
    return models.AccountHistory(name, now, tuple(_thinned(points, query.points)))


def _read(view: FakeView) -> tuple[Sequence[TaskState], float, int]:
    """All tasks, the present, and the units spent by then: read again if there was a change meanwhile."""
    spent, (tasks, now) = view.spend, view.read_tasks()
    for _ in range(_READS):
        if view.spend == spent:
            break
        spent, (tasks, now) = view.spend, view.read_tasks()
    return tasks, now, spent


def _steps(task: TaskState, now: float) -> Iterator[_Step]:
    record, ends = task.record, task.ends
    yield _Step(record.created, record.units, record.request.n)
    if ends <= now:
        yield _Step(ends, 0 if task.plan.failure is None else -record.units, -record.request.n)


def _totals(steps: Iterable[_Step], spent: int) -> Iterator[models.AccountPoint]:
    """The totals after each instant; several steps at one instant are one point."""
    images = 0
    last: models.AccountPoint | None = None
    for step in steps:
        spent, images = spent + step.units, images + step.images
        if last is not None and step.at != last.at:
            yield last
        last = models.AccountPoint(step.at, spent, images)
    if last is not None:
        yield last


def _thinned(points: Sequence[models.AccountPoint], most: int) -> Iterator[models.AccountPoint]:
    """At most this number of points: of neighbouring ones the latest units, and the largest concurrency."""
    size = -(-len(points) // most) or 1
    for first in range(0, len(points), size):
        group = points[first : first + size]
        yield models.AccountPoint(group[0].at, group[-1].spend, max(each.unfinished for each in group))
