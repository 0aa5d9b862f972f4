"""Callbacks that the test delivers again, as they were sent or edited."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from kling_client import parse_callback
from kling_mock.callbacks.model import Callback
from kling_mock.testing.timeline import timeline
from tests.kling_mock.callbacks.inbox import HOOK

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start

SECRET = "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiBieXRlcyE="


def test_as_it_was_sent(start: Start) -> None:
    caller = start(pace="instant", webhook_secret=SECRET)
    seen: list[Callback] = []
    caller.fake.callbacks.deliver_to(seen.append)
    caller.create(callback_url=HOOK)
    caller.clock.advance(30)
    attempt = caller.fake.callbacks[1].redeliver()
    assert (attempt.kind, attempt.number, attempt.status, attempt.error) == ("redelivered", 2, 200, None)
    assert attempt.at == caller.clock.now()
    assert caller.fake.callbacks[1].attempts[-1] == attempt
    assert (seen[3].content, seen[3].webhook_id) == (seen[1].content, seen[1].webhook_id)
    assert parse_callback(seen[3].content, seen[3].headers, secret=SECRET).task_status == "processing"
    assert "processing to https://app.test/hook delivered (redelivered)" in timeline(caller.fake)
    caller.fake.check()


def test_edited(start: Start) -> None:
    """With a signature of its own; the callback counts as delivered only as it was sent first."""
    caller = start(pace="held:submitted", webhook_secret=SECRET, callback_retries=[60])
    seen: list[Callback] = []

    def receive(callback: Callback) -> int:
        seen.append(callback)
        return 500 if len(seen) == 1 else 200

    caller.fake.callbacks.deliver_to(receive)
    caller.create(callback_url=HOOK)
    callback = caller.fake.callbacks[0]
    attempt = callback.redeliver(task_status="failed", extra=[1])
    assert (attempt.kind, attempt.delivered) == ("edited", True)
    assert seen[1].body == {**callback.body, "task_status": "failed", "extra": [1]}
    assert parse_callback(seen[1].content, seen[1].headers, secret=SECRET).task_status == "failed"
    caller.fake.callbacks[0].redeliver({"task_id": "1", "task_status": "x"})
    assert seen[2].body == {"task_id": "1", "task_status": "x"}
    caller.fake.callbacks[0].redeliver({"task_id": "1"}, task_status="y")
    assert seen[3].body == {"task_id": "1", "task_status": "y"}
    assert len({each.webhook_id for each in seen}) == 4
    assert not caller.fake.callbacks[0].delivered
    caller.clock.advance(60)
    assert seen[4].content == callback.content
    assert caller.fake.callbacks[0].delivered


def test_a_redelivery_that_is_accepted_ends_the_retries_and_lets_later_ones_pass(start: Start) -> None:
    caller = start(pace="instant", callback_retries=[60])
    answers = iter([500, 500])
    caller.fake.callbacks.deliver_to(lambda _: next(answers, 200))
    caller.create(callback_url=HOOK)
    assert caller.fake.callbacks[0].redeliver().error == "the receiver answered 500"
    assert [len(each.attempts) for each in caller.fake.callbacks] == [2, 0, 0]
    caller.fake.callbacks[0].redeliver()
    assert [len(each.attempts) for each in caller.fake.callbacks] == [3, 1, 1]
    caller.clock.advance(days=1)
    assert [len(each.attempts) for each in caller.fake.callbacks] == [3, 1, 1]


def test_a_failed_redelivery_uses_up_no_retry(start: Start) -> None:
    caller = start(pace="held:submitted", callback_retries=[60])
    caller.fake.callbacks.deliver_to(lambda _: 500)
    caller.create(callback_url=HOOK)
    caller.fake.callbacks[0].redeliver()
    caller.clock.advance(days=1)
    assert [each.kind for each in caller.fake.callbacks[0].attempts] == ["sent", "redelivered", "sent"]


def test_an_exception_of_the_receiver_is_reported(start: Start) -> None:
    caller = start(pace="held:submitted")
    caller.create(callback_url=HOOK)

    def receive(callback: Callback) -> None:
        if callback.attempts:
            raise LookupError("no such order")

    caller.fake.callbacks.deliver_to(receive)
    assert caller.fake.callbacks[0].redeliver().error == "LookupError('no such order')"
    with pytest.raises(ExceptionGroup):
        caller.fake.check()


def test_the_receiver_itself_may_redeliver(start: Start) -> None:
    caller = start(pace="held:submitted")
    seen: list[int] = []

    def receive(callback: Callback) -> None:
        seen.append(len(callback.attempts))
        if len(seen) == 1:
            caller.fake.callbacks[0].redeliver()

    caller.fake.callbacks.deliver_to(receive)
    caller.create(callback_url=HOOK)
    assert seen == [0, 0]
    attempts = caller.fake.callbacks[0].attempts
    assert [(each.number, each.kind) for each in attempts] == [(1, "redelivered"), (2, "sent")]
    caller.fake.check()


def test_it_needs_a_receiver(start: Start) -> None:
    caller = start(pace="held:submitted")
    seen: list[Callback] = []
    caller.create(callback_url=HOOK)
    with pytest.raises(RuntimeError, match="set a receiver with deliver_to, or start a server"):
        caller.fake.callbacks[0].redeliver()
    caller.fake.callbacks.deliver_to(seen.append)
    callback = caller.fake.callbacks[0]
    copied = copy.deepcopy(callback)
    assert copied == callback
    assert pickle.loads(pickle.dumps(callback)) == callback
    with pytest.raises(RuntimeError, match="a copy of a callback cannot be delivered"):
        copied.redeliver()
    caller.clock.advance(days=30)
    with pytest.raises(LookupError, match="no longer kept"):
        callback.redeliver()
