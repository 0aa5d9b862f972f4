"""A handle on one task: its state for assertions, and the methods that end it; independent of its source."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from kling_contracts.vocabulary import TaskStatus
from kling_mock.faults import Fault, uses_of
from kling_mock.plan import NEVER, Transition
from kling_mock.records import CallRecord, TaskRecord, TaskState
from kling_mock.scripts.task_faults import TaskFaults
from kling_mock.suggestions import status_of
from kling_mock.task_request import TaskRequest
from kling_mock.testing.journal import SHOWN, check_count, elapsed, line, printable
from kling_mock.timing.notifier import Waiter


class ShownStatus(NamedTuple):
    """A reply to a query of a task: its instant, the status that it shows (None: the task was unknown).

    `actual` is the true status, `faults` are the kinds of the faults in the reply.
    """

    at: float
    status: str | None
    actual: str
    faults: tuple[str, ...]


class TaskHandle(TaskFaults):
    """One task of a fake. Reading it is not a query: it does not count as a poll.

    A fault (`sticks()`, ...) changes later replies about the task; it must be given before the task ends.
    """

    def __init__(self, record: TaskRecord, notifier: Waiter) -> None:
        self._record = record
        self._notifier = notifier

    @property
    def id(self) -> str:
        """`task_id`, a decimal string."""
        return self._record.id

    @property
    def account(self) -> str:
        """The name of its account."""
        return self._record.account

    @property
    def request(self) -> TaskRequest:
        """The create request, with defaults filled in."""
        return self._record.request

    @abstractmethod
    def read(self) -> tuple[TaskState, float]:
        """The record of the task, and the present in Unix seconds."""

    @abstractmethod
    def _queries(self) -> Sequence[CallRecord]:
        """The queries of this task that the journal still has, oldest first."""

    @property
    def status(self) -> TaskStatus:
        """The present status. Raises LookupError after the retention of the task, as do the members below."""
        task, now = self.read()
        return task.at(now).status

    @property
    def failure(self) -> str | None:
        """`task_status_msg` if the task has failed."""
        task, now = self.read()
        return task.plan.failure if task.at(now).status is TaskStatus.FAILED else None

    @property
    def polls(self) -> int:
        """The number of queries that found this task."""
        return self.read()[0].polls

    @property
    def history(self) -> tuple[Transition, ...]:
        """All true changes so far, oldest first, with their instants in Unix seconds."""
        task, now = self.read()
        return task.history(now)

    @property
    def faults(self) -> tuple[tuple[Fault, int], ...]:
        """The faults of the task, each with the number of replies that showed it."""
        task, _ = self.read()
        faults = task.plan.faults
        uses = uses_of(faults, task.fault_uses)
        return tuple([(fault, use.shown) for fault, use in zip(faults, uses, strict=True)])

    @property
    def shown(self) -> tuple[ShownStatus, ...]:
        """The replies to queries of this task, oldest first: those that the journal still has."""
        return tuple(
            ShownStatus(call.at, call.shown, str(call.actual or call.shown), call.faults)
            for call in self._queries()
        )

    @property
    @abstractmethod
    def images(self) -> tuple[str, ...]:
        """The result URLs; empty unless the task has succeeded."""

    def assert_status(self, status: TaskStatus | str, *, within: float | None = None) -> None:
        """Assert that the task has this status.

        `within`: wait up to this number of seconds of real time until it has, because of other threads or a
        running clock. Fails without waiting if the task has ended with another status. Raises ValueError for
        an unknown status.
        """
        wanted = status_of(status)
        self._notifier.wait(lambda: self.status.terminal or self.status is wanted, within, self._next_change)
        actual = self.status
        if actual is not wanted:
            failure = f" ({self.failure})" if actual is TaskStatus.FAILED else ""
            raise AssertionError(self._explain(f"to be {wanted}, but it is {actual}{failure}"))

    def assert_polled(
        self, times: int | None = None, *, at_most: int | None = None, within: float | None = None
    ) -> None:
        """Assert the number of queries of the task: exactly `times`, 1 to `at_most`, or at least 1.

        `within`: wait up to this number of seconds of real time for other threads to query it.
        """
        if times is not None and at_most is not None:
            raise TypeError("times and at_most: give only one of them")
        check_count("times", times)
        check_count("at_most", at_most)
        least = 1 if times is None else times
        most = at_most if times is None else times
        self._notifier.wait(lambda: self.polls >= least, within)
        actual = self.polls
        if actual < least or (most is not None and actual > most):
            number = "at least once" if most is None else f"1 to {most} times"
            number = number if times is None else f"exactly {times} times"
            raise AssertionError(self._explain(f"to be polled {number}, but it was polled {actual} times"))

    def _next_change(self) -> float:
        task, now = self.read()
        instants = task.plan.instants(task.times)
        return min((instant for instant in instants if instant > now), default=NEVER)

    def _explain(self, expectation: str) -> str:
        """The message for a failed expectation, with the history and the queries of the task."""
        start = self._record.created
        history = ", ".join(f"{change.status} {elapsed(start, change.at)}" for change in self.history)
        lines = [f"expected task {self.id} {expectation}", f"  history: {history}", "  queries:"]
        queries = self._queries()
        if len(queries) > SHOWN:
            lines.append(f"    {len(queries) - SHOWN} earlier ones")
        lines += [f"    {elapsed(start, call.at)} {line(call)}" for call in queries[-SHOWN:]]
        return "\n".join(map(printable, lines if queries else [*lines[:-1], "  queries: none"]))

    @abstractmethod
    def release(self) -> None:
        """End the task now, with its planned outcome. Raises TaskAlreadyEnded if it has ended."""

    @abstractmethod
    def succeed(self) -> None:
        """End the task now, successfully. Raises TaskAlreadyEnded if it has ended."""

    @abstractmethod
    def fail(self, message: str) -> None:
        """End the task now, failed with this `task_status_msg`. Raises TaskAlreadyEnded if it has ended."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskHandle) and other._record == self._record

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        prompt = self.request.prompt
        shown = prompt if len(prompt) <= 30 else prompt[:27] + "..."
        return f"<task {self.id} {self.status}, {self.polls} polls, prompt {shown!r}>"
