"""Base classes of faulty stores. Each has one fault, and names the conformance check that finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from kling_mock.records import (
    NewTask,
    Record,
    TaskState,
)
from kling_mock.stores import (
    AccountKey,
    AccountState,
    Change,
    Expect,
    Key,
    Snapshot,
)
from kling_mock.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kling_mock.timing.clock import Clock

Expected = tuple[Expect, ...]
Records = tuple[Record, ...]
States = tuple[TaskState, ...]


class FaultyStore(MemoryStore):
    """A memory store with methods to override for a fault: read values, preconditions and written records."""

    finder: ClassVar[str] = ""

    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self.made: list[NewTask] = []

    def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        snapshot = super().read(keys)
        values = {key: self.shown(key, snapshot[key], snapshot.now) for key in keys}
        return Snapshot(self.present(snapshot.now), values)

    def commit(self, change: Change) -> Expect | None:
        failed = super().commit(Change(self.compared(change.expect), self.kept(change.records)))
        if failed is None:
            self.made += [record for record in change.records if isinstance(record, NewTask)]
            self.after(change.records)
        return failed

    def present(self, now: float) -> float:
        return now

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return value

    def compared(self, expect: Expected) -> Expected:
        return expect

    def kept(self, records: Records) -> Records:
        return records

    def after(self, records: Records) -> None:
        """Called after a change was written."""

    def of_account(self, account: str | None) -> list[NewTask]:
        return [new for new in self.made if account in (None, new.record.account)]

    def expired(self, new: NewTask, now: float) -> bool:
        return now >= self._expiry(new.record)


Fault = TypeVar("Fault", bound=type[FaultyStore])


def found_by(check: str) -> Callable[[Fault], Fault]:
    """Mark a fault with the id of the check that must find it. Others may find it too."""

    def note(fault: Fault) -> Fault:
        fault.finder = check
        return fault

    return note


class FaultyTotals(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return self.totals(key.account, value, now) if isinstance(key, AccountKey) else value

    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        raise NotImplementedError
