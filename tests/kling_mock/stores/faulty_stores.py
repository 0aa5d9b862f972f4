"""Faulty stores, one fault each, and the conformance check that finds it."""

from __future__ import annotations

import itertools
from time import sleep
from time import time as system_time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from msgspec.structs import replace

from kling_mock.matching import Scripts
from kling_mock.plan import NEVER
from kling_mock.records import (
    CallRecord,
    ClockRecord,
    NewTask,
    PlanRecord,
    PollRecord,
    Record,
    RuleRecord,
    TaskState,
    TokenRecord,
)
from kling_mock.stores import (
    AccountKey,
    AccountState,
    AttemptsKey,
    CallsKey,
    Change,
    ClockKey,
    Expect,
    ExternalKey,
    Key,
    PageKey,
    ScriptsKey,
    Snapshot,
    TaskKey,
    TasksKey,
    Ticket,
    TokenKey,
)
from kling_mock.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kling_mock.clock import Clock
    from kling_mock.stores import Store

Expected = tuple[Expect, ...]
Records = tuple[Record, ...]
States = tuple[TaskState, ...]


class FaultyStore(MemoryStore):
    """A memory store with places to put a fault in: values read, preconditions and records of a commit."""

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
        """What is done after a change was written."""

    def of_account(self, account: str) -> list[NewTask]:
        return [new for new in self.made if new.record.account == account]

    def expired(self, new: NewTask, now: float) -> bool:
        return now >= self._expiry(new.record)


FAULTS: list[tuple[str, type[FaultyStore]]] = []
Fault = TypeVar("Fault", bound=type[FaultyStore])


def found_by(check: str) -> Callable[[Fault], Fault]:
    """The check that is meant for a fault. Others may find it as well."""

    def add(fault: Fault) -> Fault:
        FAULTS.append((check, fault))
        return fault

    return add


# -- reading and committing


