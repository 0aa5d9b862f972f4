"""The outbox: which callbacks are due, derived from plans and the clock, and their delivery to a receiver.

Nothing is queued. A callback is due for every change of a task that gave a `callback_url`; only attempts
to deliver are records. Sources: the trigger and the bare task object as body are official; repeats until
a receiver takes it are assumed (at-least-once).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, overload

from contracts.vocabulary import TaskStatus
from kling_mock.messages import task_message
from kling_mock.records import AttemptRecord, TaskRecord
from kling_mock.settings import Settings
from kling_mock.stores import Store

CONTENT_TYPE = "application/json; charset=utf-8"


class Callback(NamedTuple):
    """One change of one task as its receiver is told. `due` and attempts are in Unix seconds."""

    task_id: str
    url: str
    status: TaskStatus
    due: float
    position: int
    body: dict[str, object]
    attempts: tuple[AttemptRecord, ...]

    @property
    def content(self) -> bytes:
        """The body as sent: the bare task object in JSON, without an envelope."""
        return json.dumps(self.body, ensure_ascii=False).encode()

    @property
    def headers(self) -> dict[str, str]:
        return {"content-type": CONTENT_TYPE}

    @property
    def delivered(self) -> bool:
        return any(attempt.delivered for attempt in self.attempts)

    def next_attempt(self, retries: Sequence[float]) -> float | None:
        """When to try (again), or None if the callback was taken or has been given up."""
        if not self.attempts:
            return self.due
        failed = len(self.attempts)
        return None if self.delivered or failed > len(retries) else self.attempts[-1].at + retries[failed - 1]


# Gives the HTTP status of the receiver's answer; None counts as 200. An exception is a failed attempt.
Receiver = Callable[[Callback], "int | None"]


class Outbox(Sequence[Callback]):
    """The callbacks due so far, oldest first: `fake.callbacks`."""

    def __init__(self, store: Store, settings: Settings, account: str | None, courier: Courier) -> None:
        self._store = store
        self._settings = settings
        self._account = account
        self._courier = courier

    def deliver_to(self, receiver: Receiver | None) -> None:
        """Hand over what is due, now and after each call, `advance` and script verb.

        The receiver takes a `Callback`. It answers with an HTTP status or None (taken); 300 and above,
        or an exception, is a failed attempt, repeated after the pauses of `callback_retries` on the
        fake's clock. An exception is also raised when the fixture ends. None stops delivery.
        """
        self._courier.receiver = receiver
        self._courier.settle()

    def _read(self) -> list[Callback]:
        found = [
            callback
            for record in self._store.tasks(self._account)
            for callback in callbacks_of(self._store, record, self._settings)
        ]
        return sorted(found, key=lambda callback: callback.due)

    @overload
    def __getitem__(self, index: int) -> Callback: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Callback]: ...
    def __getitem__(self, index: int | slice) -> Callback | Sequence[Callback]:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[Callback]:
        return iter(self._read())

    def __repr__(self) -> str:
        shown = (f"  {each.task_id} {each.status} to {each.url}, {_fate(each)}" for each in self._read())
        return "\n".join(["<callbacks>", *shown])


def _fate(callback: Callback) -> str:
    if callback.delivered:
        return "delivered"
    return f"{len(callback.attempts)} failed attempts" if callback.attempts else "not tried"


def callbacks_of(store: Store, record: TaskRecord, settings: Settings) -> Iterator[Callback]:
    """The callbacks of one task that have become due."""
    url = record.request.callback_url
    if not url:
        return
    plan, times = store.plan(record.id), store.polls(record.id).times
    for position, change in enumerate(plan.history(record.created, times, store.now())):
        yield Callback(
            record.id,
            url,
            change.status,
            change.at,
            position,
            task_message(record, plan, change, settings.seed).to_wire(),
            tuple(store.attempts(record.id, position)),
        )


class Courier:
    """Delivers due callbacks to the receiver, one at a time, in the order they are due."""

    def __init__(self, store: Store, settings: Settings, report: Callable[[Exception], None]) -> None:
        self.receiver: Receiver | None = None
        self._store = store
        self._settings = settings
        self._report = report
        self._busy = threading.Lock()
        self._called = False

    def settle(self) -> None:
        """Deliver all that is due. A receiver may call the fake: what that makes due comes next."""
        if self.receiver is None:
            return
        self._called = True
        while self._called and self._busy.acquire(blocking=False):
            try:
                self._called = False
                while self.receiver is not None and self._deliver_next(self.receiver):
                    pass
            finally:
                self._busy.release()

    def _deliver_next(self, receiver: Receiver) -> bool:
        now, retries = self._store.now(), self._settings.callback_retries
        waiting: list[tuple[float, Callback]] = []
        for record in self._store.tasks():
            for callback in callbacks_of(self._store, record, self._settings):
                due = callback.next_attempt(retries)
                if due is not None and due <= now:
                    waiting.append((due, callback))
        if not waiting:
            return False
        due, callback = min(waiting, key=lambda item: item[0])
        self._store.commit((self._attempt(receiver, callback, due),))
        return True

    def _attempt(self, receiver: Receiver, callback: Callback, due: float) -> AttemptRecord:
        number = len(callback.attempts) + 1
        status: int | None = None
        error: str | None = None
        try:
            status = _status(receiver(callback))
        except Exception as problem:  # noqa: BLE001 -- whatever a receiver raises is its answer
            error = repr(problem)
            self._report(problem)
        if status is not None and not 200 <= status < 300:
            error = f"the receiver answered {status}"
        # The instant is when the attempt was due: a jump of the clock passes through all retries.
        return AttemptRecord(callback.task_id, callback.position, number, due, status, error)


def _status(answer: object) -> int:
    """The HTTP status that a receiver's answer means. Raises TypeError for an answer that means none."""
    if answer is None:
        return 200
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise TypeError(f"a callback receiver answers with an HTTP status or None, not with {answer!r}")
    return answer
