"""More callbacks than a receiver accepts: attempts that wait are checked again before they are made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Fake, ManualClock
from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.callbacks.queue import DeliveryQueue
from kling_mock.doors import webhook_sender
from tests.kling_mock.callbacks.inbox import HOOK
from tests.kling_mock.conftest import Caller
from tests.kling_mock.stores.redis_server import redis_store, second_handle

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start


NUMBER = 30
LOCAL = "http://127.0.0.1:9/hook"


class SlowReceiver:
    """Instead of the HTTP client: the first attempt takes the retention of all tasks."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.received: list[str] = []

    async def attempt(self, callback: Callback) -> AttemptResult:
        self.received.append(callback.task_id)
        if len(self.received) == 1:
            self._clock.advance(days=31)
        await asyncio.sleep(0)
        return AttemptResult(200, None)

    async def close(self) -> None: ...


@pytest.mark.parametrize(("confirmed_after", "received"), [(-1.0, 1), (60.0, NUMBER)])
def test_callbacks_that_wait_beyond_the_retention_of_their_task_are_not_sent(
    start: Start, monkeypatch: pytest.MonkeyPatch, confirmed_after: float, received: int
) -> None:
    """Those that have waited for at most `CONFIRMED_AFTER` are; nothing stays in the queue."""
    caller = start(pace="held:submitted", clock=ManualClock())
    fake = caller.fake
    slow = SlowReceiver(fake.clock)
    monkeypatch.setattr(webhook_sender, "CONFIRMED_AFTER", confirmed_after)
    monkeypatch.setattr(webhook_sender, "IN_FLIGHT_PER_RECEIVER", 1)
    monkeypatch.setattr(webhook_sender._Sending, "_http", lambda _: slow)
    for _ in range(NUMBER):
        caller.create(callback_url=LOCAL)

    async def send() -> None:
        sending = asyncio.create_task(fake.sender().run())
        entries = fake._dispatcher._queue._entries
        while len(slow.received) < received or entries:  # noqa: ASYNC110 -- the queue has no event for its end
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    asyncio.run(asyncio.wait_for(send(), 20))
    assert len(slow.received) == received
    assert not list(fake.callbacks)


def test_an_attempt_that_another_process_has_leased_or_made_meanwhile_is_not_made() -> None:
    """Two processes with one state: after the end of the lease the other one takes the attempt."""
    store = redis_store()
    fake = Fake(store=store, pace="held:submitted")
    task = Caller(fake).create(callback_url=HOOK)["task_id"]
    mine, other = DeliveryQueue(store, fake.settings), DeliveryQueue(second_handle(store), fake.settings)
    mine.open()
    other.open()
    waiting = mine.take()
    assert waiting is not None
    assert other.take() is None
    assert mine.confirm(waiting)
    store._client.delete(store.session.lease_key(task))  # its time is over
    other.retry_leased()
    taken = other.take()
    assert taken is not None
    assert not mine.confirm(waiting)
    assert other.confirm(taken), "the lease of the other process is left"
    other.record(taken, 200)
    assert not mine.confirm(waiting)
    mine.retry_leased()
    assert mine.take() is None
