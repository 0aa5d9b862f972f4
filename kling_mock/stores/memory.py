"""The default store: dictionaries guarded by one lock. Its contents are lost when the process ends.

`items` and `load` are all of its state as values; a subclass that keeps it elsewhere overrides `_save`.
"""

from __future__ import annotations

from collections import deque
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
from kling_mock.stores.account_index import AccountIndex
from kling_mock.stores.call_log import CallLog
from kling_mock.stores.record_format import AccountTotals, Counter, Item, RuleUses
from kling_mock.stores.task_changes import TASK_CHANGES, TaskChange, changed
from kling_mock.stores.usage import Usage
from kling_mock.timing.clock import Clock

# The number of expired tasks or tokens dropped for each new one: more than 1, so that none accumulate, and
# few, so that no request takes long.
DROPPED_AT_ONCE: Final = 2
# The version of a task that has expired but is not dropped yet. No precondition has it.
EXPIRED: Final = -1


class MemoryStore:
    """A store in memory. `retention` of tasks in seconds; `journal_bytes`: memory for the journal."""

    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        self.clock = clock
        self._retention = retention
        self._lock = clock.lock  # shared, because a commit also compares and replaces the clock's settings
        self._tasks: dict[str, TaskState] = {}
        self._order: deque[TaskRecord] = deque()  # oldest first
        self._accounts: dict[str, AccountIndex] = {}
        self._usage = Usage(self._expiry)
        self._windows: dict[WindowKey, WindowRecord] = {}
        self._rules: dict[int, RuleRecord] = {}
        self._uses: dict[int, int] = {}
        self._scripts_version = 0
        self._scripts: Scripts | None = None
        self._tokens: dict[str, float] = {}
        self._token_order: deque[str] = deque()
        self._counters: dict[str, int] = {}  # the next number of each
        self._calls = CallLog(journal_bytes)
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
            now = self.clock.now()
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

    def clear(self, account: str | None = None) -> None:
        """Drop all tasks, scripts, tokens and calls, or those of one account; clock and counters go on."""
        with self._lock:
            if account is None:
                self._empty()
            else:
                self._clear_account(account)

    def _empty(self) -> None:
        for kept in (
            self._tasks,
            self._order,
            self._accounts,
            self._usage,
            self._windows,
            self._rules,
            self._uses,
            self._tokens,
            self._token_order,
            self._calls,
        ):
            kept.clear()
        self._scripts = None
        self._scripts_version += 1

    def _clear_account(self, account: str) -> None:
        dropped = [record for record in self._order if record.account == account]
        for record in dropped:
            self._usage.drop(self._tasks.pop(record.id))
        if dropped:
            self._order = deque(record for record in self._order if record.account != account)
        self._accounts.pop(account, None)
        self._usage.forget(account)
        self._windows = {key: each for key, each in self._windows.items() if key.account != account}
        for number in [rule.id for rule in self._rules.values() if rule.account == account]:
            del self._rules[number]
            self._uses.pop(number, None)
        self._scripts = None
        self._scripts_version += 1
        self._calls.drop(account)

    # -- all state

    @property
    def is_empty(self) -> bool:
        """Whether there are no tasks and no scripts."""
        return not self._tasks and not self._rules

    def items(self) -> list[Item]:
        """All state at one instant, in the order of `Item`. The values are immutable."""
        with self._lock:
            counters = [Counter(name, number) for name, number in self._counters.items()]
            return [
                self.clock.record,
                *counters,
                *self._rules.values(),
                *[RuleUses(*pair) for pair in self._uses.items()],
                *self._windows.values(),
                *[TokenRecord(digest, self._tokens[digest]) for digest in self._token_order],
                *map(self._usage.totals, self._usage.accounts),
                *self._tasks.values(),
                *self._calls.of(None),
            ]

    def load(self, items: Sequence[Item]) -> None:
        """Replace all state. `items` are in the order of `Item`; tasks and calls in their order."""
        with self._lock:
            self._empty()
            self._counters.clear()
            tasks: list[TaskState] = []
            latest = 0.0
            for item in items:
                if isinstance(item, TaskState):
                    tasks.append(item)
                    latest = max(latest, item.record.created)
                elif isinstance(item, CallRecord):
                    self._calls.append(item)
                    latest = max(latest, item.at)
                else:
                    self._put(item)
            clock = next((item for item in items if isinstance(item, ClockRecord)), None)
            if clock is not None:
                self.clock.go_on(clock, latest)
            now = self.clock.now()
            for task in tasks:
                self._index(task)
                self._usage.restore(task, now)

    def _put(
        self,
        item: ClockRecord | Counter | RuleRecord | RuleUses | WindowRecord | TokenRecord | AccountTotals,
    ) -> None:
        match item:
            case ClockRecord():  # when all instants of the state are known
                pass
            case AccountTotals():
                self._usage.begin(item)
            case Counter():
                self._counters[item.name] = item.next
            case RuleRecord():
                if not item.dropped:
                    self._rules[item.id] = item
            case RuleUses():
                if item.count:
                    self._uses[item.rule_id] = item.count
            case WindowRecord():
                self._windows[WindowKey(item.account, item.kind)] = item
            case TokenRecord():
                self._tokens[item.digest] = item.expires
                self._token_order.append(item.digest)

    # -- reading

    def _expiry(self, record: TaskRecord) -> float:
        return record.created + self._retention

    def _task(self, task_id: str, now: float) -> TaskState | None:
        state = self._tasks.get(task_id)
        return None if state is None or now >= self._expiry(state.record) else state

    def read_task(self, key: TaskKey, now: float) -> TaskState | None:
        return self._task(key.id, now)

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

    def _index(self, state: TaskState) -> None:
        record = state.record
        self._tasks[record.id] = state
        self._order.append(record)
        account = self._accounts.get(record.account)
        if account is None:
            account = self._accounts[record.account] = AccountIndex(self._expiry)
        account.add(record)

    def write_change(self, record: TaskChange, now: float) -> None:
        state = self._tasks[record.task_id]
        new = self._tasks[record.task_id] = changed(state, record)
        self._usage.update(state, new, now)

    def write_rule(self, record: RuleRecord, _now: float) -> None:
        if record.dropped:
            self._drop_rule(record.id)
        else:
            self._rules[record.id] = record
        self._scripts_version += 1
        self._scripts = None  # rebuilt on the next read, because many rules may be written at once

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
