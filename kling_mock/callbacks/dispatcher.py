"""The dispatcher: delivers due callbacks to a receiver of the test, or passes them to a sending server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from kling_contracts.virtual_time.threads import real_now
from kling_mock.callbacks.model import AttemptResult, Callback, Receiver
from kling_mock.callbacks.policy import refusal, without_secrets
from kling_mock.callbacks.queue import DeliveryQueue, PendingDelivery, attempt_of
from kling_mock.control import dropped, record_attempt
from kling_mock.plan import NEVER
from kling_mock.records import EDITED, REDELIVERED, AttemptRecord
from kling_mock.rng import draw_bits
from kling_mock.setting_types import Reach
from kling_mock.settings import Settings
from kling_mock.stores import Store, run

if TYPE_CHECKING:
    from kling_mock.callbacks.receivers import ConnectedReceiver

# Receives each callback sent over HTTP and its attempt; None instead of the attempt if the receiver is not
# called.
OnAttempt = Callable[[Callback, "AttemptRecord | None"], None]


class CallbackDispatcher:
    """Delivers due callbacks in order of their due time.

    A receiver given with `deliver_to` takes precedence over HTTP: it is called here, one callback at a time.
    A server that sends over HTTP registers with `join(wake)`; `wake` is called whenever `take()` or
    `next_due()` may have a new result. While there is one, it also posts to the URL given with `deliver_to`.
    """

    def __init__(self, store: Store, settings: Settings, report: Callable[[BaseException], None]) -> None:
        self._receiver: ConnectedReceiver | None = None
        self._replaced: list[ConnectedReceiver] = []
        self._store = store
        self._queue = DeliveryQueue(store, settings)
        self.concerns = self._queue.concerns  # whether a call may make a callback of its task due
        self._settings = settings
        self._report = report
        self._busy = threading.Lock()
        self._called = False
        self._senders: tuple[Callable[[], None], ...] = ()
        self._refused: list[PendingDelivery] = []

    def adopt(self, settings: Settings) -> None:
        """Use these settings from now on."""
        self._settings = settings
        self._queue.adopt(settings)
        self._reconsider()
        self.wake()

    # -- delivery to a receiver of the test

    def deliver_to(self, receiver: Receiver | None) -> None:
        """Call this receiver from now on; None: call none, so that a running server sends over HTTP again.

        Raises TypeError for an object that is not a receiver, ValueError for a URL that must not be called.
        """
        connected = None
        if receiver is not None:
            from kling_mock.callbacks.receivers import connect

            connected = connect(receiver, self._settings.callbacks)
        if self._receiver is not None:
            self._replaced.append(self._receiver)
        self._receiver = connected
        if connected is not None:
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
        if self._receiver is None and not self._replaced:
            return
        self._called = True
        while self._called and self._busy.acquire(blocking=False):
            try:
                self._called = False
                while self._receiver is not None and not self.sends and (delivery := self._queue.take()):
                    self._hand_over(self._receiver, delivery)
                self._close_replaced()
            finally:
                self._busy.release()

    def settle_other(self, task_id: str, *, created: bool) -> None:
        """As `settle`, after another process has answered a call about a task with a callback."""
        if self._queue.concerns_task(task_id, created=created):
            self.settle(task_id)

    def _hand_over(self, receiver: ConnectedReceiver, delivery: PendingDelivery) -> None:
        try:
            answer = self._call(receiver, delivery.callback)
        except KeyboardInterrupt:  # the test is interrupted; the receiver has not failed
            self._queue.put_back(delivery)
            raise
        self._queue.record(delivery, answer.status, answer.error)

    def _call(self, receiver: ConnectedReceiver, callback: Callback) -> AttemptResult:
        """The result of an attempt, with the text of an error. Reports the exception of the receiver."""
        try:
            answer = receiver.call(self.signed(callback))
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # noqa: BLE001 -- also of pytest.fail and sys.exit: a failed attempt
            answer = AttemptResult(None, problem)
        if answer.problem is None:
            return answer
        subject = f"{callback.status.value} of task {callback.task_id}, attempt {len(callback.attempts) + 1}"
        self._report_problem(answer.problem, f"raised by the callback receiver {receiver.name} for {subject}")
        accepted = answer.status is not None and 200 <= answer.status < 300
        return answer._replace(error=None if accepted else repr(answer.problem))

    def redeliver(self, callback: Callback, edited: Mapping[str, object] | None) -> AttemptRecord:
        """See `OutboxCallback.redeliver`."""
        kind = REDELIVERED
        if edited is not None:
            number = len(callback.attempts) + 1
            callback = callback._replace(
                body=dict(edited), webhook_id=str(draw_bits(0, callback.webhook_id, number))
            )
            kind = EDITED
        own = None if self._receiver is not None else self._connect(callback)
        try:
            receiver = self._receiver if own is None else own
            assert receiver is not None  # noqa: S101 -- for the type checkers
            began = real_now()
            answer = self._call(receiver, callback)
            duration = real_now() - began if receiver.url is not None else 0.0
        finally:
            if own is not None:
                own.close()
        delivery = PendingDelivery(callback, self._store.clock.now(), kind)
        made = attempt_of(delivery, answer.status, answer.error, delivery.due)
        attempt = run(record_attempt(replace(made, duration=duration)), self._store)
        if attempt is None:
            raise dropped(callback.task_id)
        if self._queue.note(callback.task_id):
            self.wake()
        self.settle()
        return attempt

    def _connect(self, callback: Callback) -> ConnectedReceiver:
        """The receiver of a callback over HTTP."""
        if not self.sends:
            raise RuntimeError(
                "redeliver: nothing receives callbacks; set a receiver with deliver_to, or start a server"
            )
        why = self.refusal(callback.url)
        if why is not None:
            raise ValueError(f"redeliver: {without_secrets(callback.url)} is not allowed: {why}")
        from kling_mock.callbacks.receivers import connect

        return connect(callback.url, self._settings.callbacks)

    def _report_problem(self, problem: BaseException, note: str) -> None:
        problem.add_note(note)
        self._report(problem)

    def _close_replaced(self) -> None:
        while self._replaced:
            receiver = self._replaced.pop()
            try:
                receiver.close()
            except KeyboardInterrupt:
                raise
            except BaseException as problem:  # noqa: BLE001 -- the application's shutdown failed
                self._report_problem(problem, f"raised by the callback receiver {receiver.name} at its end")

    def begin_again(self) -> None:
        """All state was replaced: deliver the callbacks of the present tasks."""
        self._refused = []
        self._queue.begin_again()

    # -- delivery over HTTP

    @property
    def sends(self) -> bool:
        """Whether a server sends callbacks now: one is running, and no receiver is called in process."""
        return bool(self._senders) and (self._receiver is None or self._receiver.url is not None)

    @property
    def reach(self) -> Reach:
        """The receivers to which a server sends."""
        return self._settings.callbacks

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
        url = self._url(callback.url)
        delivery = delivery._replace(callback=callback._replace(url=url, refused=self.refusal(url)))
        if delivery.callback.refused is not None:
            # Not put back, so its task is not returned again until another way of delivery is available.
            self._refused.append(delivery)
            self._queue.release(callback.task_id)
        return delivery

    def retry_leased(self) -> None:
        """Try again the attempts that other processes make, which may have ended."""
        if self._queue.retry_leased():
            self.settle()
            self.wake()

    def next_due(self) -> float:
        """When `take` may return the next attempt, in Unix seconds; NEVER: not before `wake` is called."""
        return self._queue.next_due() if self.sends else NEVER

    def record(
        self, delivery: PendingDelivery, status: int | None, error: str | None, duration: float
    ) -> AttemptRecord:
        """Record the result of an attempt that took `duration` seconds of real time."""
        lasted = duration * self._store.clock.estimated_speed
        return self._queue.record(delivery, status, error, lasted=lasted, duration=duration)

    def signed(self, callback: Callback) -> Callback:
        """A callback as it is sent now: signed, if the setting `webhook_secret` is set."""
        return callback.signed(self._settings.webhook_secret)

    def confirm(self, delivery: PendingDelivery) -> bool:
        """Whether an attempt that has waited since `take` is still to be made; otherwise it is put back."""
        return self._queue.confirm(delivery)

    def put_back(self, delivery: PendingDelivery) -> None:
        """Return an attempt that was not made."""
        self._queue.put_back(delivery)

    def refusal(self, url: str) -> str | None:
        """Why the server does not call this receiver; None if it does, or if nothing is sent over HTTP."""
        return refusal(url, self._settings.callbacks) if self.sends else None

    def refusal_of(self, url: str) -> str | None:
        """`refusal` of the URL to which a callback for this one is sent."""
        return self.refusal(self._url(url))

    def _url(self, url: str) -> str:
        receiver = self._receiver
        return url if receiver is None or receiver.url is None else receiver.url

    def _reconsider(self) -> None:
        """Queue the refused deliveries again: they may be deliverable now."""
        refused, self._refused = self._refused, []
        for delivery in refused:
            self._queue.put_back(delivery)
