"""A store whose state survives the process: a memory store that writes each change to a state file first.

A change is written in one transaction before it takes effect and before its request is answered. All reads
are from memory. Rows of tasks, tokens and calls that were dropped are removed with a later change: a store
that reads them again drops them again.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from msgspec.structs import replace

from kling_mock.records import (
    AttemptRecord,
    CallRecord,
    ClockRecord,
    FaultRecord,
    NewTask,
    PlanRecord,
    PollRecord,
    Record,
    RuleRecord,
    RuleUse,
    TaskRecord,
    TaskState,
    TokenRecord,
    WindowRecord,
)
from kling_mock.stores import Change, StateNotKept
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.record_format import AccountTotals, Counter, Item, RuleUses, encode, in_order
from kling_mock.stores.state_file import CALLS, NOTHING_GONE, ROWS, Gone, Row, StateFile, StateFileRefused
from kling_mock.stores.task_changes import changed
from kling_mock.timing.clock import Clock

# Calls and tokens that were dropped are removed from the file in groups.
REMOVED_AT_ONCE: Final = 64
_CLOCK: Final = ("clock",)


class SqliteStore(MemoryStore):
    """A store in a state file, which is created if it does not exist. `retention` of tasks in seconds.

    The settings of the clock are those in the file, if it has any. Raises StateFileRefused. A change that
    cannot be written raises StateNotKept, and has no effect.
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: Clock, *, retention: float, journal_bytes: int
    ) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self._journal_bytes = journal_bytes
        self._numbers: dict[object, int] = {}  # of the rows of all items but calls, by their keys
        self._call_numbers: deque[int] = deque()
        self._next_number = self._next_call = 1
        # The numbers of rows that were dropped from memory; those of tasks together with their totals.
        self._gone: list[int] = []
        self._calls_gone: list[int] = []
        self._dropped_of: set[str | None] = set()  # the accounts of these tasks
        self._drawn: set[str] = set()  # the counters that were read since the last commit
        self._file = StateFile(path)
        try:
            self._read_file()
        except StateNotKept as error:  # the disk is full, so that a new file cannot be written
            self._file.close()
            raise StateFileRefused(str(error)) from error
        except BaseException:
            self._file.close()
            raise
        clock.keep_with(self._keep_clock)

    def close(self) -> None:
        """Close the file. The store can still be read."""
        with self._lock:
            self.clock.keep_with(None)
            self._file.close()

    # -- reading the file

    def _read_file(self) -> None:
        with _no_collection():
            numbers, items = self._file.read(ROWS)
            call_numbers, calls = self._file.read(CALLS)
            super().load([*in_order(items), *calls])
            self._note_rows(zip(numbers, items, strict=True), call_numbers)
        if _CLOCK not in self._numbers:
            self._keep_clock(self.clock.record)

    def _note_rows(self, rows: Iterable[tuple[int, Item]], calls: Iterable[int]) -> None:
        """Note the numbers of all rows of the file."""
        self._numbers = {
            item.record.id if type(item) is TaskState else _KEYS[type(item)](item): number
            for number, item in rows
        }
        self._next_number = max(self._numbers.values(), default=0) + 1
        self._call_numbers = deque(calls)
        self._next_call = self._call_numbers[-1] + 1 if self._call_numbers else 1
        self._gone, self._calls_gone = [], []
        self._drawn.clear()
        self._dropped_of.clear()

    # -- replacing all state

    def load(self, items: Sequence[Item]) -> None:
        with self._lock:
            self._replace_rows(items)
            super().load(items)
            self._keep_clock(self.clock.record)

    def clear(self, account: str | None = None) -> None:
        with self._lock:
            if account is None:
                kept: list[Item] = [each for each in self.items() if isinstance(each, ClockRecord | Counter)]
            else:
                copy = MemoryStore(Clock(), retention=self._retention, journal_bytes=self._journal_bytes)
                copy.load(self.items())
                copy.clear(account)
                kept = [self.clock.record, *copy.items()[1:]]
            self._replace_rows(kept)
            super().clear(account)

    def _replace_rows(self, items: Sequence[Item]) -> None:
        calls = [item for item in items if isinstance(item, CallRecord)]
        rows = [item for item in items if not isinstance(item, CallRecord)]
        self._file.replace(enumerate(map(encode, rows), 1), enumerate(map(encode, calls), 1))
        self._note_rows(enumerate(rows, 1), range(1, len(calls) + 1))

    # -- writing

    def _save(self, change: Change, now: float) -> None:
        while len(self._call_numbers) > len(self._calls):
            self._calls_gone.append(self._call_numbers.popleft())
        next_call = self._next_call
        calls: list[Row] = []
        others: list[Record] = []
        for record in change.records:
            if type(record) is CallRecord:
                calls.append((next_call, encode(record)))
                next_call += 1
            else:
                others.append(record)
        rows, new = self._changed_rows(others, now)
        gone = NOTHING_GONE
        rules = [key for key in _keys_of_dropped_rules(others) if key in self._numbers]
        if rules or self._dropped_of or len(self._gone) + len(self._calls_gone) >= REMOVED_AT_ONCE:
            gone = Gone([*self._gone, *[self._numbers[key] for key in rules]], self._calls_gone)
        self._file.write(rows, calls, gone)
        if gone is not NOTHING_GONE:
            self._gone, self._calls_gone = [], []
            self._dropped_of.clear()
        for key in rules:
            del self._numbers[key]
        self._numbers.update(new)
        self._next_number += len(new)
        self._call_numbers.extend(range(self._next_call, next_call))
        self._next_call = next_call
        self._drawn.clear()

    def _changed_rows(self, records: Sequence[Record], now: float) -> tuple[list[Row], dict[object, int]]:
        """The rows of a change but calls, as they will be after it, and the numbers of those that are new."""
        items: dict[object, Item] = {}
        for account in self._dropped_of:
            items[AccountTotals, account] = self._usage.totals(account)
        for name in self._drawn:
            items[Counter, name] = Counter(name, self._counters[name])
        for record in records:
            self._add_item(record, now, items)
        rows: list[Row] = []
        new: dict[object, int] = {}
        for key, item in items.items():
            number = self._numbers.get(key)
            if number is None:
                new[key] = number = self._next_number + len(new)
            rows.append((number, encode(item)))
        return rows, new

    def _add_peaks(self, record: TaskRecord, now: float, items: dict[object, Item]) -> None:
        """Add the totals whose peak a new task raises."""
        for account in self._usage.higher_peaks(record, now):
            totals = self._usage.totals(account)
            peak = self._usage.state(account, now).unfinished + record.request.n
            items[AccountTotals, account] = replace(totals, peak=peak)

    def _add_item(self, record: Record, now: float, items: dict[object, Item]) -> None:
        """Add the item that a record changes, as it will be after the change, and the peaks that rise."""
        match record:  # the most frequent first
            case PollRecord() | PlanRecord() | FaultRecord() | AttemptRecord():
                state = cast("TaskState | None", items.get(record.task_id)) or self._tasks[record.task_id]
                items[record.task_id] = changed(state, record)
            case NewTask():
                items[record.record.id] = TaskState(record.record, record.plan)
                self._add_peaks(record.record, now, items)
            case RuleUse():
                before = cast("RuleUses | None", items.get((RuleUses, record.rule_id)))
                uses = self._uses.get(record.rule_id, 0) if before is None else before.count
                items[RuleUses, record.rule_id] = RuleUses(record.rule_id, uses + record.count)
            case TokenRecord():
                if record.digest not in self._tokens:
                    items[TokenRecord, record.digest] = record
            case RuleRecord():
                if record.dropped:
                    items[RuleUses, record.id] = RuleUses(record.id, 0)
                else:
                    items[RuleRecord, record.id] = record
            case WindowRecord() | ClockRecord():
                items[_KEYS[type(record)](record)] = record
            case CallRecord():  # it has no key
                pass

    def _keep_clock(self, record: ClockRecord) -> None:
        number = self._numbers.setdefault(_CLOCK, self._next_number)
        self._next_number = max(self._next_number, number + 1)
        self._file.write([(number, encode(record))])

    def _draw(self, counter: str) -> int:
        self._drawn.add(counter)
        return super()._draw(counter)

    # -- dropping

    def _drop_task(self, record: TaskRecord) -> None:
        super()._drop_task(record)
        self._gone.append(self._numbers.pop(record.id))
        self._dropped_of |= {None, record.account}

    def _drop_rule(self, number: int) -> None:
        super()._drop_rule(number)
        rows = [self._numbers.pop((kind, number), None) for kind in (RuleRecord, RuleUses)]
        self._gone += [row for row in rows if row is not None]

    def _drop_token(self, digest: str) -> None:
        super()._drop_token(digest)
        self._gone.append(self._numbers.pop((TokenRecord, digest)))


def _keys_of_dropped_rules(records: Sequence[Record]) -> list[tuple[type[Item], int]]:
    """The keys of the rules that a change drops, and of their uses."""
    dropped = [each.id for each in records if isinstance(each, RuleRecord) and each.dropped]
    return [(kind, number) for number in dropped for kind in (RuleRecord, RuleUses)]


@contextmanager
def _no_collection() -> Generator[None]:
    """No garbage collection: with a million new objects it would take as long as reading them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# The key of each item but calls; that of a task is its id, as there are many.
_KEYS: Final[dict[type[Item], Callable[[Any], object]]] = {
    ClockRecord: lambda _: _CLOCK,
    Counter: lambda item: (Counter, item.name),
    RuleRecord: lambda item: (RuleRecord, item.id),
    RuleUses: lambda item: (RuleUses, item.rule_id),
    WindowRecord: lambda item: (WindowRecord, item.account, item.kind),
    TokenRecord: lambda item: (TokenRecord, item.digest),
    AccountTotals: lambda item: (AccountTotals, item.account),
    TaskState: lambda item: item.record.id,
}
