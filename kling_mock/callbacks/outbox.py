"""The outbox: the callbacks due so far, as a read-only sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Self, overload

from kling_contracts.redaction import escape_controls, hide_in_urls
from kling_mock.callbacks.dispatcher import CallbackDispatcher
from kling_mock.callbacks.model import Callback, DueCallback, Receiver, callback_of, due_callbacks
from kling_mock.records import AttemptRecord, TaskState
from kling_mock.settings import Settings
from kling_mock.stores import Store, TaskKey, TasksKey


class OutboxCallback(Callback):
    """A callback of `fake.callbacks`, which can be delivered again. A copy of it cannot."""

    _dispatcher: CallbackDispatcher | None = None

    @classmethod
    def of(cls, callback: Callback, dispatcher: CallbackDispatcher) -> Self:
        made = cls(*callback)
        made._dispatcher = dispatcher
        return made

    def redeliver(self, body: Mapping[str, object] | None = None, **changes: object) -> AttemptRecord:
        """Deliver this callback now, once, and return the attempt, which is of kind `redelivered`.

        As it was sent first, with the same webhook id; or with another `body`, or `changes` of its fields
        (kind `edited`, and a webhook id of its own). It is delivered to the receiver of `deliver_to`, or over
        HTTP if a server is running. Raises RuntimeError if there is neither, ValueError for a URL that must
        not be called, LookupError after the retention of the task.
        """
        if self._dispatcher is None:
            raise RuntimeError("redeliver: a copy of a callback cannot be delivered; use fake.callbacks[i]")
        if body is None and not changes:
            return self._dispatcher.redeliver(self, None)
        return self._dispatcher.redeliver(self, {**(self.body if body is None else body), **changes})

    def __getstate__(self) -> None:
        """Copies do not have the dispatcher."""


class Outbox(Sequence[OutboxCallback]):
    """The callbacks due so far, oldest first: `fake.callbacks`."""

    def __init__(
        self, store: Store, settings: Settings, account: str | None, dispatcher: CallbackDispatcher
    ) -> None:
        self._store = store
        self._settings = settings
        self._account = account
        self._dispatcher = dispatcher

    def deliver_to(self, receiver: Receiver | None) -> None:
        """Deliver due callbacks to a receiver: now, and after each request, `advance` or change by the test.

        A receiver is one of:

        - a function or async function of a `Callback`; it returns an HTTP status, a response with
          `status_code`, or None (200);
        - an ASGI or WSGI application: each callback is posted to the path and query of its task's
          `callback_url`; the lifespan of an ASGI application begins with the first callback and ends when
          another receiver is set;
        - a URL, to which callbacks are posted over HTTP, if the setting `callbacks` allows it.

        A status outside 200-299 or an exception is a failed attempt; it is repeated after the pauses in the
        setting `callback_retries`, on the fake's clock. The exception is also raised when the fixture ends.
        Async functions and ASGI applications run on an event loop in a thread of their own, with 10 seconds
        of real time for an answer. `deliver_to(None)` stops delivery. While a function or application is
        set, a server sends nothing over HTTP. Raises TypeError for any other object, ValueError for a URL
        that must not be called; the receiver set before then stays.
        """
        self._dispatcher.deliver_to(receiver)

    def of_task(self, task_id: str) -> list[OutboxCallback]:
        """Those of one task, at a cost independent of the number of tasks; empty for an unknown id."""
        return [self.callback(each) for each in self.due(task_id)]

    def due(self, task_id: str | None = None) -> list[DueCallback]:
        """All callbacks, or those of one task, without bodies: these take most of the time of a list."""
        tasks, now = self._tasks(task_id)
        due = [each for task in tasks for each in due_callbacks(task, self._settings, now)]
        return sorted(due, key=lambda each: each.change.at)

    def _tasks(self, task_id: str | None) -> tuple[tuple[TaskState, ...], float]:
        """All tasks, or the one with this id, and the present."""
        if task_id is None:
            every = TasksKey(self._account)
            snapshot = self._store.read((every,))
            return snapshot[every], snapshot.now
        one = TaskKey(task_id)
        snapshot = self._store.read((one,))
        task = snapshot[one]
        if task is None or self._account not in (None, task.record.account):
            return (), snapshot.now
        return (task,), snapshot.now

    def callback(self, due: DueCallback) -> OutboxCallback:
        """A callback with its body, signed at the present system time."""
        made = callback_of(due.task, self._settings, due.position, due.change)
        judged = made._replace(refused=self.refusal(made.url))
        return OutboxCallback.of(judged.signed(self._settings.webhook_secret), self._dispatcher)

    def refusal(self, url: str) -> str | None:
        """The reason for which a server does not send callbacks to this URL, or None."""
        return self._dispatcher.refusal_of(url)

    @overload
    def __getitem__(self, index: int) -> OutboxCallback: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[OutboxCallback]: ...
    def __getitem__(self, index: int | slice) -> OutboxCallback | Sequence[OutboxCallback]:
        due = self.due()[index]
        return [self.callback(each) for each in due] if isinstance(due, list) else self.callback(due)

    def __len__(self) -> int:
        return len(self.due())

    def __iter__(self) -> Iterator[OutboxCallback]:
        return map(self.callback, self.due())

    def __repr__(self) -> str:
        shown = (
            hide_in_urls(f"  {each.task_id} {each.status} to {each.url}, {_fate(each)}") for each in self
        )
        return "\n".join(["<callbacks>", *map(escape_controls, shown)])


def _fate(callback: Callback) -> str:
    if callback.delivered:
        return "delivered"
    if callback.attempts:
        return f"{len(callback.attempts)} failed attempts"
    return "not tried" if callback.refused is None else f"not sent: {callback.refused}"
