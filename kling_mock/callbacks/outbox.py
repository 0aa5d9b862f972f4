"""The outbox: the callbacks due so far, as a read-only sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from kling_contracts.redaction import escape_controls, hide_in_urls
from kling_mock.callbacks.dispatcher import CallbackDispatcher
from kling_mock.callbacks.model import Callback, Receiver, callbacks_of
from kling_mock.settings import Settings
from kling_mock.stores import Store, TasksKey


class Outbox(Sequence[Callback]):
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

    def _read(self) -> list[Callback]:
        key, secret = TasksKey(self._account), self._settings.webhook_secret
        snapshot = self._store.read((key,))
        found = [
            callback._replace(
                refused=self._dispatcher.refusal_of(callback), redelivery=self._dispatcher.redeliver
            ).signed(secret)
            for task in snapshot[key]
            for callback in callbacks_of(task, self._settings, snapshot.now)
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
        shown = (
            hide_in_urls(f"  {each.task_id} {each.status} to {each.url}, {_fate(each)}")
            for each in self._read()
        )
        return "\n".join(["<callbacks>", *map(escape_controls, shown)])


def _fate(callback: Callback) -> str:
    if callback.delivered:
        return "delivered"
    if callback.attempts:
        return f"{len(callback.attempts)} failed attempts"
    return "not tried" if callback.refused is None else f"not sent: {callback.refused}"
