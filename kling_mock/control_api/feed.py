"""The feed of events: calls, changes of tasks and scripts, attempts to deliver callbacks, and the clock.

It keeps the latest events for all clients. A client has only a position in it, so a client that reads slowly
costs no memory; it receives the number of events that it missed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from secrets import token_hex
from typing import Final, NamedTuple

from kling_contracts.virtual_time.threads import real_now
from kling_mock.control_api.clock import read_clock
from kling_mock.control_api.followed_scripts import FollowedScripts
from kling_mock.control_api.followed_tasks import FollowedTasks, FoundEvent
from kling_mock.control_api.shown import show_call
from kling_mock.fake import Fake
from kling_mock.records import CallRecord

KEPT: Final = 1_000
# Events are collected at most this often, in seconds of real time.
PERIOD: Final = 0.1
# Seconds of real time for which the calls of other processes are kept without a client.
RECONNECTION: Final = 60.0
_ORDER: Final = ("call", "task", "callback", "script", "clock")


class FeedEvent(NamedTuple):
    """An event with its number; `account` is None if it concerns all."""

    number: int
    kind: str
    account: str | None
    data: bytes


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
        self._clock_version = fake.clock.record.version
        self._tasks = FollowedTasks(fake)
        self._scripts = FollowedScripts(fake)
        self._read_at = real_now()
        fake.on_call(self._keep_call)
        self._resume = fake.on_calls_of_others(self._keep_call, self._is_read)
        fake.on_change(self._touch)
        fake.on_replaced(self.restart)

    def _touch(self, task_id: str | None) -> None:
        self._tasks.touch(task_id)

    def _is_read(self) -> bool:
        """Whether a client is connected, or was a moment ago and may connect again."""
        return real_now() - self._read_at < RECONNECTION

    def _keep_call(self, call: CallRecord) -> None:
        if len(self._calls) == KEPT:  # no client is connected
            self._calls_lost += 1
        self._calls.append(call)

    def restart(self) -> None:
        """Forget all events, since the state was replaced. Streams end, and their clients load it again."""
        with self._lock:
            self.boot = token_hex(4)
            self._events.clear()
            self._calls.clear()
            self._count = self._calls_lost = 0

    def start(self, last_id: str | None) -> int:
        """The position of a client: after the event with this id, or at the end. May wait for Redis."""
        self._read_at = real_now()
        if self._resume():  # calls of other processes were missed
            self.restart()
            with self._lock:
                self._tasks, self._scripts = FollowedTasks(self._fake), FollowedScripts(self._fake)
        with self._lock:
            boot, _, number = (last_id or "").partition("-")
            if last_id is None:
                return self._count
            # The id of an earlier run, or an invalid one: all events are new.
            known = boot == self.boot and number.isascii() and number.isdigit() and len(number) < 16
            return min(int(number) + 1, self._count) if known else 0

    def read(self, position: int, account: str | None) -> tuple[bytes, int]:
        """The events from a position on as server-sent events, and the next position. May wait for a lock."""
        self._read_at = real_now()
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
            dropped = max(len(found) - KEPT, 0)  # an advance may change all tasks at once
            self._count += dropped
            for each in found[dropped:]:
                event = FeedEvent(self._count, each.kind, each.account, self._encode(each.model()))
                self._events.append(event)
                self._count += 1

    def _found(self) -> Iterator[FoundEvent]:
        version = self._fake.clock.record.version
        if version != self._clock_version:
            self._clock_version = version
            clock = read_clock(self._fake)
            at = clock.jumps[-1].at if clock.jumps else clock.now
            yield FoundEvent(at, "clock", None, lambda: clock)
        while self._calls:
            call = self._calls.popleft()
            yield FoundEvent(call.at, "call", call.account, partial(show_call, call))
            self._scripts.touch(call)
            if call.task_id is not None:
                self._tasks.begin(call.task_id, created=call.method == "POST")
        yield from self._tasks.changes()
        yield from self._scripts.changes()