@found_by("empty_store")
class UnknownAccountRaises(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if isinstance(key, AccountKey) and not self.of_account(key.account):
            raise KeyError(key.account)
        return value


@found_by("empty_store")
class NothingIsVersionZero(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(replace(each, version=each.version or 0) for each in expect)


@found_by("present_in_every_read")
class StalePresent(FaultyStore):
    """The present is that of the first read."""

    first: float | None = None

    def present(self, now: float) -> float:
        self.first = self.first or now - 1
        return self.first


@found_by("change_written_whole")
class LosesWrite(FaultyStore):
    def kept(self, records: Records) -> Records:
        return records[:-2] + records[-1:] if len(records) > 5 else records


@found_by("change_written_whole")
class LosesJournal(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(each for each in records if len(records) == 1 or not isinstance(each, CallRecord))


@found_by("change_refused_whole")
class WritesBeforeComparing(FaultyStore):
    """The first record is written before the last precondition is compared."""

    def commit(self, change: Change) -> Expect | None:
        *first, last = change.expect or (Expect(AccountKey("absent"), 0),)
        failed = super().commit(Change(tuple(first), change.records[:1]))
        return failed or super().commit(Change((last,), change.records[1:]))


@found_by("failed_precondition_named")
class NamesLastPrecondition(FaultyStore):
    def commit(self, change: Change) -> Expect | None:
        return None if super().commit(change) is None else change.expect[-1]


@found_by("versions_compared")
class IgnoresAttempts(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(each for each in expect if not isinstance(each.key, AttemptsKey))


@found_by("versions_compared")
class NoneIsAnyVersion(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(each for each in expect if each.version is not None)


@found_by("versions_compared")
class OldVersionsHold(FaultyStore):
    """A version that the account had before is taken for its present one."""

    def compared(self, expect: Expected) -> Expected:
        return tuple(
            each
            for each in expect
            if not isinstance(each.key, AccountKey)
            or each.version is None
            or each.version > len(self.of_account(each.key.account))
        )


@found_by("stale_decision_refused")
class PlansAlwaysWritten(FaultyStore):
    def commit(self, change: Change) -> Expect | None:
        plans = [each for each in change.records if isinstance(each, PlanRecord)]
        return super().commit(Change(() if plans else change.expect, change.records))


class RacyStore(FaultyStore):
    """Compares first, and writes some time later."""

    racing: ClassVar[type[Any]]

    def commit(self, change: Change) -> Expect | None:
        if not any(isinstance(each, self.racing) for each in change.records):
            return super().commit(change)
        failed = super().commit(Change(change.expect, ()))
        sleep(0)  # another thread may run
        return failed or super().commit(Change((), change.records))


@found_by("parallel_polls_counted")
class RacyPolls(RacyStore):
    racing = PollRecord


@found_by("parallel_creates_numbered")
class RacyCreates(RacyStore):
    racing = NewTask


@found_by("external_id_taken_once")
class RacyExternalIds(RacyStore):
    racing = NewTask


@found_by("parallel_advances_added")
class RacyClock(RacyStore):
    racing = ClockRecord


@found_by("parallel_snapshots_consistent")
class TornSnapshot(FaultyStore):
    def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        values: dict[Key[Any], object] = {}
        for key in keys:
            values[key] = super().read((key,))[key]
            sleep(0)  # another thread may run
        return Snapshot(self.clock.now(), values)


@found_by("parallel_snapshots_consistent")
class ChangeSeenInParts(FaultyStore):
    def commit(self, change: Change) -> Expect | None:
        *parts, last = ((each,) for each in change.records)
        failed = super().commit(Change(change.expect, ()))
        for part in parts if failed is None else ():
            super().commit(Change((), part))
            sleep(0)  # another thread may run
        return failed or super().commit(Change((), last))


# -- one task


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
    """The attempts of all changes of a task are counted together."""

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


# -- totals


class FaultyTotals(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return self.totals(key.account, value, now) if isinstance(key, AccountKey) else value

    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        raise NotImplementedError


@found_by("totals_added_up")
class CountsTasksNotImages(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        index = self._accounts.get(account)
        return replace(state, unfinished=len(index._open) if index else 0)


@found_by("success_keeps_units")
class EveryEndReturnsUnits(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        return replace(state, units=state.unfinished * 16)


@found_by("failure_returns_units")
class ForgetsFailures(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        return replace(state, units=sum(new.record.units for new in self.of_account(account)))


@found_by("failure_returns_units")
class FailsOneMillisecondLate(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        late = [
            new.record.units
            for new in self.of_account(account)
            if new.plan.failure and new.plan.ends <= now < new.plan.ends + 0.001
        ]
        return replace(state, units=state.units + sum(late))


@found_by("failure_unobserved")
class ForgetsFailuresOfExpiredTasks(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        failed = [
            new.record.units
            for new in self.of_account(account)
            if new.plan.failure and new.plan.ends < self._expiry(new.record) <= now
        ]
        return replace(state, units=state.units + sum(failed))


@found_by("ended_at_creation")
class UnfinishedAtTheInstantOfCreation(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        new_now = [new for new in self.of_account(account) if new.record.created == now == new.plan.ends]
        return replace(state, unfinished=state.unfinished + len(new_now))


@found_by("counted_poll_ends")
class EveryPollEnds(FaultyTotals):
    """Polls without an instant end a task whose plan counts queries."""

    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        states = (self._tasks[new.record.id] for new in self.of_account(account))
        ended = [
            each for each in states if each.plan.counted and len(each.times) < each.plan.ends <= each.polls
        ]
        return replace(state, unfinished=state.unfinished - len(ended))


@found_by("plan_moves_end")
class EndsByFirstPlan(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        open_ = [new.record.request.n for new in self.of_account(account) if now < new.plan.ends]
        return replace(state, unfinished=sum(open_))


@found_by("outcome_replaced")
class ReturnsUnitsForEver(FaultyTotals):
    """Units that have returned are not reserved again."""

    least: int = 16

    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        self.least = min(self.least, state.units)
        return replace(state, units=self.least)


@found_by("expired_not_unfinished")
class ExpiredTasksAreUnfinished(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        held = [n for n in self.of_account(account) if n.plan.ends == NEVER and self.expired(n, now)]
        return replace(state, unfinished=state.unfinished + len(held))


# -- lists


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
    """A task that is written anew moves to the end."""

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
    """What has expired leaves a gap in a page."""

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


# -- retention


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
    """The id of an expired task is taken for free; dropping the old task drops the new one."""

    def compared(self, expect: Expected) -> Expected:
        now = self.clock.now()
        return tuple(
            each
            for each in expect
            if not isinstance(each.key, TaskKey) or self._task(each.key.id, now) is not None
        )


@found_by("creates_counted_on")
class CountsKeptTasks(FaultyTotals):
    def totals(self, account: str, state: AccountState, now: float) -> AccountState:
        kept = [new for new in self.of_account(account) if not self.expired(new, now)]
        return replace(state, created=len(kept))


# -- what accounts share


class FaultyScripts(FaultyStore):
    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self.written: list[RuleRecord] = []

    def after(self, records: Records) -> None:
        self.written += [each for each in records if isinstance(each, RuleRecord)]

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return self.scripts(cast("Scripts", value)) if isinstance(key, ScriptsKey) else value

    def scripts(self, scripts: Scripts) -> Scripts:
        raise NotImplementedError


@found_by("rules_by_number")
class RulesInOrderOfWriting(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        latest = {rule.id: rule for rule in self.written}
        return Scripts(scripts.version, list(latest.values()), scripts.used)


@found_by("rule_replaced")
class AppendsRules(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        return Scripts(scripts.version, sorted(self.written, key=lambda rule: rule.id), scripts.used)


@found_by("script_version")
class VersionIsTheNumberOfRules(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        return Scripts(len(scripts.rules), scripts.rules, scripts.used)


@found_by("uses_counted")
class ScriptsWithoutUses(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        return Scripts(scripts.version, scripts.rules, {})


@found_by("tickets_from_zero")
class OneCounter(FaultyStore):
    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self.numbers = itertools.count()

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return next(self.numbers) if isinstance(key, Ticket) else value


@found_by("tickets_never_repeated")
class RepeatsTickets(FaultyStore):
    """The next number is read first and written some time later."""

    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self.next: dict[Key[Any], int] = {}

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, Ticket):
            return value
        number = self.next.get(key, 0)
        sleep(0)  # another thread may run
        self.next[key] = number + 1
        return number


@found_by("token_written_once")
class LastTokenWins(FaultyStore):
    def after(self, records: Records) -> None:
        self._tokens |= {each.digest: each.expires for each in records if isinstance(each, TokenRecord)}


@found_by("token_outlives_its_life")
class ForgetsExpiredTokens(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return None if isinstance(key, TokenKey) and value is not None and now >= value else value


@found_by("token_past_retention")
class OldTokensRaise(FaultyStore):
    def kept(self, records: Records) -> Records:
        for each in records:
            if isinstance(each, TokenRecord) and each.expires + self._retention < self.clock.now():
                raise IndexError("pop from an empty deque")
        return records


@found_by("clock_follows_record")
class LosesJumps(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return replace(value, jumps=()) if isinstance(key, ClockKey) else value


@found_by("clock_runs")
class StandsForEver(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(replace(each, speed=0.0) if isinstance(each, ClockRecord) else each for each in records)


@found_by("clock_never_back")
class GoesBack(FaultyStore):
    def present(self, now: float) -> float:
        return self.clock.record.at(system_time())


class OwnCounters:
    """A handle with counters of its own: what a fake would have that counts beside the store."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.clock = store.clock
        self.commit = store.commit
        self.counters: dict[Key[Any], itertools.count[int]] = {}

    def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        snapshot = self.inner.read(keys)
        values = {key: snapshot[key] for key in keys}
        for key in keys:
            if isinstance(key, Ticket):
                values[key] = next(self.counters.setdefault(key, itertools.count()))
        return Snapshot(snapshot.now, values)
