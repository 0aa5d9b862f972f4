"""The settings `slots` and `balance`: images and units of an account, until they are returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kling_mock import Fake
from tests.kling_mock.conftest import Caller
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start


def test_slots_count_images_until_their_task_ends(start: Start) -> None:
    caller = start(slots=3, pace="held")
    first, _ = caller.make(n=2), caller.make()
    reply = caller.ask()
    assert (reply.status, body_of(reply)["code"]) == (429, 1303)
    assert body_of(reply)["message"] == "parallel task over resource pack limit"
    assert len(caller.fake.tasks) == 2
    first.succeed()
    assert caller.ask(n=3).status == 429
    assert caller.ask(n=2).status == 200
    assert caller.ask().status == 429


@pytest.mark.parametrize("end", ["succeed", "failed"])
def test_a_slot_is_freed_at_the_instant_of_success_or_failure(end: str, start: Start) -> None:
    caller = start(slots=1, pace="seconds:1,1")
    if end == "failed":
        caller.fake.next.fails("no such luck")
    caller.create()
    caller.clock.advance(1.999)
    assert caller.ask().status == 429
    caller.clock.advance(0.001)
    assert caller.ask().status == 200


def test_zero_slots_refuse_everything(start: Start) -> None:
    caller = start(slots=0)
    assert caller.ask().status == 429
    assert not caller.fake.tasks


def test_balance_is_spent_by_the_image_and_failed_tasks_are_free(start: Start) -> None:
    caller = start(balance=48, pace="held")
    first = caller.make(n=2)
    refused = caller.ask(n=2)
    assert refused.status == 403
    assert body_of(refused)["code"] == "insufficient_user_quota"
    assert len(caller.fake.tasks) == 1
    first.fail("no such luck")
    second = caller.make(n=3)
    second.succeed()
    assert caller.ask().status == 403


def test_a_refusal_by_script_costs_nothing(start: Start) -> None:
    caller = start(balance=16)
    caller.fake.next.refuses(1302)
    assert [caller.ask().status, caller.ask().status, caller.ask().status] == [429, 200, 403]


def test_units_that_were_spent_stay_spent_when_their_task_is_dropped(start: Start) -> None:
    caller = start(balance=32, pace="instant")
    caller.create()
    caller.clock.advance(days=31)
    assert [caller.ask().status, caller.ask().status] == [200, 403]


def test_the_slot_of_a_held_task_is_freed_when_it_is_dropped(start: Start) -> None:
    caller = start(slots=1, pace="held")
    caller.create()
    caller.clock.advance(days=30, seconds=-0.001)
    assert caller.ask().status == 429
    caller.clock.advance(0.001)
    assert caller.ask().status == 200


@pytest.mark.parametrize("pace", ["instant", "polls:2", "seconds:1,1", "realistic", "held"])
def test_the_units_of_a_failing_task_are_returned_at_the_instant_of_the_failure(
    pace: str, start: Start
) -> None:
    caller = start(balance=16, pace=pace)
    caller.fake.next.fails("no such luck")
    task = caller.make()
    if not task.status.terminal:
        assert caller.ask().status == 403
    match pace:
        case "polls:2":
            caller.query(task.id)
            assert caller.ask().status == 403
            caller.query(task.id)
        case "seconds:1,1":
            caller.clock.advance(1.999)
            assert caller.ask().status == 403
            caller.clock.advance(0.001)
        case "realistic":
            caller.clock.advance(2)
        case "held":
            task.release()
        case _:
            pass
    assert task.status == "failed"
    assert [caller.ask().status, caller.ask().status] == [200, 403]


def test_a_slot_is_freed_at_the_end_of_a_task_that_was_restored(start: Start) -> None:
    caller = start(slots=1, pace="seconds:1,1")
    caller.create()
    again = Caller(Fake.restore(caller.fake.snapshot()))
    again.clock.advance(1.999)
    assert again.ask().status == 429
    again.clock.advance(0.001)
    assert again.ask().status == 200


def test_an_account_that_is_reset_has_spent_nothing_of_the_total(start: Start) -> None:
    """Also of tasks whose retention is over, and in the state that is saved afterwards."""
    caller = start(balance_total=48, pace="instant")
    for key in ("sk-mock-a", "sk-mock-b"):
        caller.account(key).create()
    caller.clock.advance(days=31)
    assert caller.ask(n=2).status == 403
    caller.fake.account("sk-mock-a").reset()
    for fake in (caller.fake, Fake.restore(caller.fake.snapshot())):
        again = Caller(fake)
        assert [again.ask(n=2).status, again.ask().status] == [200, 403]


@pytest.mark.parametrize(("lasts", "status"), [(86_399, 200), (86_400, 403)])
def test_units_are_returned_for_a_failure_before_the_end_of_the_retention(
    lasts: int, status: int, start: Start
) -> None:
    caller = start(balance=16, retention_days=1, pace=f"seconds:0,{lasts}")
    caller.fake.next.fails("no luck")
    caller.create()
    caller.clock.advance(days=1)
    assert caller.ask().status == status
