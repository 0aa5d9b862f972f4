"""The queue of delivery attempts, ordered by due time. It does no I/O and starts no thread.

Delivery to a function and delivery over HTTP both take attempts from it and record their results. Its
contents are derived from the store: it keeps only the tasks with callbacks still to deliver, so it need not
scan all tasks.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from typing import Final, NamedTuple, Protocol, cast

from msgspec import Struct
from msgspec.structs import replace

from kling_mock.callbacks.model import Callback, callback_of, changes_of, next_attempt
from kling_mock.callbacks.schedule import next_delivery
from kling_mock.control import record_attempt
from kling_mock.fork_locks import free_after_fork
from kling_mock.plan import NEVER
from kling_mock.records import SENT, AttemptRecord, CallRecord, TaskState
from kling_mock.settings import Settings
from kling_mock.stores import StateNotKept, Store, TaskKey, TasksKey, run

EVERY_TASK: Final = TasksKey()


class PendingDelivery(NamedTuple):
    """A delivery attempt to make: the callback, the instant (Unix seconds) at which it is due, its kind."""

    callback: Callback
    due: float
    kind: str = SENT


class _Entry(Struct, gc=False):
    """A task with callbacks still to deliver. `order` breaks ties between equal due times."""

    order: int
    due: float
    taken: bool = False


class Leasing(Protocol):
    """The methods of a store that several processes share, by which one of them makes each attempt."""

    def lease(self, task_id: str) -> bool:
        """Reserve the next attempt of a task for some time; False if another process has it."""
        ...

    def renew(self, task_id: str) -> bool:
        """Extend a lease of this process, or reserve again; False if another process has it."""
        ...

    def release(self, task_id: str) -> None:
        """End the lease of an attempt that was not made. A recorded attempt ends it too."""
        ...


class DeliveryQueue:
    """Delivery attempts in order of their due time, one of each task at a time.

    Nothing is tracked before `open()`, so a fake whose callbacks are not delivered has no cost. With a store
    that has leases, an attempt is returned to one process only, until its lease ends.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._leases = cast("Leasing", store) if hasattr(store, "lease") else None
        self._leased: set[str] = set()  # the tasks whose attempts other processes make
        self._settings = settings
        self._lock = free_after_fork(threading.Lock())
        self._is_open = False
        self._orders = itertools.count()
        self._entries: dict[str, _Entry] = {}
        # A heap. When an entry changes, its old lines stay in the heap and are skipped.
        self._lines: list[tuple[float, int, str]] = []

    def open(self) -> None:
        """Start tracking. Reads all tasks once."""
        with self._lock:
            if not self._is_open:
                for task in self._store.read((EVERY_TASK,))[EVERY_TASK]:
                    self._note(task)
                self._is_open = True

    def adopt(self, settings: Settings) -> None:
        """Use these settings from now on; attempts that are planned already stay at their time."""
        self._settings = settings

    def begin_again(self) -> None:
        """Track the present tasks instead of those before, if any were tracked."""
        with self._lock:
            self._entries.clear()
            self._lines.clear()
            opened, self._is_open = self._is_open, False
        if opened:
            self.open()

    def concerns(self, call: CallRecord) -> bool:
        """Whether a call may change an entry, so that its task must be noted."""
        created = call.request is not None and bool(call.request.callback_url)
        return self.concerns_task(call.task_id, created=created)

    def concerns_task(self, task_id: str | None, *, created: bool) -> bool:
        """The same for a call about this task, which has a callback if the call `created` it."""
        if not self._is_open:
            return False
        # With faults, a query may make a callback due after all others were delivered.
        return created or task_id in self._entries or bool(self._settings.callback_faults)

    def note(self, task_id: str) -> bool:
        """Update the entry of a task that has changed. Returns whether its due time changed."""
        if not self._is_open:
            return False
        task = self._task(task_id)
        if task is None or not task.record.request.callback_url:
            return False
        with self._lock:
            return self._note(task)

    def _task(self, task_id: str) -> TaskState | None:
        key = TaskKey(task_id)
        return self._store.read((key,))[key]

    def take(self) -> PendingDelivery | None:
        """The attempt with the earliest due time that has passed, or None.

        No other attempt of the same task is returned before `record` or `put_back`.
        """
        with self._lock:
            # For several processes a reading would be a round trip; changes of the clock wake this one.
            now = self._store.clock.estimate()
            while (line := self._first()) is not None and line[0] <= now:
                task_id = line[2]
                if self._leases is not None and not self._leases.lease(task_id):
                    heapq.heappop(self._lines)
                    self._leased.add(task_id)
                    continue
                task = self._task(task_id)
                heapq.heappop(self._lines)
                found = None if task is None else next_delivery(task, self._settings)
                if task is None or found is None or found.due > now:  # expired, or changed before `note`
                    self.release(task_id)
                    self._renew(task_id)
                    continue
                self._entries[task_id].taken = True
                callback = callback_of(task, self._settings, found.position, found.change)
                return PendingDelivery(callback, found.due, found.kind)
            return None

    def retry_leased(self) -> bool:
        """Try the attempts again that other processes make, if any. Returns whether there are some."""
        with self._lock:
            leased = [(task_id, self._entries.get(task_id)) for task_id in self._leased]
            self._leased.clear()
            for task_id, entry in leased:
                if entry is not None and not entry.taken and entry.due < NEVER:
                    heapq.heappush(self._lines, (entry.due, entry.order, task_id))
            return bool(leased)

    def next_due(self) -> float:
        """When the next attempt is due, in Unix seconds; NEVER if no attempt is known."""
        with self._lock:
            line = self._first()
            return NEVER if line is None else line[0]

    def record(
        self,
        delivery: PendingDelivery,
        status: int | None,
        error: str | None = None,
        *,
        lasted: float = 0.0,
        duration: float = 0.0,
    ) -> AttemptRecord:
        """Record the result of an attempt: the status of a response, or an error.

        The attempt is recorded at its due time plus `lasted` (its duration in seconds of the fake's clock;
        `duration` is in real seconds); the pause before the next attempt starts there. Using the due time
        rather than the present makes one long `advance` run through all retries.
        """
        attempt = attempt_of(delivery, status, error, delivery.due + lasted)
        retry_at = None
        if not attempt.delivered:
            callback = delivery.callback
            retry_at = next_attempt(
                callback.due, (*callback.attempts, attempt), self._settings.callback_retries
            )
        attempt = replace(attempt, duration=duration, retry_at=retry_at)
        recorded = run(record_attempt(attempt), self._store)
        with self._lock:
            self._renew(delivery.callback.task_id)
        return recorded or attempt

    def confirm(self, delivery: PendingDelivery) -> bool:
        """Whether an attempt that has waited since `take` is still to be made; otherwise it is put back.

        It is not if another process makes it or has made it, or if the retention of its task is over.
        """
        callback = delivery.callback
        with self._lock:
            if self._leases is not None and not self._leases.renew(callback.task_id):
                self._leased.add(callback.task_id)
                entry = self._entries.get(callback.task_id)
                if entry is not None:
                    entry.taken = False
                return False
            task = self._task(callback.task_id)
            found = None if task is None else next_delivery(task, self._settings)
            if (
                task is not None
                and found is not None
                and (found.position, found.kind) == (callback.position, delivery.kind)
                and len(task.attempts_at(found.position)) == len(callback.attempts)
            ):
                return True
        self.put_back(delivery)
        return False

    def put_back(self, delivery: PendingDelivery) -> None:
        """Make the task's next attempt available: the same one again if no result was recorded."""
        task_id = delivery.callback.task_id
        with self._lock:
            self.release(task_id)
            self._renew(task_id)

    def release(self, task_id: str) -> None:
        """Let other processes make the attempt that was taken."""
        if self._leases is not None:
            self._leases.release(task_id)

    def _renew(self, task_id: str) -> None:
        """Derive the entry of a task again, with the same order."""
        entry = self._entries.get(task_id)
        try:
            task = self._task(task_id)
        except StateNotKept:  # `take` reads the task again
            if entry is not None:
                entry.taken = False
                heapq.heappush(self._lines, (entry.due, entry.order, task_id))
            return
        if task is None or entry is None:  # its retention is over, or all state was replaced
            self._entries.pop(task_id, None)
            return
        entry.taken, entry.due = False, NEVER
        self._note(task)

    def _note(self, task: TaskState) -> bool:
        task_id = task.record.id
        entry = self._entries.get(task_id)
        if entry is not None and entry.taken:  # `record` or `put_back` renews it
            return False
        changes = changes_of(task)
        found = next_delivery(task, self._settings)
        if found is None and (not changes or changes[-1].status.terminal):
            self._entries.pop(task_id, None)
            return False
        if entry is None:
            entry = self._entries[task_id] = _Entry(next(self._orders), NEVER)
        due = NEVER if found is None else found.due
        if due == entry.due:
            return False
        entry.due = due
        if due < NEVER:  # otherwise a query or the test must change the task first, and both call `note`
            heapq.heappush(self._lines, (due, entry.order, task_id))
        return True

    def _first(self) -> tuple[float, int, str] | None:
        while self._lines:
            due, order, task_id = self._lines[0]
            entry = self._entries.get(task_id)
            if entry is not None and not entry.taken and (entry.due, entry.order) == (due, order):
                return self._lines[0]
            heapq.heappop(self._lines)
        return None


def attempt_of(delivery: PendingDelivery, status: int | None, error: str | None, at: float) -> AttemptRecord:
    """The record of an attempt; a status outside 200-299 is an error."""
    if status is not None and not 200 <= status < 300:
        error = f"the receiver answered {status}" + ("" if error is None else f": {error}")
    callback = delivery.callback
    number = len(callback.attempts) + 1
    return AttemptRecord(callback.task_id, callback.position, number, at, status, error, delivery.kind)
