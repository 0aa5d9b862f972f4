"""The delivery queue: same order as a scan of all callbacks of all tasks, one attempt of a task at a time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from kling_mock.callbacks.model import Callback, callback_of, due_callbacks
from kling_mock.callbacks.queue import DeliveryQueue
from kling_mock.plan import NEVER
from kling_mock.stores import TasksKey
from tests.kling_mock.callbacks.inbox import BORN, HOOK

if TYPE_CHECKING:
    from kling_mock import Fake
    from tests.kling_mock.conftest import Caller, Start


def queue_of(fake: Fake) -> DeliveryQueue:
    queue = DeliveryQueue(fake._store, fake.settings)
    queue.open()
    return queue


def longest_due(fake: Fake) -> tuple[str, int] | None:
    """The next attempt, found by scanning all callbacks: slow but obviously right."""
    waiting: list[tuple[float, Callback]] = []
    every = TasksKey()
    for task in fake._store.read((every,))[every]:
        earlier = 0.0
        for _, position, change in due_callbacks(task, fake.settings, fake.clock.now()):
            callback = callback_of(task, fake.settings, position, change)
            due = callback.next_attempt(fake.settings.callback_retries)
            if due is not None:
                waiting += [(max(due, earlier), callback)] if max(due, earlier) <= fake.clock.now() else []
                break  # the later ones of this task wait
            earlier = callback.attempts[-1].at
    if not waiting:
        return None
    _, callback = min(waiting, key=lambda item: item[0])
    return callback.task_id, callback.position


@pytest.mark.parametrize("seed", range(20))
def test_it_takes_the_same_attempts_as_a_full_scan(seed: int, start: Start) -> None:
    """Creates, queries, ended tasks, advances and failures in random order; at the end the queue is empty."""
    dice = random.Random(seed)
    pace = dice.choice(["seconds:0.5,1", "seconds:0,2", "polls:2", "held", "instant"])
    caller = start(pace=pace, callback_retries=[1, 1, 3], seed=seed)
    compared = 0

    def receiver(callback: Callback) -> int:
        nonlocal compared
        compared += 1
        assert (callback.task_id, callback.position) == longest_due(caller.fake)
        return dice.choice([200, 500])

    caller.fake.callbacks.deliver_to(receiver)
    for _ in range(40):
        tasks = caller.fake.tasks
        match dice.randrange(5):
            case 0:
                caller.create(callback_url=dice.choice([HOOK, HOOK, None]))
            case 1 if tasks:
                caller.query(dice.choice(tasks).id)
            case 2 if tasks and not (task := dice.choice(tasks)).status.terminal:
                task.release()
            case _:
                caller.clock.advance(dice.choice([0.25, 0.5, 1, 5]))
        assert longest_due(caller.fake) is None
    caller.fake.check()
    assert compared


def test_a_task_has_one_attempt_at_a_time(start: Start) -> None:
    caller = start(pace="instant")
    caller.create(callback_url=HOOK)
    caller.create(callback_url=HOOK)
    queue = queue_of(caller.fake)
    first, second = queue.take(), queue.take()
    assert first is not None
    assert second is not None
    assert first.callback.task_id != second.callback.task_id
    assert (queue.take(), queue.next_due()) == (None, NEVER)
    queue.record(first, 200)
    third = queue.take()
    assert third is not None
    assert (third.callback.task_id, third.callback.position) == (first.callback.task_id, 1)


def test_a_delivery_that_is_put_back_is_returned_again_without_an_attempt(start: Start) -> None:
    caller = start(pace="instant")
    caller.create(callback_url=HOOK)
    queue = queue_of(caller.fake)
    delivery = queue.take()
    assert delivery is not None
    queue.put_back(delivery)
    assert queue.take() == delivery
    assert caller.fake.callbacks[0].attempts == ()


def test_it_knows_the_next_due_time(start: Start) -> None:
    """For a pace in seconds; with a counted pace or a held task, no instant is known."""
    caller = start(pace="seconds:2,3")
    caller.create(callback_url=HOOK)
    queue = queue_of(caller.fake)
    known = []
    for _ in range(3):
        known.append(queue.next_due() - BORN)
        caller.clock.advance(max(0.0, queue.next_due() - caller.clock.now()))
        delivery = queue.take()
        assert delivery is not None
        queue.record(delivery, 200)
    assert known == [0, 2, 5]
    assert queue.next_due() == NEVER
    assert queue._entries == {}


def test_a_pause_begins_at_the_end_of_the_attempt(start: Start) -> None:
    caller = start(pace="held:submitted", callback_retries=[1])
    caller.create(callback_url=HOOK)
    queue = queue_of(caller.fake)
    delivery = queue.take()
    assert delivery is not None
    queue.record(delivery, None, "no answer", lasted=10)
    assert queue.next_due() - BORN == 11


def test_note_reports_only_a_changed_due_time(start: Start) -> None:
    """So that a sender that sleeps until the next due time is woken only if that has changed."""
    caller = start(pace="polls:2")
    plain, calling = caller.make(), caller.make(callback_url=HOOK)
    queue = DeliveryQueue(caller.fake._store, caller.fake.settings)
    assert not queue.note(calling.id)  # closed: nothing is tracked
    queue.open()
    while delivery := queue.take():
        queue.record(delivery, 200)
    caller.query(plain.id)
    caller.query(calling.id)
    assert [queue.note(plain.id), queue.note(calling.id), queue.note(calling.id)] == [False, True, False]


def test_a_task_that_is_dropped_meanwhile_is_removed(caller: Caller) -> None:
    caller.create(callback_url=HOOK)
    queue = queue_of(caller.fake)
    delivery = queue.take()
    assert delivery is not None
    caller.clock.advance(days=30)
    queue.record(delivery, 500)
    assert queue.take() is None
    assert queue._entries == {}
    assert list(caller.fake.callbacks) == []
