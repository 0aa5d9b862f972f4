"""Faults in the state of one task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kling_mock.records import (
    FaultRecord,
    NewTask,
    PlanRecord,
    PollRecord,
)
from kling_mock.stores import (
    AttemptsKey,
    ExternalKey,
    Key,
    TaskKey,
)
from tests.kling_mock.stores.faulty.base import Expected, FaultyStore, Records, found_by

if TYPE_CHECKING:
    pass


@found_by("task_unchanged")
class NeverIsFarAway(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(
            NewTask(each.record, replace(each.plan, ends=min(each.plan.ends, 1e10)))
            if isinstance(each, NewTask)
            else each
            for each in records
        )


@found_by("task_unchanged")
class LosesThumbnails(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(self._without(each) if isinstance(each, NewTask) else each for each in records)

    @staticmethod
    def _without(new: NewTask) -> NewTask:
        pictures = tuple(replace(each, thumbnail=None) for each in new.record.request.pictures)
        request = replace(new.record.request, pictures=pictures)
        return NewTask(replace(new.record, request=request), new.plan)


@found_by("creation_guarded")
class IgnoresExternalIds(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(each for each in expect if not isinstance(each.key, ExternalKey))


@found_by("external_ids_per_account")
class SharesExternalIds(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, ExternalKey):
            return value
        found = (self.read_external(ExternalKey(account, key.id), now) for account in self._accounts)
        return next((state for state in found if state is not None), None)


@found_by("external_ids_per_account")
class FoldsExternalIds(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, ExternalKey):
            return value
        return value or self.read_external(ExternalKey(key.account, key.id.lower()), now)


@found_by("polls_counted")
class EveryPollHasAnInstant(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(
            replace(each, at=self.clock.now()) if isinstance(each, PollRecord) and each.at is None else each
            for each in records
        )


@found_by("polls_counted")
class LosesPolls(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(each for each in records if not isinstance(each, PollRecord))


@found_by("polls_counted")
class CountsUnansweredPolls(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(
            replace(each, answered=True) if isinstance(each, PollRecord) else each for each in records
        )


@found_by("plan_replaced")
class PlanForgetsPolls(FaultyStore):
    def after(self, records: Records) -> None:
        for each in records:
            if isinstance(each, PlanRecord):
                self._tasks[each.task_id] = replace(self._tasks[each.task_id], polls=0, times=())


@found_by("attempts_kept_in_order")
class AttemptsNewestFirst(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, TaskKey) or value is None:
            return value
        return replace(value, attempts=value.attempts[::-1])


@found_by("attempts_kept_in_order")
class CountsAllAttempts(FaultyStore):
    """Counts the attempts of all changes of a task together."""

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, AttemptsKey) or key.task_id not in self._tasks:
            return value
        return len(self._tasks[key.task_id].attempts)


@found_by("tasks_independent")
class PollsOfAllTasks(FaultyStore):
    def after(self, records: Records) -> None:
        for each in records:
            if isinstance(each, PollRecord):
                for task_id in set(self._tasks) - {each.task_id}:
                    self._tasks[task_id] = replace(self._tasks[task_id], polls=1)


@found_by("many_writes_kept")
class KeepsFiftyPolls(FaultyStore):
    def after(self, records: Records) -> None:
        for task_id, state in list(self._tasks.items()):
            self._tasks[task_id] = replace(state, times=state.times[-50:])


@found_by("fault_uses_kept")
class PollsForgetFaults(FaultyStore):
    def after(self, records: Records) -> None:
        for record in records:
            if isinstance(record, PollRecord):
                self._tasks[record.task_id] = replace(self._tasks[record.task_id], fault_uses=())


@found_by("fault_uses_kept")
class FaultsAreNoChange(FaultyStore):
    """The uses of faults are written without a new version."""

    def after(self, records: Records) -> None:
        for record in records:
            if isinstance(record, FaultRecord):
                state = self._tasks[record.task_id]
                self._tasks[record.task_id] = replace(state, version=state.version - 1)
