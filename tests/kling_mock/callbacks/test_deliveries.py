"""Deliveries of callbacks: in order, and repeated until they are accepted or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_mock.callbacks.model import Callback
from tests.kling_mock.callbacks.inbox import BORN, HOOK, Inbox

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start


def test_they_are_delivered_after_each_request_advance_and_ended_task(start: Start) -> None:
    caller = start(pace="polls:2")
    inbox = Inbox()
    caller.fake.callbacks.deliver_to(inbox)
    task = caller.make(callback_url=HOOK)
    assert inbox.statuses == ["submitted"]
    caller.query(task.id)
    assert inbox.statuses == ["submitted", "processing"]
    task.succeed()
    assert inbox.statuses == ["submitted", "processing", "succeed"]
    caller.clock.advance(days=1)
    caller.query(task.id)
    assert len(inbox.received) == 3


@pytest.mark.parametrize("answer", [None, 200, 201, 204, 299])
def test_a_status_below_300_or_none_is_a_delivery(answer: int | None, start: Start) -> None:
    caller = start(pace="held:submitted")
    inbox = Inbox(answer)
    caller.fake.callbacks.deliver_to(inbox)
    caller.create(callback_url=HOOK)
    caller.clock.advance(days=1)
    assert len(inbox.received) == 1
    callback = caller.fake.callbacks[0]
    assert callback.delivered
    assert [(each.status, each.error) for each in callback.attempts] == [(answer or 200, None)]
    caller.fake.check()


@pytest.mark.parametrize("answer", [199, 301, 404, 500, 503])
def test_another_status_is_a_failed_attempt_and_is_repeated(answer: int, start: Start) -> None:
    caller = start(pace="held:submitted", callback_retries=[10, 60])
    inbox = Inbox(answer, answer)
    caller.fake.callbacks.deliver_to(inbox)
    caller.create(callback_url=HOOK)
    caller.clock.advance(9.5)
    assert len(inbox.received) == 1
    caller.clock.advance(0.5)
    caller.clock.advance(60)
    assert [len(callback.attempts) for callback in inbox.received] == [0, 1, 2]
    attempts = caller.fake.callbacks[0].attempts
    error = f"the receiver answered {answer}"
    assert [(each.number, each.at - BORN, each.status, each.error) for each in attempts] == [
        (1, 0, answer, error),
        (2, 10, answer, error),
        (3, 70, 200, None),
    ]
    caller.fake.check()


@pytest.mark.parametrize(
    ("switches", "times"),
    [
        ({}, [0, 1, 11, 71, 671]),
        ({"callback_retries": [1, 2]}, [0, 1, 3]),
        ({"callback_retries": []}, [0]),
    ],
)
def test_a_callback_that_is_never_accepted_is_given_up(
    switches: dict[str, Any], times: list[float], start: Start
) -> None:
    caller = start(pace="held:submitted", **switches)
    caller.fake.callbacks.deliver_to(Inbox(*[500] * 100))
    caller.create(callback_url=HOOK)
    for _ in range(20):
        caller.clock.advance(100)
    callback = caller.fake.callbacks[0]
    assert [attempt.at - BORN for attempt in callback.attempts] == times
    assert not callback.delivered


def test_a_later_change_is_sent_after_the_earlier_is_delivered(start: Start) -> None:
    """The later ones wait for its retry, and are then sent at the instant of its delivery."""
    caller = start(pace="seconds:1,1", callback_retries=[10])
    inbox = Inbox(500)
    caller.fake.callbacks.deliver_to(inbox)
    caller.create(callback_url=HOOK)
    other = caller.create(callback_url=HOOK)["task_id"]
    caller.clock.advance(5)
    assert inbox.statuses == ["submitted", "submitted", "processing", "succeed"]
    assert {callback.task_id for callback in inbox.received[1:]} == {other}
    caller.clock.advance(5)
    assert inbox.statuses[4:] == ["submitted", "processing", "succeed"]
    mine = [each for each in caller.fake.callbacks if each.task_id != other]
    assert [[attempt.at - BORN for attempt in each.attempts] for each in mine] == [[0, 10], [10], [10]]


def test_a_later_change_is_sent_after_the_earlier_is_given_up(start: Start) -> None:
    caller = start(pace="seconds:1,1", callback_retries=[10])
    inbox = Inbox(500, 500)
    caller.fake.callbacks.deliver_to(inbox)
    caller.create(callback_url=HOOK)
    caller.clock.advance(60)
    assert inbox.statuses == ["submitted", "submitted", "processing", "succeed"]
    assert [each.delivered for each in caller.fake.callbacks] == [False, True, True]


def test_an_attempt_has_the_instant_of_the_next_one(start: Start) -> None:
    caller = start(pace="held:submitted", callback_retries=[10, 60])
    caller.fake.callbacks.deliver_to(Inbox(500, 500, 500))
    caller.create(callback_url=HOOK)
    caller.clock.advance(100)
    attempts = caller.fake.callbacks[0].attempts
    assert [(each.kind, each.duration) for each in attempts] == [("sent", 0)] * 3
    assert [each.retry_at and each.retry_at - BORN for each in attempts] == [10, 70, None]


def test_an_exception_is_a_failed_attempt_that_check_raises(start: Start) -> None:
    """Neither the request that made it due nor the advance of the clock fails."""
    caller = start(pace="held:submitted")
    inbox = Inbox(RuntimeError("the app is down"))
    caller.fake.callbacks.deliver_to(inbox)
    assert caller.ask(callback_url=HOOK).status == 200
    caller.clock.advance(10)
    attempts = caller.fake.callbacks[0].attempts
    assert [(each.status, each.error) for each in attempts] == [
        (None, "RuntimeError('the app is down')"),
        (200, None),
    ]
    with pytest.raises(ExceptionGroup) as caught:
        caller.fake.check()
    assert [str(each) for each in caught.value.exceptions] == ["the app is down"]


@pytest.mark.parametrize("answer", ["200", True, object(), [200], ("", 204), {"status": 200}])
def test_a_receiver_that_returns_another_type_is_an_error(answer: Any, start: Start) -> None:
    """For example the body and status of a web framework. The requests still succeed."""
    caller = start(pace="held:submitted", callback_retries=[])
    caller.fake.callbacks.deliver_to(lambda _: answer)
    assert caller.ask(callback_url=HOOK).status == 200
    assert caller.ask().status == 200
    with pytest.raises(ExceptionGroup) as caught:
        caller.fake.check()
    (problem,) = caught.value.exceptions
    assert isinstance(problem, TypeError)
    assert "must return an HTTP status (int) or None, or a response with `status_code`" in str(problem)


@pytest.mark.parametrize("pace", ["instant", "polls:2", "seconds:1,2"])
def test_delivery_failure_never_changes_the_task(pace: str, start: Start) -> None:
    seen = []
    for receiver in (None, Inbox(*[500] * 99), Inbox(*[OSError("gone")] * 99)):
        caller = start(pace=pace)
        caller.fake.callbacks.deliver_to(receiver)
        task_id = caller.create(callback_url=HOOK)["task_id"]
        course = []
        for _ in range(3):
            caller.clock.advance(1)
            course.append(caller.query(task_id))
        seen.append(course)
    assert seen[0] == seen[1] == seen[2]


def test_a_receiver_may_call_the_fake_and_sees_the_task(start: Start) -> None:
    """A query during the delivery returns the status of the callback."""
    caller = start(pace="seconds:2,3")
    seen: list[tuple[str, str]] = []

    def receiver(callback: Callback) -> None:
        seen.append((callback.status.value, caller.status(callback.task_id)))

    caller.fake.callbacks.deliver_to(receiver)
    caller.create(callback_url=HOOK)
    caller.clock.advance(2)
    caller.clock.advance(3)
    assert seen == [(status, status) for status in ("submitted", "processing", "succeed")]
    caller.fake.check()


def test_a_receiver_may_create_the_next_task_and_end_another(start: Start) -> None:
    """Callbacks that become due during a delivery follow it, each exactly once."""
    caller = start(pace="held")
    order: list[str] = []

    def receiver(callback: Callback) -> None:
        order.append(callback.status.value)
        task = next(task for task in caller.fake.tasks if task.id == callback.task_id)
        if callback.status == "processing":
            task.release()
        if callback.status == "succeed" and len(caller.fake.tasks) < 2:
            caller.create(callback_url=HOOK)

    caller.fake.callbacks.deliver_to(receiver)
    caller.create(callback_url=HOOK)
    assert order == ["submitted", "processing", "succeed"] * 2
    assert all(callback.delivered for callback in caller.fake.callbacks)
    assert [len(callback.attempts) for callback in caller.fake.callbacks] == [1] * 6
    caller.fake.check()


def test_a_receiver_may_advance_the_clock(start: Start) -> None:
    caller = start(pace="seconds:2,3")
    inbox: list[str] = []

    def receiver(callback: Callback) -> None:
        inbox.append(callback.status.value)
        caller.clock.advance(5)

    caller.fake.callbacks.deliver_to(receiver)
    caller.create(callback_url=HOOK)
    assert inbox == ["submitted", "processing", "succeed"]


def test_none_stops_delivery_and_a_late_receiver_gets_the_due_callbacks(start: Start) -> None:
    caller = start(pace="seconds:2,3")
    first, second = Inbox(), Inbox()
    caller.fake.callbacks.deliver_to(first)
    caller.create(callback_url=HOOK)
    caller.fake.callbacks.deliver_to(None)
    caller.clock.advance(10)
    assert first.statuses == ["submitted"]
    caller.fake.callbacks.deliver_to(second)
    assert second.statuses == ["processing", "succeed"]
