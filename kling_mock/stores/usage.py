"""The totals in the memory store: creates, unfinished images and units, of each account and of all."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Sequence

from kling_mock.plan import NEVER
from kling_mock.records import TaskRecord, TaskState
from kling_mock.stores import AccountState
from kling_mock.stores.record_format import AccountTotals


class _Totals:
    """The totals of one account, or of all. `peak` is the largest number of unfinished images so far."""

    __slots__ = ("created", "peak", "unfinished", "units")

    def __init__(self) -> None:
        self.created = self.unfinished = self.units = self.peak = 0


class Usage:
    """The totals of each account and of all. `expiry`: the instant at which the retention of a task is over.

    The end of a task is noticed at the next access, so each access takes amortised constant time: each task
    is closed once.
    """

    def __init__(self, expiry: Callable[[TaskRecord], float]) -> None:
        self._expiry = expiry
        self._all = _Totals()
        self._accounts: dict[str, _Totals] = {}
        # Of the tasks that were dropped after their retention: their number, and the units spent on them.
        self._dropped: dict[str | None, tuple[int, int]] = {}
        # The unfinished tasks, and a heap of their known ends. Entries for replaced ends stay in the heap.
        self._open: OrderedDict[str, TaskState] = OrderedDict()
        self._ends: list[tuple[float, str]] = []

    def _of(self, account: str | None) -> _Totals:
        return self._all if account is None else self._accounts.get(account) or _Totals()

    def created(self, account: str | None) -> int:
        """The number of creates of an account, or of all (None)."""
        return self._of(account).created

    def state(self, account: str | None, now: float) -> AccountState:
        self._settle(now)
        totals = self._of(account)
        return AccountState(totals.created, totals.unfinished, totals.units)

    def peak(self, account: str | None) -> int:
        """The largest number of images that were unfinished at once."""
        return self._of(account).peak

    def add(self, state: TaskState, now: float) -> None:
        record = state.record
        self._settle(now)  # completely, because the peak counts only tasks that are unfinished now
        own = self._accounts.get(record.account)
        if own is None:
            own = self._accounts[record.account] = _Totals()
        own.created += 1
        self._all.created += 1
        self._count(record, record.request.n, record.units)
        self._track(state, now)

    def update(self, old: TaskState, new: TaskState, now: float) -> None:
        """Account for a new state of a task, whose plan or queries may have changed its end."""
        if new.plan is old.plan and new.times is old.times:
            return
        self._settle(now, 2)
        record = old.record
        if self._expiry(record) <= now:  # the totals of expired tasks do not change
            return
        if record.id not in self._open:  # the task had ended; by its new plan it may not have
            self._count(record, record.request.n, self._returned(old))
        self._track(new, now)

    def drop(self, state: TaskState) -> None:
        """Forget a task whose retention is over; its units stay spent."""
        record = state.record
        if record.id in self._open:
            self._close(record.id)
        spent = record.units - self._returned(state)
        for account in (None, record.account):
            number, units = self._dropped.get(account, (0, 0))
            self._dropped[account] = number + 1, units + spent

    def forget(self, account: str) -> None:
        """Forget the totals of an account whose tasks were all dropped: its units were not spent."""
        totals = self._accounts.pop(account, None)
        if totals is not None:
            self._all.units -= totals.units
        _, spent = self._dropped.pop(account, (0, 0))
        number, units = self._dropped.get(None, (0, 0))
        self._dropped[None] = number, units - spent

    def higher_peaks(self, record: TaskRecord, now: float) -> list[str | None]:
        """The account of a new task, and None for all, as far as this task will raise the peak."""
        self._settle(now)
        n = record.request.n
        return [
            account
            for account in (None, record.account)
            if (totals := self._of(account)).unfinished + n > totals.peak
        ]

    def totals(self, account: str | None) -> AccountTotals:
        """The totals of an account, or of all (None), that do not follow from the tasks."""
        return AccountTotals(account, *self._dropped.get(account, (0, 0)), self.peak(account))

    @property
    def accounts(self) -> list[str | None]:
        """All accounts with tasks so far, and None."""
        return [None, *self._accounts]

    def begin(self, totals: AccountTotals) -> None:
        """Begin with these totals; then the tasks that are kept are restored."""
        found = self._all
        if totals.account is not None:
            found = self._accounts.setdefault(totals.account, _Totals())
        self._dropped[totals.account] = found.created, found.units = totals.dropped, totals.spent
        found.peak = totals.peak

    def restore(self, states: Sequence[TaskState], now: float) -> None:
        """Count tasks that were created earlier. They do not raise the peaks, which `begin` has set."""
        units = images = 0
        for state in states:
            record, ends = state.record, state.ends
            totals = self._accounts.get(record.account)
            if totals is None:
                totals = self._accounts[record.account] = _Totals()
            spent = record.units
            if ends <= now or self._expiry(record) <= now:
                spent -= self._returned(state)
            else:
                n = record.request.n
                totals.unfinished += n
                images += n
                self._open[record.id] = state
                if ends < NEVER:
                    self._ends.append((ends, record.id))
            totals.created += 1
            totals.units += spent
            units += spent
        heapq.heapify(self._ends)
        self._all.created += len(states)
        self._all.units += units
        self._all.unfinished += images

    def clear(self) -> None:
        self._all = _Totals()
        for kept in (self._accounts, self._dropped, self._open, self._ends):
            kept.clear()

    def _track(self, state: TaskState, now: float) -> None:
        """Count a task as unfinished until its end as known at present."""
        task_id, end = state.record.id, state.ends
        self._open[task_id] = state
        if end <= now:
            self._close(task_id)
        elif end < NEVER:
            heapq.heappush(self._ends, (end, task_id))

    def _settle(self, now: float, most: int | None = None) -> None:
        """Close the tasks that have ended or expired; of those that ended, at most `most`, if given."""
        ends = self._ends
        while ends and ends[0][0] <= now and most != 0:
            end, task_id = heapq.heappop(ends)
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
        self._count(state.record, -state.record.request.n, -self._returned(state))

    def _count(self, record: TaskRecord, images: int, units: int) -> None:
        for totals in (self._all, self._accounts[record.account]):
            totals.units += units
            unfinished = totals.unfinished = totals.unfinished + images
            if unfinished > totals.peak:  # noqa: PLR1730 -- faster than `max`
                totals.peak = unfinished

    def _returned(self, state: TaskState) -> int:
        """The units returned at the end of a task: all if it fails within its retention, otherwise 0.

        The result does not depend on when the end is noticed, which may be much later.
        """
        failed = state.plan.failure is not None and state.ends < self._expiry(state.record)
        return state.record.units if failed else 0
