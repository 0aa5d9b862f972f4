"""Faults of callbacks: duplicated, late, reordered and early ones, drawn from the seed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock, Request
from kling_mock.callbacks.model import Callback
from kling_mock.callbacks.schedule import next_delivery
from kling_mock.records import AttemptRecord, TaskState
from kling_mock.settings import Settings
from kling_mock.stores import TaskKey, TasksKey
from tests.kling_mock.callbacks.inbox import HOOK

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start

IN_ORDER = ["submitted", "processing", "succeed"]


def received(start: Start, faults: list[str], seed: int = 0, **switches: Any) -> list[str]:
    """The statuses that a receiver gets of one task of three seconds, which is queried at its end."""
    caller = start(**{"pace": "seconds:1,2", "callback_faults": faults, "seed": seed, **switches})
    seen: list[str] = []
    caller.fake.callbacks.deliver_to(lambda callback: seen.append(callback.status.value))
    task_id = caller.create(callback_url=HOOK)["task_id"]
    for _ in range(4):
        caller.clock.advance(1)
    caller.query(task_id)
    caller.clock.advance(60)
    caller.fake.check()
    return seen


def test_without_faults_each_arrives_once_in_order(start: Start) -> None:
    """The counterexample."""
    assert {tuple(received(start, [], seed)) for seed in range(5)} == {tuple(IN_ORDER)}


@pytest.mark.parametrize(
    "faults", [["duplicated"], ["reordered"], ["late"], ["late", "reordered", "duplicated"]]
)
def test_faults_are_those_of_the_seed(faults: list[str], start: Start) -> None:
    runs = [[received(start, faults, seed) for seed in range(8)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(set(each) == set(IN_ORDER) for each in runs[0]), "at least once"


def test_duplicated_ones_arrive_two_or_three_times(start: Start) -> None:
    runs = [received(start, ["duplicated"], seed) for seed in range(8)]
    assert {each.count(status) for each in runs for status in IN_ORDER} == {2, 3}
    assert all(list(dict.fromkeys(each)) == IN_ORDER for each in runs), "the first ones are in order"


def test_duplicates_are_attempts_of_their_own_kind_with_one_webhook_id(start: Start) -> None:
    caller = start(pace="instant", callback_faults=["duplicated"])
    seen: list[Callback] = []
    caller.fake.callbacks.deliver_to(seen.append)
    caller.create(callback_url=HOOK)
    for callback in caller.fake.callbacks:
        assert {each.kind for each in callback.attempts[1:]} == {"duplicate"}
        mine = [each for each in seen if each.position == callback.position]
        assert len(mine) == len(callback.attempts)
        assert {(each.webhook_id, each.content) for each in mine} == {(callback.webhook_id, callback.content)}


def test_a_callback_that_is_given_up_has_no_duplicate(start: Start) -> None:
    caller = start(pace="held:submitted", callback_faults=["duplicated"], callback_retries=[1])
    caller.fake.callbacks.deliver_to(lambda _: 500)
    caller.create(callback_url=HOOK)
    caller.clock.advance(60)
    assert [each.kind for each in caller.fake.callbacks[0].attempts] == ["sent", "sent"]


def test_a_failed_duplicate_is_not_repeated(start: Start) -> None:
    caller = start(pace="held:submitted", callback_faults=["duplicated"])
    answers = iter([200])
    caller.fake.callbacks.deliver_to(lambda _: next(answers, 500))
    caller.create(callback_url=HOOK)
    caller.clock.advance(days=1)
    attempts = caller.fake.callbacks[0].attempts
    assert 2 <= len(attempts) <= 3
    assert {each.retry_at for each in attempts} == {None}


def test_reordered_ones_arrive_in_another_order(start: Start) -> None:
    runs = {tuple(received(start, ["reordered"], seed)) for seed in range(20)}
    assert runs == {
        ("processing", "submitted", "succeed"),
        ("processing", "succeed", "submitted"),
        ("succeed", "processing", "submitted"),
    }
    for seed in range(5):
        shown = received(start, ["reordered"], seed, callback_submitted=False)
        assert sorted(shown) == ["processing", "succeed"]


def test_reordered_ones_of_a_task_that_was_never_processed(start: Start) -> None:
    caller = start(pace="realistic", callback_faults=["reordered"])
    seen: list[str] = []
    caller.fake.callbacks.deliver_to(lambda callback: seen.append(callback.status.value))
    caller.fake.next.fails("no")
    caller.create(callback_url=HOOK)
    assert seen == []
    caller.clock.advance(60)
    assert seen == ["failed", "submitted"]


def test_a_fault_that_is_switched_off_repeats_nothing(start: Start) -> None:
    """Also the callback of a task that was repeated more often than the settings ask for now."""
    caller = start(pace="held:submitted", callback_faults=["duplicated"])
    caller.fake.callbacks.deliver_to(lambda _: 200)
    task_id = caller.create(callback_url=HOOK)["task_id"]
    key = TaskKey(task_id)
    task = caller.fake._store.read((key,))[key]
    assert task is not None
    assert {each.kind for each in task.attempts} == {"sent", "duplicate"}
    assert next_delivery(task, Settings()) is None


def test_reordered_ones_of_a_task_with_one_change_wait_for_the_next(start: Start) -> None:
    for seed in range(5):
        assert received(start, ["reordered"], seed, pace="held:submitted") == []


@pytest.mark.parametrize("pace", ["seconds:1,2", "polls:1", "instant", "held"])
def test_a_late_one_arrives_after_a_query_has_shown_the_end(pace: str, start: Start) -> None:
    """1 to 10 seconds after that query; not at all before it."""
    caller = start(pace=pace, callback_faults=["late"])
    seen: list[str] = []
    caller.fake.callbacks.deliver_to(lambda callback: seen.append(callback.status.value))
    task = caller.make(callback_url=HOOK)
    caller.clock.advance(60)
    if pace == "held":
        task.release()
    caller.clock.advance(60)
    assert seen == IN_ORDER[: 1 if pace == "polls:1" else 2]
    assert caller.query(task.id)["task_status"] == "succeed"
    caller.clock.advance(0.99)
    assert "succeed" not in seen
    caller.query(task.id)
    caller.clock.advance(9.02)
    assert seen == IN_ORDER
    assert task.polls == 2


def test_the_delay_of_late_ones_is_between_one_and_ten_seconds(start: Start) -> None:
    """The callbacks of 100 tasks, each in a part of the range: delays are drawn from all of it."""
    caller = start(pace="instant", callback_submitted=False, callback_faults=["late"])
    for _ in range(100):
        caller.query(caller.create(callback_url=HOOK)["task_id"])
    every = TasksKey("sk-mock-a")
    tasks = caller.fake._store.read((every,))[every]
    found = [next_delivery(replace(task, attempts=_processed(task)), caller.fake.settings) for task in tasks]
    delays = sorted(each.due - caller.clock.now() for each in found if each is not None)
    assert len(delays) == 100
    assert 1 <= delays[0] < 1.5
    assert 9.5 < delays[-1] <= 10


def _processed(task: TaskState) -> tuple[AttemptRecord, ...]:
    """The delivery of the callback before the last one."""
    return (AttemptRecord(task.record.id, 1, 1, task.record.created, 200, None),)


def test_an_early_one_arrives_before_the_reply() -> None:
    """The reply is late by half a second, for a server; in process callbacks are early anyway."""
    delays = {}
    for faults in ([], ["early"]):
        fake = Fake(clock=ManualClock(), callback_faults=faults)
        for url in (HOOK, None):
            subjects = [{"subject_image": "https://h.test/a.png"}] * 2
            body = json.dumps({"subject_image_list": subjects, "callback_url": url}).encode()
            headers = (("authorization", "Bearer sk-mock"), ("host", "api.cometapi.com"))
            reply = fake.handle(Request("POST", COMETAPI.create_path, headers=headers, body=body))
            assert reply.status == 200
            delays[bool(faults), url] = None if reply.delivery is None else reply.delivery.delay
    assert delays == {(False, HOOK): None, (False, None): None, (True, HOOK): 0.5, (True, None): None}


def test_a_scripted_fault_of_the_reply_takes_precedence_over_an_early_callback(start: Start) -> None:
    caller = start(callback_faults=["early"])
    caller.fake.next.delays(3)
    delivery = caller.ask(callback_url=HOOK).delivery
    assert delivery is not None
    assert delivery.delay == 3
