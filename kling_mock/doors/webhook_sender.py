"""Sends callbacks over HTTP from the event loop of a server. Its client is imported at the first callback."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kling_contracts.virtual_time.threads import real_now
from kling_mock.callbacks.dispatcher import CallbackDispatcher, OnAttempt
from kling_mock.callbacks.queue import PendingDelivery
from kling_mock.records import AttemptRecord
from kling_mock.stores import StateNotKept
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    from kling_mock.doors.webhook_client import WebhookClient

# A slow receiver must neither delay other receivers nor use all sockets.
IN_FLIGHT_PER_RECEIVER: Final = 8
IN_FLIGHT: Final = 256
# Attempts taken from the queue before the event loop does something else.
TAKEN_AT_ONCE: Final = 32
# Seconds before the store is used again that could not be read, or could not keep an attempt.
UNKEPT_PAUSE: Final = 1.0
# Seconds of real time after which an attempt that waits for its receiver is checked again before it is made:
# less than a lease of a shared store.
CONFIRMED_AFTER: Final = 5.0
# Event loops limit the length of a sleep; after an early wake-up the sender sleeps again.
LONGEST_SLEEP: Final = 86_400.0


@lru_cache(maxsize=256)
def _receiver_of(url: str) -> str:
    """Host and port; the whole of a malformed URL."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return url


class _Line:
    """The attempts to make for one receiver, and the number of tasks that make them.

    Each attempt has the real time since which it waits.
    """

    __slots__ = ("deliveries", "workers")

    def __init__(self) -> None:
        self.deliveries: deque[tuple[float, PendingDelivery]] = deque()
        self.workers = 0


class CallbackSender:
    """Sends due callbacks and sleeps until the next due time. `run()` ends when it is cancelled."""

    def __init__(
        self, dispatcher: CallbackDispatcher, notifier: ChangeNotifier, on_attempt: OnAttempt | None
    ) -> None:
        self._dispatcher = dispatcher
        self._notifier = notifier
        self._on_attempt = on_attempt

    async def run(self) -> None:
        """Send until cancelled. Attempts in progress then count as not made."""
        loop = asyncio.get_running_loop()
        sending = _Sending(self._dispatcher, self._notifier, self._on_attempt)

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(sending.changed.set)

        self._dispatcher.join(wake)
        try:
            async with asyncio.TaskGroup() as workers:
                while True:
                    sending.changed.clear()
                    try:
                        more = sending.take(workers)
                    except StateNotKept:  # the store cannot be read at present
                        await asyncio.sleep(UNKEPT_PAUSE)
                        continue
                    if more:
                        await asyncio.sleep(0)
                    else:
                        await self._sleep(sending.changed)
        finally:
            self._dispatcher.leave(wake)
            await sending.close()

    async def _sleep(self, changed: asyncio.Event) -> None:
        """Sleep until a change, or until the clock reaches the next due time."""
        seconds = min(self._notifier.seconds_to(self._dispatcher.next_due()), LONGEST_SLEEP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()


class _Sending:
    """The attempts in progress of one run, and those that wait for them."""

    def __init__(
        self, dispatcher: CallbackDispatcher, notifier: ChangeNotifier, on_attempt: OnAttempt | None
    ) -> None:
        self.changed = asyncio.Event()
        self._dispatcher = dispatcher
        self._notifier = notifier
        self._on_attempt = on_attempt
        self._client: WebhookClient | None = None
        self._lines: dict[str, _Line] = {}
        self._total = asyncio.Semaphore(IN_FLIGHT)

    def take(self, workers: asyncio.TaskGroup) -> bool:
        """Take some due attempts; returns whether more may be due."""
        for _ in range(TAKEN_AT_ONCE):
            delivery = self._dispatcher.take()
            if delivery is None:
                return False
            if delivery.callback.refused is not None:
                if self._on_attempt is not None:
                    self._on_attempt(delivery.callback, None)
                continue
            receiver = _receiver_of(delivery.callback.url)
            line = self._lines.get(receiver)
            if line is None:
                line = self._lines[receiver] = _Line()
            line.deliveries.append((real_now(), delivery))
            if line.workers < IN_FLIGHT_PER_RECEIVER:
                line.workers += 1
                workers.create_task(self._work(receiver, line))
        return True

    async def _work(self, receiver: str, line: _Line) -> None:
        """Make the attempts of one receiver until none waits."""
        try:
            while line.deliveries:
                async with self._total:
                    if line.deliveries:  # otherwise other tasks have made them meanwhile
                        since, delivery = line.deliveries.popleft()
                        await self._deliver(delivery, real_now() - since)
        finally:
            line.workers -= 1
            if not line.workers and not line.deliveries:
                del self._lines[receiver]

    async def _deliver(self, delivery: PendingDelivery, waited: float) -> None:
        attempt: AttemptRecord | None = None
        is_put_back = False
        try:
            if waited > CONFIRMED_AFTER and not self._dispatcher.confirm(delivery):
                is_put_back = True
            elif self._dispatcher.sends:  # otherwise the test has set a receiver meanwhile
                attempt = await self._attempt(delivery)
        except StateNotKept:  # perhaps the disk is full: the callback is sent again
            await asyncio.sleep(UNKEPT_PAUSE)
        finally:
            if attempt is None and not is_put_back:
                self._dispatcher.put_back(delivery)
        if attempt is not None and self._on_attempt is not None:
            self._on_attempt(delivery.callback, attempt)
        self.changed.set()
        self._notifier.notify()

    async def _attempt(self, delivery: PendingDelivery) -> AttemptRecord:
        began = real_now()  # the clock of an event loop has a resolution of a millisecond
        answer = await self._http().attempt(self._dispatcher.signed(delivery.callback))
        return self._dispatcher.record(delivery, answer.status, answer.error, real_now() - began)

    def _http(self) -> WebhookClient:
        if self._client is None:
            from kling_mock.doors.webhook_client import WebhookClient

            self._client = WebhookClient(self._dispatcher.reach)
        self._client.reach = self._dispatcher.reach
        return self._client

    async def close(self) -> None:
        """Return the attempts that wait, and close all connections."""
        for line in self._lines.values():
            for _, delivery in line.deliveries:
                self._dispatcher.put_back(delivery)
        if self._client is not None:
            await self._client.close()
