"""A handle on one task: what a test reads of it, and the verbs that end it. Looking is no query."""

from __future__ import annotations

from collections.abc import Callable

from contracts.vocabulary import TaskStatus
from kling_mock.pictures import result_url
from kling_mock.plan import Transition
from kling_mock.records import PlanRecord, TaskRecord, TaskRequest
from kling_mock.service import state_of
from kling_mock.settings import Settings
from kling_mock.stores import Store


class TaskOver(AssertionError):
    """A verb came too late: terminal states absorb."""


class TaskHandle:
    """One task of a fake."""

    def __init__(
        self, record: TaskRecord, store: Store, settings: Settings, settle: Callable[[], None]
    ) -> None:
        self._record = record
        self._store = store
        self._settings = settings
        self._settle = settle

    @property
    def id(self) -> str:
        """`task_id`, a decimal string."""
        return self._record.id

    @property
    def request(self) -> TaskRequest:
        """What was asked for, defaults filled in."""
        return self._record.request

    @property
    def status(self) -> TaskStatus:
        """The status at this moment."""
        return state_of(self._store, self._record, self._store.now()).status

    @property
    def failure(self) -> str | None:
        """`task_status_msg` if the task has failed."""
        failed = self.status is TaskStatus.FAILED
        return self._store.plan(self.id).failure if failed else None

    @property
    def polls(self) -> int:
        """How many queries found this task."""
        return self._store.polls(self.id).total

    @property
    def history(self) -> tuple[Transition, ...]:
        """Every change so far, oldest first, each with its instant in Unix seconds."""
        times = self._store.polls(self.id).times
        return self._store.plan(self.id).history(self._record.created, times, self._store.now())

    @property
    def images(self) -> tuple[str, ...]:
        """The result URLs; empty unless the task has succeeded."""
        if self.status is not TaskStatus.SUCCEED:
            return ()
        count = range(self.request.n)
        return tuple(result_url(self._record, index, self._settings.seed) for index in count)

    def release(self) -> None:
        """End the task now, the way it was going to end. Raises TaskOver if it has ended."""
        self._finish(lambda planned: planned)

    def succeed(self) -> None:
        """End the task now, successfully. Raises TaskOver if it has ended."""
        self._finish(lambda _: None)

    def fail(self, message: str) -> None:
        """End the task now, failed with this `task_status_msg`. Raises TaskOver if it has ended."""
        if not message:
            raise ValueError("a failed task says why: give a message")
        self._finish(lambda _: message)

    def _finish(self, failure: Callable[[str | None], str | None]) -> None:
        while True:
            plan, times, now = self._store.plan(self.id), self._store.polls(self.id).times, self._store.now()
            state = plan.state(self._record.created, times, now)
            if state.status.terminal:
                raise TaskOver(f"task {self.id} has already ended: {state.status} at {state.at:.3f}")
            finished = plan.finished(times, now, failure(plan.failure))
            if self._store.commit((PlanRecord(self.id, finished, plan),)) is None:
                break
        self._settle()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskHandle) and other._record == self._record

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        prompt = self.request.prompt
        shown = prompt if len(prompt) <= 30 else prompt[:27] + "..."
        return f"<task {self.id} {self.status}, {self.polls} polls, prompt {shown!r}>"
