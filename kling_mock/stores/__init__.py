"""Stores: the only mutable thing of a fake. All of them keep the interface of `Store`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from kling_mock.plan import Plan
from kling_mock.records import AttemptRecord, CallRecord, Change, Polls, RuleRecord, TaskRecord


class View(Protocol):
    """What decisions read. Reading never changes anything."""

    def now(self) -> float:
        """The present in Unix seconds: the one way by which time enters."""
        ...

    def task(self, task_id: str) -> TaskRecord | None: ...

    def plan(self, task_id: str) -> Plan: ...

    def polls(self, task_id: str) -> Polls: ...

    def created_count(self, account: str) -> int:
        """How many tasks the account has created so far."""
        ...

    def external(self, account: str, external_id: str) -> TaskRecord | None: ...

    def tasks(self, account: str | None = None) -> Iterator[TaskRecord]:
        """Every task, of one account or of all, oldest first."""
        ...

    def rules(self) -> Sequence[RuleRecord]:
        """Scripted rules with uses left, oldest first."""
        ...

    def spent_rules(self) -> Sequence[RuleRecord]:
        """Scripted rules that have been used up, oldest first."""
        ...

    def attempts(self, task_id: str, position: int) -> Sequence[AttemptRecord]: ...

    def token(self, digest: str) -> float | None:
        """When a signed bearer expires on this clock; None if it was never seen."""
        ...

    def calls(self) -> Sequence[CallRecord]:
        """The journal, oldest first; the oldest entries go when it is full."""
        ...


class Store(View, Protocol):
    """A view that can be written to."""

    def commit(self, change: Change) -> str | None:
        """Write all records, or none and return the name of the precondition that failed."""
        ...
