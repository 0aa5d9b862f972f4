"""The index of one account in the memory store: its tasks in order of creation, and its external ids."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from operator import attrgetter
from typing import Final

from kling_mock.records import TaskRecord

# Dropped records are kept up to this number, or that of the others: removing them costs constant time each.
COMPACTED_FROM: Final = 16


class _Series:
    """Task records in order of creation: appended at the end, dropped at the beginning, read by position."""

    __slots__ = ("_start", "records")

    def __init__(self) -> None:
        self.records: list[TaskRecord] = []
        self._start = 0

    def drop_first(self) -> None:
        self._start += 1
        if self._start >= COMPACTED_FROM and self._start * 2 >= len(self.records):
            del self.records[: self._start]
            self._start = 0

    def __len__(self) -> int:
        return len(self.records) - self._start

    def __getitem__(self, at: int) -> TaskRecord:
        return self.records[self._start + at]

    def kept(self, expiry: Callable[[TaskRecord], float], now: float) -> range:
        """The positions of the records that expire after `now`. Records expire in order of creation."""
        first = bisect_right(self.records, now, lo=self._start, key=expiry)
        return range(first - self._start, len(self))

    def newest_first(self, places: range) -> Iterator[TaskRecord]:
        return (self[at] for at in reversed(places))


class AccountIndex:
    """One account. `expiry` returns the instant at which the retention of a task is over."""

    def __init__(self, expiry: Callable[[TaskRecord], float]) -> None:
        self.externals: dict[str, str] = {}
        self._expiry = expiry
        self._by_operation: dict[str, _Series] = {}

    def add(self, record: TaskRecord) -> None:
        series = self._by_operation.get(record.operation)
        if series is None:
            series = self._by_operation[record.operation] = _Series()
        series.records.append(record)
        external_id = record.request.external_task_id
        if external_id:
            self.externals[external_id] = record.id

    def drop(self, record: TaskRecord) -> None:
        """Remove the oldest task."""
        self._by_operation[record.operation].drop_first()
        external_id = record.request.external_task_id
        if external_id and self.externals.get(external_id) == record.id:
            del self.externals[external_id]

    def records(self, now: float) -> list[TaskRecord]:
        """All tasks within their retention, oldest first."""
        kept = [[each[at] for at in each.kept(self._expiry, now)] for each in self._by_operation.values()]
        return kept[0] if len(kept) == 1 else sorted(chain.from_iterable(kept), key=attrgetter("number"))

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
