"""The dispatcher: delivers due callbacks to a function of the test, or passes them to a sending server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kling_mock.callbacks.model import Callback, Receiver
from kling_mock.callbacks.policy import refusal
from kling_mock.callbacks.queue import DeliveryQueue, PendingDelivery
from kling_mock.plan import NEVER
from kling_mock.records import AttemptRecord
from kling_mock.settings import Settings
from kling_mock.stores import Store

# Receives each callback sent over HTTP and its attempt; None instead of the attempt if the receiver is not
# called.
Tell = Callable[[Callback, "AttemptRecord | None"], None]


class CallbackDispatcher:
    """Delivers due callbacks in order of their due time.

    A receiver given with `deliver_to` takes precedence over HTTP: it is called here, one callback at a time.
    A server that sends over HTTP registers with `join(wake)`; `wake` is called whenever `take()` or
    `next_due()` may have a new result.
    """

    def __init__(self, store: Store, settings: Settings, report: Callable[[Exception], None]) -> None:
        self._receiver: Receiver | None = None
        self._queue = DeliveryQueue(store, settings)
        self._settings = settings
        self._report = report
        self._busy = threading.Lock()
        self._called = False
        self._senders: tuple[Callable[[], None], ...] = ()
        self._refused: list[PendingDelivery] = []

    # -- delivery to a function

    def deliver_to(self, receiver: Receiver | None) -> None:
        """Call this receiver from now on; None: call none, so that a running server sends over HTTP again."""
        self._receiver = receiver
        self._queue.open()
        self._reconsider()
        self.settle()
        self.wake()

    def settle(self, task_id: str | None = None) -> None:
        """Deliver all due callbacks, including those that become due because a receiver calls the fake.

        `task_id`: the task that has just changed, if one has.
        """
        if task_id is not None and self._queue.note(task_id):
            self.wake()
        if self._receiver is None:
            return
        self._called = True
        while self._called and self._busy.acquire(blocking=False):
            try:
                self._called = False
                while self._receiver is not None and (delivery := self._queue.take()):
                    self._hand_over(self._receiver, delivery)
            finally:
                self._busy.release()

    def _hand_over(self, receiver: Receiver, delivery: PendingDelivery) -> None:
        status: int | None = None
        error: str | None = None
        try:
            status = _status(receiver(delivery.callback))
        except Exception as problem:  # noqa: BLE001 -- any exception of a receiver is a failed attempt
            error = repr(problem)
            self._report(problem)
        except BaseException:  # the test is interrupted; the receiver has not failed
            self._queue.put_back(delivery)
            raise
        self._queue.record(delivery, status, error)

    # -- delivery over HTTP

    @property
    def sends(self) -> bool:
        """Whether callbacks are sent over HTTP now: a server is running and no receiver is set."""
        return bool(self._senders) and self._receiver is None

    def join(self, wake: Callable[[], None]) -> None:
        """Register a server that sends callbacks."""
        self._senders = (*self._senders, wake)
        self._queue.open()

    def leave(self, wake: Callable[[], None]) -> None:
        self._senders = tuple(each for each in self._senders if each is not wake)
        self._reconsider()

    def wake(self) -> None:
        for wake in self._senders:
            wake()

    def take(self) -> PendingDelivery | None:
        """The next attempt to make over HTTP, or None. The caller must `record` it or `put_back` it.

        If the setting `callbacks` does not allow the receiver, `callback.refused` gives the reason; such an
        attempt is returned once for each task, and must be neither recorded nor put back.
        """
        delivery = self._queue.take() if self.sends else None
        if delivery is None:
            return None
        callback = delivery.callback
        delivery = delivery._replace(callback=callback._replace(refused=self.refusal(callback.url)))
        if delivery.callback.refused is not None:
            # Not put back, so its task is not returned again until another way of delivery is available.
            self._refused.append(delivery)
        return delivery

    def next_due(self) -> float:
        """When `take` may return the next attempt, in Unix seconds; NEVER: not before `wake` is called."""
        return self._queue.next_due() if self.sends else NEVER

    def record(
        self, delivery: PendingDelivery, status: int | None, error: str | None, lasted: float
    ) -> AttemptRecord:
        """Record the result of an attempt; `lasted` is its duration in seconds of the fake's clock."""
        return self._queue.record(delivery, status, error, lasted=lasted)

    def put_back(self, delivery: PendingDelivery) -> None:
        """Return an attempt that was not made."""
        self._queue.put_back(delivery)

    def refusal(self, url: str) -> str | None:
        """Why the server does not call this receiver; None if it does, or if nothing is sent over HTTP."""
        return refusal(url, self._settings.callbacks) if self.sends else None

    def _reconsider(self) -> None:
        """Queue the refused deliveries again: they may be deliverable now."""
        refused, self._refused = self._refused, []
        for delivery in refused:
            self._queue.put_back(delivery)


def _status(answer: object) -> int:
    """The HTTP status that a receiver returned; None is 200. Raises TypeError for any other value."""
    if answer is None:
        return 200
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise TypeError(f"a callback receiver must return an HTTP status (int) or None, not {answer!r}")
    return answer
