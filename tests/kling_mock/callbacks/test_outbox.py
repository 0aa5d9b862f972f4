"""The outbox: the callbacks due so far, at every change, with their content and results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kling_mock.callbacks.inbox import BORN, HOOK, Inbox

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start


def due(caller: Caller) -> list[tuple[str, float]]:
    return [(callback.status.value, callback.due - BORN) for callback in caller.fake.callbacks]


def test_a_callback_is_due_at_every_change(start: Start) -> None:
    caller = start(pace="seconds:2,3")
    caller.create(callback_url=HOOK)
    assert due(caller) == [("submitted", 0)]
    caller.clock.advance(2)
    assert due(caller) == [("submitted", 0), ("processing", 2)]
    caller.clock.advance(100)
    assert due(caller) == [("submitted", 0), ("processing", 2), ("succeed", 5)]


def test_under_polls_it_is_due_at_the_query_that_changed_the_status(start: Start) -> None:
    caller = start(pace="polls:3")
    task_id = caller.create(callback_url=HOOK)["task_id"]
    caller.clock.advance(100)
    assert due(caller) == [("submitted", 0)]
    for _ in range(4):
        caller.clock.advance(10)
        caller.query(task_id)
    assert due(caller) == [("submitted", 0), ("processing", 110), ("succeed", 130)]


@pytest.mark.parametrize(("verb", "end"), [("release", "succeed"), ("fail", "failed")])
def test_ending_a_task_makes_its_callback_due(verb: str, end: str, start: Start) -> None:
    caller = start(pace="held")
    inbox = Inbox()
    caller.fake.callbacks.deliver_to(inbox)
    task = caller.make(callback_url=HOOK)
    caller.clock.advance(9)
    task.fail("stopped") if verb == "fail" else task.release()
    assert inbox.statuses == ["submitted", "processing", end]
    assert due(caller)[-1] == (end, 9)


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_callback_url_there_is_no_callback(url: str | None, start: Start) -> None:
    caller = start(pace="instant")
    inbox = Inbox()
    caller.fake.callbacks.deliver_to(inbox)
    caller.create(callback_url=url)
    caller.create()
    assert (len(caller.fake.callbacks), inbox.received) == (0, [])


@pytest.mark.parametrize("failure", [None, "no such luck"])
def test_the_body_equals_the_reply_to_a_query_at_that_instant(failure: str | None, start: Start) -> None:
    caller = start(pace="seconds:2,3")
    if failure:
        caller.fake.next.fails(failure)
    task_id = caller.create(callback_url=HOOK, external_task_id="mine", n=3)["task_id"]
    queried = []
    for step in (0, 2, 3):
        caller.clock.advance(step)
        queried.append(caller.query(task_id))
    callbacks = caller.fake.callbacks
    assert [callback.body for callback in callbacks] == queried
    assert [json.loads(callback.content) for callback in callbacks] == queried
    assert {callback.headers["content-type"] for callback in callbacks} == {"application/json; charset=utf-8"}
    assert {callback.url for callback in callbacks} == {HOOK}
    assert {callback.task_id for callback in callbacks} == {task_id}


def test_callbacks_of_several_tasks_are_in_order_of_their_due_time(start: Start) -> None:
    caller = start(pace="seconds:2,3")
    inbox = Inbox()
    first = caller.create(callback_url=HOOK)["task_id"]
    caller.clock.advance(1)
    second = caller.create(callback_url=HOOK)["task_id"]
    caller.clock.advance(10)
    caller.fake.callbacks.deliver_to(inbox)
    expected = [(first, 0), (second, 1), (first, 2), (second, 3), (first, 5), (second, 6)]
    assert [(callback.task_id, callback.due - BORN) for callback in inbox.received] == expected
    assert [(callback.task_id, callback.due - BORN) for callback in caller.fake.callbacks] == expected


def test_the_callback_for_submitted_can_be_switched_off(start: Start) -> None:
    caller = start(pace="seconds:2,3", callback_submitted=False)
    inbox = Inbox()
    caller.fake.callbacks.deliver_to(inbox)
    caller.create(callback_url=HOOK)
    assert due(caller) == []
    caller.clock.advance(10)
    assert inbox.statuses == ["processing", "succeed"]
    assert due(caller) == [("processing", 2), ("succeed", 5)]


def test_the_outbox_is_a_sequence_with_the_result_of_each_callback(start: Start) -> None:
    caller = start(pace="seconds:1,1")
    task_id = caller.create(callback_url=HOOK)["task_id"]
    caller.fake.callbacks.deliver_to(Inbox(200, 500))
    caller.clock.advance(1)
    caller.fake.callbacks.deliver_to(None)
    caller.clock.advance(1)
    assert repr(caller.fake.callbacks) == (
        "<callbacks>\n"
        f"  {task_id} submitted to {HOOK}, delivered\n"
        f"  {task_id} processing to {HOOK}, 1 failed attempts\n"
        f"  {task_id} succeed to {HOOK}, not tried"
    )
    assert len(caller.fake.callbacks[1:]) == 2
    assert [callback.position for callback in caller.fake.callbacks] == [0, 1, 2]


def test_no_key_is_in_a_callback(start: Start) -> None:
    caller = start(pace="instant").account("sk-secret-0123456789")
    caller.create(callback_url=HOOK)
    shown = [f"{each!r} {each.content!r} {each.headers}" for each in caller.fake.callbacks]
    assert len(shown) == 3
    assert not any("sk-secret" in each for each in shown)


def test_callbacks_end_with_the_retention_of_their_task(caller: Caller) -> None:
    inbox = Inbox()
    caller.create(callback_url=HOOK)
    caller.clock.advance(days=30)
    caller.fake.callbacks.deliver_to(inbox)
    assert (len(caller.fake.callbacks), inbox.received) == (0, [])


def test_non_ascii_text_is_sent_as_utf8(start: Start) -> None:
    caller = start(pace="instant")
    caller.fake.next.fails("Bild ungültig 图")
    caller.create(callback_url=HOOK)
    assert "Bild ungültig 图".encode() in caller.fake.callbacks[-1].content
