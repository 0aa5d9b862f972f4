"""What a store in memory knows of one account: totals, and its tasks in the order of their creation."""

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
    """Records in order of creation: appended at one end, dropped at the other, read by position."""

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
        """The places of the records whose expiry is later than `now`. They expire in order of creation."""
        first = bisect_right(self._records, now, lo=self._start, key=expiry)
        return range(first - self._start, len(self))

    def newest_first(self, places: range) -> Iterator[TaskRecord]:
        return (self[at] for at in reversed(places))


class AccountIndex:
    """One account. `expiry` gives the instant at which the retention of a task is over."""

    def __init__(self, expiry: Callable[[TaskRecord], float]) -> None:
        self.externals: dict[str, str] = {}
        self._expiry = expiry
        self._created = 0
        self._unfinished = 0
        self._units = 0
        self._all = _Series()
        self._by_operation: dict[str, _Series] = {}
        # The unfinished tasks, and a heap of their known ends. A changed end leaves its old line there.
        self._open: OrderedDict[str, TaskState] = OrderedDict()
        self._ends: list[tuple[float, str]] = []

    @property
    def created(self) -> int:
        return self._created

    def state(self, now: float) -> AccountState:
        """The totals at `now`. Amortised constant: each task is closed once."""
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
        """A task was written: its plan or its queries may have moved its end."""
        if new.plan is old.plan and new.times is old.times:
            return
        self._settle(now, 2)
        if self._expiry(old.record) <= now:  # its totals are those of its last moment
            return
        if old.record.id not in self._open:  # it had ended, and may not have by its new plan
            self._unfinished += old.record.request.n
            self._units += self._returned(old)
        self._track(new, now)

    def _track(self, state: TaskState, now: float) -> None:
        """Count a task as unfinished up to the end that is known of now."""
        task_id, end = state.record.id, state.ends
        self._open[task_id] = state
        if end <= now:
            self._close(task_id)
        elif end < NEVER:
            heapq.heappush(self._ends, (end, task_id))

    def drop(self, record: TaskRecord) -> None:
        """Forget the oldest task."""
        self._all.drop_first()
        self._by_operation[record.operation].drop_first()
        if record.id in self._open:
            self._close(record.id)
        external_id = record.request.external_task_id
        if external_id and self.externals.get(external_id) == record.id:
            del self.externals[external_id]

    def records(self, now: float) -> list[TaskRecord]:
        """Every task that is kept, oldest first."""
        return [self._all[at] for at in self._all.kept(self._expiry, now)]

    def page(self, operations: Iterable[str], first: int, size: int, now: float) -> list[TaskRecord]:
        """The tasks of some operations, newest first."""
        found = [self._by_operation[name] for name in operations if name in self._by_operation]
        if len(found) == 1:  # no merging: as quick on the last page as on the first
            series, places = found[0], found[0].kept(self._expiry, now)
            end = max(places.stop - first, places.start)
            return list(series.newest_first(range(max(end - size, places.start), end)))
        newest = [series.newest_first(series.kept(self._expiry, now)) for series in found]
        merged = heapq.merge(*newest, key=lambda record: -record.number)
        return list(islice(merged, first, first + size))

    def _settle(self, now: float, most: int | None = None) -> None:
        """Close the tasks that have ended or expired; at most this number of ends, if given."""
        while self._ends and self._ends[0][0] <= now and most != 0:
            end, task_id = heapq.heappop(self._ends)
            state = self._open.get(task_id)
            if state is not None and state.ends == end:
                self._close(task_id)
            most = None if most is None else most - 1
        while self._open:  # in the order of creation, which is that of expiry
            task_id = next(iter(self._open))
            if self._expiry(self._open[task_id].record) > now:
                return
            self._close(task_id)

    def _close(self, task_id: str) -> None:
        """A task has ended or expired, so it is not unfinished any more."""
        state = self._open.pop(task_id)
        self._unfinished -= state.record.request.n
        self._units -= self._returned(state)

    def _returned(self, state: TaskState) -> int:
        """The units that return with the end of a task: those of one that fails while it is kept.

        This does not depend on when the end is noticed, which may be long after.
        """
        failed = state.plan.failure is not None and state.ends < self._expiry(state.record)
        return state.record.units if failed else 0
