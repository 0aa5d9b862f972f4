"""The tables of the memory store: its whole state, to export, load and clear it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from kling_mock.matching import Scripts
from kling_mock.records import (
    CallRecord,
    ClockRecord,
    RuleRecord,
    TaskRecord,
    TaskState,
    TokenRecord,
    WindowRecord,
)
from kling_mock.stores import WindowKey
from kling_mock.stores.account_index import AccountIndex
from kling_mock.stores.call_log import CallLog
from kling_mock.stores.record_format import AccountTotals, Counter, Item, OtherItem, RuleUses
from kling_mock.stores.usage import Usage
from kling_mock.timing.clock import Clock


class Tables:
    """Dictionaries and indexes guarded by one lock.

    `retention` of tasks is in seconds; `journal_bytes`: memory for the journal.
    """

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
        self._scripts_version: int = 0
        self._scripts: Scripts | None = None
        self._tokens: dict[str, float] = {}
        self._token_order: deque[str] = deque()
        self._counters: dict[str, int] = {}  # the next number of each
        self._calls = CallLog(journal_bytes)

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

    def take_over(self, items: Sequence[Item], *, replace: bool) -> bool:
        """Replace all state. Without `replace`: only if there are no tasks and no scripts."""
        with self.clock.lock:
            if not replace and not self.is_empty:
                return False
            self.load(items)
        return True

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
            self._usage.restore(tasks, now)

    def _put(self, item: OtherItem) -> None:
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

    def _index(self, state: TaskState) -> None:
        record = state.record
        self._tasks[record.id] = state
        self._order.append(record)
        account = self._accounts.get(record.account)
        if account is None:
            account = self._accounts[record.account] = AccountIndex(self._expiry)
        account.add(record)

    def _expiry(self, record: TaskRecord) -> float:
        return record.created + self._retention

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
        self._note_changed_scripts()

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
        self._note_changed_scripts()
        self._calls.drop(account)

    def _note_changed_scripts(self) -> None:
        self._scripts_version += 1
        self._scripts = None  # rebuilt on the next read, because many rules may be written at once
