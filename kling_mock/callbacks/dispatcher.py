"""The dispatcher: hands due callbacks to a function of the test, or lets a server send them over HTTP."""

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

# Is told of a callback and of the attempt that was made; None: its receiver is not called.
Tell = Callable[[Callback, "AttemptRecord | None"], None]


class CallbackDispatcher:
    """Delivers due callbacks, in the order they are due.

    A receiver of the test goes before HTTP: it is called here, one callback at a time. A server that sends
    them joins with `wake`, which tells it to look at `take()` and `next_due()` again.
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

    # -- to a function

    def deliver_to(self, receiver: Receiver | None) -> None:
        """Call this receiver from now on; None: call none, and leave the rest to a server, if any."""
        self._receiver = receiver
        self._queue.open()
        self._reconsider()
        self.settle()
        self.wake()

    def settle(self, task_id: str | None = None) -> None:
        """Deliver all that is due. A receiver may call the fake: what that makes due comes next."""
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
        except Exception as problem:  # noqa: BLE001 -- whatever a receiver raises is its answer
            error = repr(problem)
            self._report(problem)
        except BaseException:  # the test is being interrupted, not the receiver failing
            self._queue.put_back(delivery)
            raise
        self._queue.record(delivery, status, error)

    # -- over HTTP

    @property
    def sends(self) -> bool:
        """Whether callbacks go over HTTP at present: a server runs, and the test has no receiver."""
        return bool(self._senders) and self._receiver is None

    def join(self, wake: Callable[[], None]) -> None:
        self._senders = (*self._senders, wake)
        self._queue.open()

    def leave(self, wake: Callable[[], None]) -> None:
        self._senders = tuple(each for each in self._senders if each is not wake)
        self._reconsider()

    def wake(self) -> None:
        for wake in self._senders:
            wake()

    def take(self) -> PendingDelivery | None:
        """The next attempt to make over HTTP, to `record` or to `put_back`.

        One whose receiver may not be called comes with `refused`, once for its task; it needs neither.
        """
        delivery = self._queue.take() if self.sends else None
        if delivery is None:
            return None
        callback = delivery.callback
        delivery = delivery._replace(callback=callback._replace(refused=self.refusal(callback.url)))
        if delivery.callback.refused is not None:
            # It keeps its task from coming again, until somebody else may deliver.
            self._refused.append(delivery)
        return delivery

    def next_due(self) -> float:
        """When `take` may have something new, in Unix seconds; NEVER: not before it is told."""
        return self._queue.next_due() if self.sends else NEVER

    def record(
        self, delivery: PendingDelivery, status: int | None, error: str | None, lasted: float
    ) -> AttemptRecord:
        """Write down how an attempt ended; `lasted` is in seconds of the fake's clock."""
        return self._queue.record(delivery, status, error, lasted=lasted)

    def put_back(self, delivery: PendingDelivery) -> None:
        self._queue.put_back(delivery)

    def refusal(self, url: str) -> str | None:
        """Why a server does not call this receiver; None if it does, or if none sends anything."""
        return refusal(url, self._settings.callbacks) if self.sends else None

    def _reconsider(self) -> None:
        """What was not to be sent over HTTP may be delivered otherwise."""
        refused, self._refused = self._refused, []
        for delivery in refused:
            self._queue.put_back(delivery)


def _status(answer: object) -> int:
    """The HTTP status that a receiver's answer means. Raises TypeError for an answer that means none."""
    if answer is None:
        return 200
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise TypeError(f"a callback receiver answers with an HTTP status or None, not with {answer!r}")
    return answer
