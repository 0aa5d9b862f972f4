"""The tasks that may change, and their changes and callback attempts since they were read last."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from typing import Final, NamedTuple

from kling_contracts.vocabulary import TaskStatus
from kling_mock.callbacks.schedule import next_delivery
from kling_mock.control_api import models, task_models
from kling_mock.control_api.shown import show_attempt, show_task
from kling_mock.fake import Fake
from kling_mock.plan import NEVER, Transition
from kling_mock.records import AttemptRecord, TaskState

# The number of tasks that are followed: unfinished ones, and those with callbacks.
FOLLOWED: Final = 10_000
# An advance may change all tasks; this number of them is read at once, so that requests need not wait.
DUE_READ: Final = 400
# Of the tasks with an attempt that is due, and of the others, this number is read in turn each time: these
# changes are made by the senders of callbacks, and by other processes with the same state.
OVERDUE_READ: Final = 200
OTHERS_READ: Final = 100


class FoundEvent(NamedTuple):
    """An event: its instant, kind and account, and its model, which is made on demand."""

    at: float
    kind: str
    account: str | None
    model: Callable[[], models.Model]


class _Followed(NamedTuple):
    """A task as it was read last: the numbers of its changes and attempts, and the instant of the next one.

    `version` is that of its state; `overdue`: an attempt is due, and may be in progress.
    """

    changes: int
    attempts: int
    next_at: float = NEVER
    version: int = -1
    overdue: bool = False


class FollowedTasks:
    """The tasks of a fake that may change. Not thread-safe, but for `touch`."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._seen: OrderedDict[str, _Followed] = OrderedDict()
        self._touched: deque[str] = deque(maxlen=FOLLOWED)
        self._overdue: dict[str, None] = {}
        self._others: list[str] = []
        self._soonest = NEVER
        tasks, now = fake.read_tasks()
        for task in tasks:
            self._follow(task, now)

    def touch(self, task_id: str | None) -> None:
        """Read this task the next time, if it is followed, since it was changed. For any thread."""
        if task_id is not None:
            self._touched.append(task_id)

    def begin(self, task_id: str, *, created: bool) -> None:
        """Follow the task of a call. Of one that the call did not create only later changes are events."""
        known = 0 if created else -1
        self._seen.setdefault(task_id, _Followed(known, known))
        self._touched.append(task_id)

    def changes(self) -> Iterator[FoundEvent]:
        """The changes since the last time."""
        touched = self._due()
        while self._touched:
            task_id = self._touched.popleft()
            # Another one is new: its call, which makes its changes events, is announced in a moment.
            if task_id in self._seen:
                touched[task_id] = None
        states, now = self._fake.read_states(touched)  # at once: a store may do I/O
        for task_id in touched:
            yield from self._of_task(task_id, states.get(task_id), now)

    def _due(self) -> dict[str, None]:
        """The tasks that may have changed by time alone, and some others in turn."""
        now = self._fake.clock.now()
        found: dict[str, None] = {}
        if self._soonest <= now:
            due = [name for name, each in self._seen.items() if each.next_at <= now]
            found = dict.fromkeys(due[:DUE_READ])
            if len(due) <= DUE_READ:  # otherwise the others are read the next time
                later = [each.next_at for each in self._seen.values() if each.next_at > now]
                self._soonest = min(later, default=NEVER)
        for task_id in list(islice(self._overdue, OVERDUE_READ)):
            del self._overdue[task_id]  # `_follow` puts it at the end
            found[task_id] = None
        self._others = self._others or list(self._seen)
        found |= dict.fromkeys(self._others[-OTHERS_READ:])
        del self._others[-OTHERS_READ:]
        return found

    def _of_task(self, task_id: str, task: TaskState | None, now: float) -> Iterator[FoundEvent]:
        if task is None:  # its retention is over, or the fake was reset
            self._seen.pop(task_id, None)
            self._overdue.pop(task_id, None)
            return
        seen = self._seen.get(task_id, _Followed(-1, -1))
        if seen.version == task.version and seen.attempts == len(task.attempts) and now < seen.next_at:
            if seen.overdue:
                self._overdue[task_id] = None
            return
        if seen.changes >= 0:
            yield from self._events(task, now, seen)
        self._follow(task, now)

    def _events(self, task: TaskState, now: float, seen: _Followed) -> Iterator[FoundEvent]:
        account, shown = task.record.account, cache(partial(show_task, self._fake, task, now))
        for change in task.history(now)[seen.changes :]:
            yield FoundEvent(change.at, "task", account, partial(_task_event, task, change, shown))
        for attempt in task.attempts[seen.attempts :]:
            yield FoundEvent(attempt.at, "callback", account, partial(_callback_event, task, attempt))

    def _follow(self, task: TaskState, now: float) -> None:
        """Follow a task while it may change."""
        record, name = task.record, task.record.id
        if task.at(now).status.terminal and not record.request.callback_url:
            self._seen.pop(name, None)
            self._overdue.pop(name, None)
            return
        delivery = next_delivery(task, self._fake.settings) if record.request.callback_url else None
        due = NEVER if delivery is None else delivery.due
        next_at = min([at for at in (*task.plan.instants(task.times), due) if at > now], default=NEVER)
        self._seen[name] = _Followed(
            len(task.history(now)), len(task.attempts), next_at, task.version, due <= now
        )
        self._soonest = min(self._soonest, next_at)
        if due <= now:
            self._overdue[name] = None
        while len(self._seen) > FOLLOWED:
            oldest, _ = self._seen.popitem(last=False)
            self._overdue.pop(oldest, None)


def _task_event(
    task: TaskState, change: Transition, shown: Callable[[], task_models.Task]
) -> task_models.TaskEvent:
    record = task.record
    failure = task.plan.failure if change.status is TaskStatus.FAILED else None
    return task_models.TaskEvent(record.id, record.account, str(change.status), change.at, failure, shown())


def _callback_event(task: TaskState, attempt: AttemptRecord) -> task_models.CallbackEvent:
    record = task.record
    name = models.callback_id(record.id, attempt.position)
    return task_models.CallbackEvent(name, record.id, record.account, show_attempt(attempt))
