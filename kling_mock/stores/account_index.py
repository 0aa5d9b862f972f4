"""The index of one account in the memory store: its totals, and its tasks in order of creation."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from kling_mock.plan import NEVER
from kling_mock.records import TaskRecord, TaskState
from kling_mock.stores import AccountState

COMPACTED_FROM: Final = 1024


class _Series:
    """Task records in order of creation: appended at the end, dropped at the beginning, read by position."""

    __slots__ = ("_records", "_start")

    def __init__(self) -> None:
        self._records: list[TaskRecord] = []
        self._start = 0

    def append(self, record: TaskRecord) -> None:
        self._records.append(record)

    def drop_first(self) -> None:
        self._start += 1
        if self._start >= COMPACTED_FROM and self._start * 2 >= len(self._records):
            del self._records[: self._start]
            self._start = 0

    def __len__(self) -> int:
        return len(self._records) - self._start

    def __getitem__(self, at: int) -> TaskRecord:
        return self._records[self._start + at]

    def kept(self, expiry: Callable[[TaskRecord], float], now: float) -> range:
        """The positions of the records that expire after `now`. Records expire in order of creation."""
        first = bisect_right(self._records, now, lo=self._start, key=expiry)
        return range(first - self._start, len(self))

    def newest_first(self, places: range) -> Iterator[TaskRecord]:
        return (self[at] for at in reversed(places))


class AccountIndex:
    """One account. `expiry` returns the instant at which the retention of a task is over."""

    def __init__(self, expiry: Callable[[TaskRecord], float]) -> None:
        self.externals: dict[str, str] = {}
        self._expiry = expiry
        self._created = 0
        self._unfinished = 0
        self._units = 0
        self._all = _Series()
        self._by_operation: dict[str, _Series] = {}
        # The unfinished tasks, and a heap of their known ends. Entries for replaced ends stay in the heap.
        self._open: OrderedDict[str, TaskState] = OrderedDict()
        self._ends: list[tuple[float, str]] = []

    @property
    def created(self) -> int:
        return self._created

    def state(self, now: float) -> AccountState:
        """The totals at `now`. Amortised constant time, because each task is closed once."""
        self._settle(now)
        return AccountState(self._created, self._unfinished, self._units)

    def add(self, state: TaskState, now: float) -> None:
        record = state.record
        self._settle(now, 2)
        self._created = record.number
        self._units += record.units
        self._unfinished += record.request.n
        self._all.append(record)
        self._by_operation.setdefault(record.operation, _Series()).append(record)
        external_id = record.request.external_task_id
        if external_id:
            self.externals[external_id] = record.id
        self._track(state, now)

    def update(self, old: TaskState, new: TaskState, now: float) -> None:
        """Account for a new state of a task, whose plan or queries may have changed its end."""
        if new.plan is old.plan and new.times is old.times:
            return
        self._settle(now, 2)
        if self._expiry(old.record) <= now:  # the totals of expired tasks do not change
            return
        if old.record.id not in self._open:  # the task had ended; by its new plan it may not have
            self._unfinished += old.record.request.n
            self._units += self._returned(old)
        self._track(new, now)

    def _track(self, state: TaskState, now: float) -> None:
        """Count a task as unfinished until its end as known at present."""
        task_id, end = state.record.id, state.ends
        self._open[task_id] = state
        if end <= now:
            self._close(task_id)
        elif end < NEVER:
            heapq.heappush(self._ends, (end, task_id))

    def drop(self, record: TaskRecord) -> None:
        """Remove the oldest task."""
        self._all.drop_first()
        self._by_operation[record.operation].drop_first()
        if record.id in self._open:
            self._close(record.id)
        external_id = record.request.external_task_id
        if external_id and self.externals.get(external_id) == record.id:
            del self.externals[external_id]

    def records(self, now: float) -> list[TaskRecord]:
        """All tasks within their retention, oldest first."""
        return [self._all[at] for at in self._all.kept(self._expiry, now)]

    def page(self, operations: Iterable[str], first: int, size: int, now: float) -> list[TaskRecord]:
        """A page of the tasks of these operations, newest first."""
        found = [self._by_operation[name] for name in operations if name in self._by_operation]
        if len(found) == 1:  # without merging, the last page is as fast as the first
            series, places = found[0], found[0].kept(self._expiry, now)
            end = max(places.stop - first, places.start)
            return list(series.newest_first(range(max(end - size, places.start), end)))
        newest = [series.newest_first(series.kept(self._expiry, now)) for series in found]
        merged = heapq.merge(*newest, key=lambda record: -record.number)
        return list(islice(merged, first, first + size))

    def _settle(self, now: float, most: int | None = None) -> None:
        """Close the tasks that have ended or expired; of those that ended, at most `most`, if given."""
        while self._ends and self._ends[0][0] <= now and most != 0:
            end, task_id = heapq.heappop(self._ends)
            state = self._open.get(task_id)
            if state is not None and state.ends == end:
                self._close(task_id)
            most = None if most is None else most - 1
        while self._open:  # in order of creation, which is the order of expiry
            task_id = next(iter(self._open))
            if self._expiry(self._open[task_id].record) > now:
                return
            self._close(task_id)

    def _close(self, task_id: str) -> None:
        """Stop counting a task as unfinished, because it has ended or expired."""
        state = self._open.pop(task_id)
        self._unfinished -= state.record.request.n
        self._units -= self._returned(state)

    def _returned(self, state: TaskState) -> int:
        """The units returned at the end of a task: all if it fails within its retention, otherwise 0.

        The result does not depend on when the end is noticed, which may be much later.
        """
        failed = state.plan.failure is not None and state.ends < self._expiry(state.record)
        return state.record.units if failed else 0
