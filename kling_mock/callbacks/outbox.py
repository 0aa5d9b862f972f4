"""The outbox: the callbacks due so far, as a test or a script reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

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
        """Hand over what is due, now and after each call, `advance` and script verb.

        The receiver takes a `Callback`. It answers with an HTTP status or None (taken); 300 and above,
        or an exception, is a failed attempt, repeated after the pauses of `callback_retries` on the
        fake's clock. An exception is also raised when the fixture ends. None stops delivery. While there
        is a receiver, a server sends nothing over HTTP.
        """
        self._dispatcher.deliver_to(receiver)

    def _read(self) -> list[Callback]:
        key = TasksKey(self._account)
        snapshot = self._store.read((key,))
        found = [
            callback._replace(refused=self._dispatcher.refusal(callback.url))
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
        shown = (f"  {each.task_id} {each.status} to {each.url}, {_fate(each)}" for each in self._read())
        return "\n".join(["<callbacks>", *shown])


def _fate(callback: Callback) -> str:
    if callback.delivered:
        return "delivered"
    if callback.attempts:
        return f"{len(callback.attempts)} failed attempts"
    return "not tried" if callback.refused is None else f"not sent: {callback.refused}"
