"""The feed of events: calls, changes of tasks, attempts to deliver callbacks, changes of the clock.

It keeps the latest events for all clients. A client has only a position in it, so a client that reads slowly
costs no memory; it receives the number of events that it missed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Final, NamedTuple

from kling_contracts.virtual_time.threads import real_now
from kling_mock.callbacks.schedule import next_delivery
from kling_mock.control_api import models, task_models
from kling_mock.control_api.clock import read_clock
from kling_mock.control_api.shown import show_attempt, show_call
from kling_mock.fake import Fake
from kling_mock.plan import NEVER
from kling_mock.records import CallRecord, TaskState

KEPT: Final = 1_000
# The number of tasks whose changes are followed: unfinished ones, and those with callbacks.
FOLLOWED: Final = 10_000
# Tasks that are ended by hand are found by reading this number of tasks in turn, each time.
SWEPT: Final = 500
# Events are collected at most this often, in seconds of real time.
PERIOD: Final = 0.1
_ORDER: Final = ("call", "task", "callback", "clock")


class FeedEvent(NamedTuple):
    """An event with its number; `account` is None if it concerns all."""

    number: int
    kind: str
    account: str | None
    data: bytes


class _Found(NamedTuple):
    at: float
    kind: str
    account: str | None
    model: models.Model


class _Followed(NamedTuple):
    """A task in the feed: the numbers of its changes and attempts there, and the instant of the next one."""

    changes: int
    attempts: int
    next_at: float = NEVER


class EventFeed:
    """The events of one fake from now on."""

    def __init__(self, fake: Fake, encode: Callable[[object], bytes]) -> None:
        self._fake = fake
        self._encode = encode
        self._lock = threading.Lock()
        self.boot = token_hex(4)
        self._events: deque[FeedEvent] = deque(maxlen=KEPT)
        self._count = 0
        self._collected = 0.0
        self._calls: deque[CallRecord] = deque(maxlen=KEPT)
        self._calls_lost = 0
        self._seen: OrderedDict[str, _Followed] = OrderedDict()
        self._unswept: list[str] = []
        self._clock_version = fake.clock.record.version
        tasks, now = fake.read_tasks()
        for task in tasks:
            self._follow(task, now)
        fake.on_call(self._keep_call, of_all=True)

    def _keep_call(self, call: CallRecord) -> None:
        if len(self._calls) == KEPT:  # no client is connected
            self._calls_lost += 1
        self._calls.append(call)

    def start(self, last_id: str | None) -> int:
        """The position of a client: after the event with this id, or at the end."""
        with self._lock:
            boot, _, number = (last_id or "").partition("-")
            if last_id is None:
                return self._count
            # The id of an earlier run, or an invalid one: all events are new.
            known = boot == self.boot and number.isascii() and number.isdigit() and len(number) < 16
            return min(int(number) + 1, self._count) if known else 0

    def read(self, position: int, account: str | None) -> tuple[bytes, int]:
        """The events from a position on as server-sent events, and the next position. May wait for a lock."""
        self._collect()
        with self._lock:
            first = self._events[0].number if self._events else self._count
            lost = max(first - position, 0)
            parts = [self._format(first - 1, "lost", b'{"events":%d}' % lost)] if lost else []
            parts += [
                self._format(event.number, event.kind, event.data)
                for event in self._events
                if event.number >= position and account in (None, event.account or account)
            ]
            return b"".join(parts), self._count

    def _format(self, number: int, kind: str, data: bytes) -> bytes:
        return f"id: {self.boot}-{max(number, 0)}\nevent: {kind}\ndata: ".encode() + data + b"\n\n"

    def _collect(self) -> None:
        with self._lock:
            now = real_now()
            if self._collected and now - self._collected < PERIOD:
                return
            self._collected = now
            self._count, self._calls_lost = self._count + self._calls_lost, 0
            found = sorted(self._found(), key=lambda each: (each.at, _ORDER.index(each.kind)))
            for each in found:
                event = FeedEvent(self._count, each.kind, each.account, self._encode(each.model))
                self._events.append(event)
                self._count += 1

    def _found(self) -> Iterator[_Found]:
        version = self._fake.clock.record.version
        if version != self._clock_version:
            self._clock_version = version
            clock = read_clock(self._fake)
            yield _Found(clock.jumps[-1].at if clock.jumps else clock.now, "clock", None, clock)
        touched = self._due()
        while self._calls:
            call = self._calls.popleft()
            yield _Found(call.at, "call", call.account, show_call(call))
            if call.task_id is not None:
                touched[call.task_id] = None
                known = 0 if call.method == "POST" else -1  # of another task only later changes are events
                self._seen.setdefault(call.task_id, _Followed(known, known))
        for task_id in touched:
            yield from self._of_task(task_id)

    def _due(self) -> dict[str, None]:
        """The tasks that may have changed by time alone, and some others in turn."""
        now = self._fake.clock.now()
        found = dict.fromkeys(name for name, each in self._seen.items() if each.next_at <= now)
        self._unswept = self._unswept or list(self._seen)
        found |= dict.fromkeys(self._unswept[-SWEPT:])
        del self._unswept[-SWEPT:]
        return found

    def _of_task(self, task_id: str) -> Iterator[_Found]:
        handle = self._fake.find_task(task_id)
        if handle is None:  # its retention is over, or the fake was reset
            self._seen.pop(task_id, None)
            return
        task, now = handle.read()
        record, history = task.record, task.history(now)
        changes, attempts, _ = self._seen.get(task_id, _Followed(-1, -1))
        if changes >= 0:
            for change in history[changes:]:
                failure = task.plan.failure if change.status == "failed" else None
                model = task_models.TaskEvent(
                    record.id, record.account, str(change.status), change.at, failure
                )
                yield _Found(change.at, "task", record.account, model)
            for attempt in task.attempts[attempts:]:
                name = models.callback_id(record.id, attempt.position)
                callback = task_models.CallbackEvent(name, record.id, record.account, show_attempt(attempt))
                yield _Found(attempt.at, "callback", record.account, callback)
        self._follow(task, now)

    def _follow(self, task: TaskState, now: float) -> None:
        """Follow a task while it may change."""
        record = task.record
        if task.at(now).status.terminal and not record.request.callback_url:
            self._seen.pop(record.id, None)
            return
        delivery = next_delivery(task, self._fake.settings)
        instants = (*task.plan.instants(task.times), NEVER if delivery is None else delivery.due)
        # An attempt that is due may be in progress, so its instant may have passed.
        later = [at for at in instants[:2] if at > now] + [instants[2]]
        self._seen[record.id] = _Followed(len(task.history(now)), len(task.attempts), min(later))
        while len(self._seen) > FOLLOWED:
            self._seen.popitem(last=False)
