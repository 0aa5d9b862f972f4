"""Faults of pages, lists and the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from kling_mock.records import (
    CallRecord,
    PollRecord,
    TaskState,
)
from kling_mock.stores import (
    CallsKey,
    Change,
    Expect,
    Key,
    PageKey,
    TasksKey,
)
from tests.kling_mock.stores.faulty.base import FaultyStore, Records, States, found_by

if TYPE_CHECKING:
    pass


@found_by("pages_newest_first")
class PagesOldestFirst(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return value[::-1] if isinstance(key, PageKey) else value


@found_by("pages_newest_first")
class PagesOverlap(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, PageKey):
            return value
        return self.read_page(replace(key, first=max(key.first - 1, 0)), now)


@found_by("pages_by_operation")
class PagesOneOperationAfterAnother(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, PageKey):
            return value
        return tuple(sorted(value, key=lambda state: cast("TaskState", state).record.operation))


@found_by("pages_by_operation")
class PagesOfAllOperations(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, PageKey):
            return value
        every = frozenset(new.record.operation for new in self.made)
        return self.read_page(replace(key, operations=every), now)


@found_by("tasks_oldest_first")
class TasksByAccount(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, TasksKey):
            return value
        return tuple(sorted(value, key=lambda state: cast("TaskState", state).record.account))


@found_by("lists_up_to_date")
class ListsFirstStates(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, PageKey):
            return value
        plans = {new.record.id: new.plan for new in self.made}
        return tuple(TaskState(each.record, plans[each.record.id]) for each in cast("States", value))


@found_by("lists_up_to_date")
class TasksInOrderOfWriting(FaultyStore):
    """A task that is written again moves to the end."""

    def after(self, records: Records) -> None:
        for each in records:
            if isinstance(each, PollRecord):
                self._tasks[each.task_id] = self._tasks.pop(each.task_id)


@found_by("lists_without_expired")
class ListsExpired(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return tuple(self._tasks.values()) if isinstance(key, TasksKey) else value


@found_by("lists_without_expired")
class PagesCountExpired(FaultyStore):
    """Expired tasks leave gaps in pages."""

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        gone = isinstance(key, PageKey) and any(self.expired(new, now) for new in self.made)
        return value[:-1] if gone else value


@found_by("journal_in_order")
class JournalShowsCallsOfNoAccount(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, CallsKey) or key.account is None:
            return value
        return tuple(call for call in self._calls.of(None) if call.account in (None, key.account))


@found_by("journal_in_order")
class JournalKeepsTwentyCalls(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return value[-20:] if isinstance(key, CallsKey) else value


@found_by("journal_after_refusal")
class JournalsRefusedChanges(FaultyStore):
    def commit(self, change: Change) -> Expect | None:
        failed = super().commit(change)
        if failed is not None:
            calls = tuple(each for each in change.records if isinstance(each, CallRecord))
            super().commit(Change((), calls))
        return failed
