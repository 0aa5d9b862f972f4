"""A handle on one task: what a test reads of it, and the verbs that end it. Looking is no query."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from kling_contracts.vocabulary import TaskStatus
from kling_mock.control import finish_task, read_task
from kling_mock.images.urls import result_url
from kling_mock.plan import NEVER, Transition
from kling_mock.records import TaskRecord, TaskRequest, TaskState
from kling_mock.scenario import check_message
from kling_mock.settings import Settings
from kling_mock.stores import CallsKey, Store, run
from kling_mock.testing.journal import SHOWN, elapsed, line
from kling_mock.timing.notifier import ChangeNotifier


class TaskHandle:
    """One task of a fake."""

    def __init__(self, record: TaskRecord, store: Store, settings: Settings, watch: ChangeNotifier) -> None:
        self._record = record
        self._store = store
        self._settings = settings
        self._notifier = watch

    @property
    def id(self) -> str:
        """`task_id`, a decimal string."""
        return self._record.id

    @property
    def request(self) -> TaskRequest:
        """What was asked for, defaults filled in."""
        return self._record.request

    def _read(self) -> tuple[TaskState, float]:
        return run(read_task(self.id), self._store)

    @property
    def status(self) -> TaskStatus:
        """The status at this moment. Like everything here, raises LookupError after the task's retention."""
        task, now = self._read()
        return task.at(now).status

    @property
    def failure(self) -> str | None:
        """`task_status_msg` if the task has failed."""
        task, now = self._read()
        return task.plan.failure if task.at(now).status is TaskStatus.FAILED else None

    @property
    def polls(self) -> int:
        """How many queries found this task."""
        return self._read()[0].polls

    @property
    def history(self) -> tuple[Transition, ...]:
        """Every change so far, oldest first, each with its instant in Unix seconds."""
        task, now = self._read()
        return task.history(now)

    @property
    def images(self) -> tuple[str, ...]:
        """The result URLs; empty unless the task has succeeded."""
        if self.status is not TaskStatus.SUCCEED:
            return ()
        count = range(self.request.n)
        return tuple(result_url(self._record, index, self._settings.seed) for index in count)

    def assert_status(self, status: TaskStatus | str, *, within: float | None = None) -> None:
        """Assert that the task has this status.

        With `within`, wait so many seconds of real time for other threads, and for the clock if it runs,
        to bring it there. A task that has ended otherwise is not waited for.
        """
        wanted = _known(status)
        self._notifier.wait(lambda: self.status.terminal or self.status is wanted, within, self._next_change)
        came = self.status
        if came is not wanted:
            failure = f" ({self.failure})" if came is TaskStatus.FAILED else ""
            raise AssertionError(self._explain(f"to be {wanted}, but it is {came}{failure}"))

    def assert_polled(
        self, times: int | None = None, *, at_most: int | None = None, within: float | None = None
    ) -> None:
        """Assert that the task was queried: exactly `times` times, once to `at_most` times, or at all.

        With `within`, wait so many seconds of real time for other threads to query it as often as that.
        """
        if times is not None and at_most is not None:
            raise TypeError("give either times, an exact number, or at_most")
        least = 1 if times is None else times
        most = at_most if times is None else times
        self._notifier.wait(lambda: self.polls >= least, within)
        came = self.polls
        if came < least or (most is not None and came > most):
            number = "at least once" if most is None else f"1 to {most} times"
            number = number if times is None else f"exactly {times} times"
            raise AssertionError(self._explain(f"to be polled {number}, but it was polled {came} times"))

    def _next_change(self) -> float:
        task, now = self._read()
        instants = task.plan.instants(task.times)
        return min((instant for instant in instants if instant > now), default=NEVER)

    def _explain(self, expectation: str) -> str:
        """An expectation that was not met, the task's history, and the queries that came."""
        start = self._record.created
        history = ", ".join(f"{change.status} {elapsed(start, change.at)}" for change in self.history)
        lines = [f"expected task {self.id} {expectation}", f"  history: {history}", "  queries that came:"]
        key = CallsKey(self._record.account)
        calls = self._store.read((key,))[key]
        came = [call for call in calls if call.task_id == self.id and call.method == "GET" and call.shown]
        if len(came) > SHOWN:
            lines.append(f"    {len(came) - SHOWN} before these")
        lines += [f"    {elapsed(start, call.at)} {line(call)}" for call in came[-SHOWN:]]
        return "\n".join(lines if came else [*lines[:-1], "  no query came"])

    def release(self) -> None:
        """End the task now, the way it was going to end. Raises TaskAlreadyEnded if it has ended."""
        self._finish(lambda planned: planned)

    def succeed(self) -> None:
        """End the task now, successfully. Raises TaskAlreadyEnded if it has ended."""
        self._finish(lambda _: None)

    def fail(self, message: str) -> None:
        """End the task now, failed with this `task_status_msg`. Raises TaskAlreadyEnded if it has ended."""
        check_message(message)
        self._finish(lambda _: message)

    def _finish(self, failure: Callable[[str | None], str | None]) -> None:
        run(finish_task(self.id, failure), self._store)
        self._notifier.notify(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskHandle) and other._record == self._record

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        prompt = self.request.prompt
        shown = prompt if len(prompt) <= 30 else prompt[:27] + "..."
        return f"<task {self.id} {self.status}, {self.polls} polls, prompt {shown!r}>"


def _known(status: str) -> TaskStatus:
    try:
        return TaskStatus(status)
    except ValueError:
        near = difflib.get_close_matches(status, list(TaskStatus)) or list(TaskStatus)
        raise ValueError(f"there is no status {status!r}; did you mean {', '.join(near)}?") from None
