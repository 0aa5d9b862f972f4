"""The default store: reads, versions and writes of tables in memory, lost when the process ends.

A subclass that keeps the state elsewhere overrides `_save`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

from kling_mock.matching import Scripts
from kling_mock.records import (
    CallRecord,
    ClockRecord,
    NewTask,
    Record,
    RuleRecord,
    RuleUse,
    TaskRecord,
    TaskState,
    TokenRecord,
    WindowRecord,
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
    PeakKey,
    RuleKey,
    ScriptsKey,
    Snapshot,
    TaskKey,
    TasksKey,
    Ticket,
    TokenKey,
    WindowKey,
)
from kling_mock.stores.tables import Tables
from kling_mock.stores.task_changes import TASK_CHANGES, TaskChange
from kling_mock.timing.clock import Clock

# The number of expired tasks or tokens dropped for each new one: more than 1, so that none accumulate, and
# few, so that no request takes long.
DROPPED_AT_ONCE: Final = 2
# The version of a task that has expired but is not dropped yet. No precondition has it.
EXPIRED: Final = -1


class MemoryStore(Tables):
    """A store in memory. `retention` of tasks is in seconds; `journal_bytes`: memory for the journal."""

    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self._steered = False

    def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        with self._lock:
            now = self.clock.now()
            snapshot = Snapshot(now)
            for key in keys:
                snapshot[key] = _READS[type(key)](self, key, now)
            return snapshot

    def commit(self, change: Change) -> Expect | None:
        with self._lock:
            now = self.clock.latest  # that of the snapshot, unless another thread has read the clock since
            for expected in change.expect:
                key = expected.key
                if _VERSIONS[type(key)](self, key, now) != expected.version:
                    return expected
            self._save(change, now)
            for record in change.records:
                _WRITES[type(record)](self, record, now)
        if self._steered:
            self._steered = False
            self.clock.announce()
        return None

    def _save(self, change: Change, now: float) -> None:
        """Called before a change whose preconditions hold takes effect; it does not if this raises."""

    # -- reading

    def _task(self, task_id: str, now: float) -> TaskState | None:
        state = self._tasks.get(task_id)
        return None if state is None or now >= self._expiry(state.record) else state

    def read_task(self, key: TaskKey, now: float) -> TaskState | None:
        state = self._tasks.get(key.id)  # as `_task`, without calls: most requests are queries
        return None if state is None or now >= state.record.created + self._retention else state

    def read_external(self, key: ExternalKey, now: float) -> TaskState | None:
        account = self._accounts.get(key.account)
        task_id = None if account is None else account.externals.get(key.id)
        return None if task_id is None else self._task(task_id, now)

    def read_account(self, key: AccountKey, now: float) -> AccountState:
        return self._usage.state(key.account, now)

    def read_peak(self, key: PeakKey, _now: float) -> int:
        return self._usage.peak(key.account)

    def read_window(self, key: WindowKey, _now: float) -> WindowRecord | None:
        return self._windows.get(key)

    def read_page(self, key: PageKey, now: float) -> tuple[TaskState, ...]:
        account = self._accounts.get(key.account)
        found = () if account is None else account.page(key.operations, key.first, key.size, now)
        return tuple([self._tasks[record.id] for record in found])

    def read_tasks(self, key: TasksKey, now: float) -> tuple[TaskState, ...]:
        if key.account is None:
            if not self._order or now < self._expiry(self._order[0]):  # none has expired
                return tuple(self._tasks.values())
            return tuple([state for state in self._tasks.values() if now < self._expiry(state.record)])
        account = self._accounts.get(key.account)
        return () if account is None else tuple([self._tasks[each.id] for each in account.records(now)])

    def read_scripts(self, _key: ScriptsKey, _now: float) -> Scripts:
        if self._scripts is None:
            rules = [self._rules[number] for number in sorted(self._rules)]
            self._scripts = Scripts(self._scripts_version, rules, MappingProxyType(self._uses))
        return self._scripts

    def read_uses(self, key: RuleKey, _now: float) -> int:
        return self._uses.get(key.id, 0)

    def read_attempts(self, key: AttemptsKey, now: float) -> int:
        state = self._task(key.task_id, now)
        return 0 if state is None else len(state.attempts_at(key.position))

    def read_token(self, key: TokenKey, _now: float) -> float | None:
        return self._tokens.get(key.digest)

    def read_clock(self, _key: ClockKey, _now: float) -> ClockRecord:
        return self.clock.record

    def read_calls(self, key: CallsKey, _now: float) -> tuple[CallRecord, ...]:
        return self._calls.of(key.account)

    def read_number(self, key: Ticket, _now: float) -> int:
        return self._draw(key.counter)

    def _draw(self, counter: str) -> int:
        """The next number of a counter."""
        number = self._counters.get(counter, 0)
        self._counters[counter] = number + 1
        return number

    # -- versions

    def version_of_task(self, key: TaskKey, now: float) -> int | None:
        # The id of an expired task cannot be used again until the task is dropped.
        state = self._tasks.get(key.id)
        if state is None:
            return None
        return EXPIRED if now >= self._expiry(state.record) else state.version

    def version_of_attempts(self, key: AttemptsKey, now: float) -> int | None:
        return None if self._task(key.task_id, now) is None else self.read_attempts(key, now)

    def version_of_external(self, key: ExternalKey, now: float) -> int | None:
        state = self.read_external(key, now)
        return None if state is None else state.version

    def version_of_account(self, key: AccountKey, _now: float) -> int:
        return self._usage.created(key.account)

    def version_of_window(self, key: WindowKey, _now: float) -> int:
        window = self._windows.get(key)
        return 0 if window is None else window.version

    def version_of_scripts(self, _key: ScriptsKey, _now: float) -> int:
        return self._scripts_version

    def version_of_clock(self, _key: ClockKey, _now: float) -> int:
        return self.clock.record.version

    # -- writing

    def write_task(self, new: NewTask, now: float) -> None:
        self.clock.recorded = True
        self._drop_expired(now)
        state = TaskState(new.record, new.plan)
        self._index(state)
        self._usage.add(state, now)

    def write_change(self, record: TaskChange, now: float) -> None:
        state = self._tasks[record.task_id]
        new = self._tasks[record.task_id] = TASK_CHANGES[type(record)](state, record)
        self._usage.update(state, new, now)

    def write_rule(self, record: RuleRecord, _now: float) -> None:
        if record.dropped:
            self._drop_rule(record.id)
        else:
            self._rules[record.id] = record
        self._note_changed_scripts()

    def _drop_rule(self, number: int) -> None:
        self._rules.pop(number, None)
        self._uses.pop(number, None)

    def write_use(self, record: RuleUse, _now: float) -> None:
        self._uses[record.rule_id] = self._uses.get(record.rule_id, 0) + record.count

    def write_window(self, record: WindowRecord, _now: float) -> None:
        self._windows[WindowKey(record.account, record.kind)] = record

    def write_token(self, record: TokenRecord, now: float) -> None:
        if record.digest not in self._tokens:
            self._tokens[record.digest] = record.expires
            self._token_order.append(record.digest)
        for _ in range(DROPPED_AT_ONCE):  # in order of first use
            if not self._token_order or self._tokens[self._token_order[0]] + self._retention > now:
                break
            self._drop_token(self._token_order.popleft())

    def _drop_token(self, digest: str) -> None:
        del self._tokens[digest]

    def write_clock(self, record: ClockRecord, _now: float) -> None:
        self.clock.adopt(record)
        self._steered = True

    def write_call(self, record: CallRecord, _now: float) -> None:
        self.clock.recorded = True
        self._calls.append(record)

    def _drop_expired(self, now: float) -> None:
        for _ in range(DROPPED_AT_ONCE):
            if not self._order or now < self._expiry(self._order[0]):
                break
            self._drop_task(self._order.popleft())

    def _drop_task(self, record: TaskRecord) -> None:
        state = self._tasks.pop(record.id)
        self._accounts[record.account].drop(record)
        self._usage.drop(state)


_Read = Callable[[MemoryStore, Key[Any], float], object]
_Version = Callable[[MemoryStore, Key[Any], float], "int | None"]
_Write = Callable[[MemoryStore, Record, float], None]

# Each function accepts the type of key or record under which it is listed; the casts express this.
_READS: Final = cast(
    "dict[type[Key[Any]], _Read]",
    {
        TaskKey: MemoryStore.read_task,
        ExternalKey: MemoryStore.read_external,
        AccountKey: MemoryStore.read_account,
        PeakKey: MemoryStore.read_peak,
        WindowKey: MemoryStore.read_window,
        PageKey: MemoryStore.read_page,
        TasksKey: MemoryStore.read_tasks,
        ScriptsKey: MemoryStore.read_scripts,
        RuleKey: MemoryStore.read_uses,
        AttemptsKey: MemoryStore.read_attempts,
        TokenKey: MemoryStore.read_token,
        ClockKey: MemoryStore.read_clock,
        CallsKey: MemoryStore.read_calls,
        Ticket: MemoryStore.read_number,
    },
)
_VERSIONS: Final = cast(
    "dict[type[Key[Any]], _Version]",
    {
        TaskKey: MemoryStore.version_of_task,
        ExternalKey: MemoryStore.version_of_external,
        AccountKey: MemoryStore.version_of_account,
        WindowKey: MemoryStore.version_of_window,
        ScriptsKey: MemoryStore.version_of_scripts,
        RuleKey: MemoryStore.read_uses,
        AttemptsKey: MemoryStore.version_of_attempts,
        ClockKey: MemoryStore.version_of_clock,
    },
)
_WRITES: Final = cast(
    "dict[type[Record], _Write]",
    {
        NewTask: MemoryStore.write_task,
        **dict.fromkeys(TASK_CHANGES, MemoryStore.write_change),
        RuleRecord: MemoryStore.write_rule,
        RuleUse: MemoryStore.write_use,
        WindowRecord: MemoryStore.write_window,
        TokenRecord: MemoryStore.write_token,
        ClockRecord: MemoryStore.write_clock,
        CallRecord: MemoryStore.write_call,
    },
)
