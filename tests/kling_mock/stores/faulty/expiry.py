"""Faults of retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kling_mock.stores import (
    AccountState,
    ExternalKey,
    Key,
    TaskKey,
)
from tests.kling_mock.stores.faulty.base import Expected, FaultyStore, FaultyTotals, found_by

if TYPE_CHECKING:
    from kling_mock.timing.clock import Clock


@found_by("retention_exact")
class ExpiresOneMillisecondLate(FaultyStore):
    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention + 0.001, journal_bytes=journal_bytes)


@found_by("retention_exact")
class ExpiresOneMillisecondEarly(FaultyStore):
    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention - 0.001, journal_bytes=journal_bytes)


@found_by("retention_exact")
class ExternalIdsOutliveTasks(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, ExternalKey):
            return value
        account = self._accounts.get(key.account)
        return self._tasks.get(account.externals.get(key.id, "")) if account else None


@found_by("retention_from_creation")
class PollsProlongRetention(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        state = self._tasks.get(key.id) if isinstance(key, TaskKey) else None
        return state if state is not None and state.polls else value


@found_by("expired_not_written")
class ExpiredTasksHaveVersions(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(
            each
            for each in expect
            if not isinstance(each.key, TaskKey)
            or each.key.id not in self._tasks
            or self._tasks[each.key.id].version != each.version
        )


@found_by("external_id_free_again")
class ExternalIdsEndWithTheirFirstTask(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, ExternalKey):
            return value
        first = next((n for n in self.made if n.record.request.external_task_id == key.id), None)
        return None if first is None or self.expired(first, now) else value


@found_by("expired_id_used_again")
class WritesOverExpiredTasks(FaultyStore):
    """Treats the id of an expired task as free; dropping the old task drops the new one."""

    def compared(self, expect: Expected) -> Expected:
        now = self.clock.now()
        return tuple(
            each
            for each in expect
            if not isinstance(each.key, TaskKey) or self._task(each.key.id, now) is not None
        )


@found_by("creates_counted_on")
class CountsKeptTasks(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        kept = [new for new in self.of_account(account) if not self.expired(new, now)]
        return replace(state, created=len(kept))
