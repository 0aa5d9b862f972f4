"""The API for tests of one account or of all, over any source: a fake in process, or a server."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from kling_contracts.explained_error import ExplainedError
from kling_contracts.gateways import Gateway
from kling_mock.callbacks.model import Callback
from kling_mock.criteria import CriterionKind, criteria_of
from kling_mock.records import CallRecord, Jump, RuleRecord
from kling_mock.testing.journal import Calls, check_count
from kling_mock.testing.next_event import NextEvent
from kling_mock.testing.payments import Payment, explain
from kling_mock.testing.request_scripts import RequestScripts
from kling_mock.testing.task_handle import TaskHandle
from kling_mock.timing.notifier import Waiter


class NotOneTask(ExplainedError, AssertionError):
    """`.task` was read while there was no task, or more than one; the message lists them."""


class ViewClock(Protocol):
    """The part of a clock that reports use."""

    @property
    def jumps(self) -> Sequence[Jump]: ...


class View(RequestScripts):
    """Tasks, calls, callbacks, money and scripts of one account or of all (None)."""

    _notifier: Waiter

    @property
    def account_name(self) -> str | None:
        """The name of the account; None: all accounts."""
        return self._account

    @property
    @abstractmethod
    def gateways(self) -> tuple[Gateway, ...]:
        """The gateways that the fake imitates."""

    @property
    @abstractmethod
    def clock(self) -> ViewClock:
        """The clock of the fake."""

    @property
    @abstractmethod
    def tasks(self) -> Sequence[TaskHandle]:
        """Every task, oldest first."""

    @property
    def task(self) -> TaskHandle:
        """The only task. Raises NotOneTask for no task or several tasks."""
        tasks = self.tasks
        if len(tasks) == 1:
            return tasks[0]
        listed = "".join(f"\n  {task!r}" for task in tasks)
        found = f"{len(tasks)} exist:{listed}" if tasks else "none was created"
        calls = "".join(f"\n  {call}" for call in repr(self.calls.refused).splitlines()[1:])
        refused = f"\nrefused requests:{calls}" if calls and not tasks else ""
        raise NotOneTask(f".task expects exactly one task; {found}{refused}")

    @abstractmethod
    def find_task(self, task_id: str) -> TaskHandle | None:
        """The task with this id, or None."""

    @property
    @abstractmethod
    def next_event(self) -> NextEvent | None:
        """The event to which `skip()` moves the clock."""

    @abstractmethod
    def skip(self) -> NextEvent | None:
        """Move the clock to the next event of this view, and return it; None if no event is known.

        Events are changes of tasks, attempts to deliver callbacks, and the ends of rate windows and of
        scripts that last a number of seconds.
        """

    @property
    def calls(self) -> Calls:
        """The journal."""
        return Calls(self._read_calls, self._notifier, self._criteria)

    @abstractmethod
    def _read_calls(self) -> Sequence[CallRecord]: ...

    @abstractmethod
    def reset(self) -> None:
        """Drop the tasks, calls and scripts of this view; clock and settings stay."""

    # -- money

    @property
    @abstractmethod
    def spend(self) -> int:
        """The units spent, and those reserved for unfinished tasks; failed tasks are free."""

    @property
    @abstractmethod
    def peak_concurrency(self) -> int:
        """The largest number of images that were unfinished at once."""

    @abstractmethod
    def _payments(self) -> Sequence[Payment]: ...

    def assert_paid(self, *, images: int) -> None:
        """Assert that exactly this number of images was paid: those of all tasks that have not failed.

        If more were paid, the message has the two most similar requests, the fields in which they differ and
        the time between them. Tasks whose retention is over do not count. Raises ValueError unless `images`
        is an integer of at least 0.
        """
        check_count("images", images)
        paid = self._payments()
        if sum(each.record.request.n for each in paid) != images:
            raise AssertionError(explain(paid, images, self.calls.creates))

    # -- callbacks and scripts

    @property
    @abstractmethod
    def callbacks(self) -> Sequence[Callback]:
        """The callbacks due so far."""

    @property
    @abstractmethod
    def scripts(self) -> Sequence[RuleRecord]:
        """All scripted rules, including used-up ones, oldest first; `uses_left` is the present number."""

    @property
    @abstractmethod
    def script_uses(self) -> Mapping[int, int]:
        """The number of requests to which each scripted rule was applied, by its id."""

    @property
    def draft_scripts(self) -> Sequence[RuleRecord]:
        """Rules of scripts without an outcome, which have no effect, oldest first."""
        return self._written.drafts(self._account)

    def add_script(self, rule: RuleRecord) -> RuleRecord:
        """Write a rule that was made without a fake, and return it with its number."""
        written = self._write_rule(rule)
        self._written.put(written.id, written)
        return written

    @property
    def _criteria(self) -> Mapping[str, CriterionKind]:
        return criteria_of(self.gateways)

    def __repr__(self) -> str:
        account = self._account or "all accounts"
        return f"<{type(self).__name__} of {account}: {len(self.tasks)} tasks, {len(self.calls)} calls>"
