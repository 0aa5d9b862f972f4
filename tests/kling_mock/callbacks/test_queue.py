"""The agenda: the same order as a look at all callbacks of all tasks, one attempt of a task at a time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from kling_mock.callbacks.model import Callback, callbacks_of
from kling_mock.callbacks.queue import DeliveryQueue
from kling_mock.plan import NEVER
from kling_mock.stores import TasksKey

if TYPE_CHECKING:
    from kling_mock import Fake
    from tests.kling_mock.conftest import Caller, Start

HOOK = "https://app.test/hook"
BORN = 1_767_225_600.0


def agenda_of(fake: Fake) -> DeliveryQueue:
    agenda = DeliveryQueue(fake._store, fake.settings)
    agenda.open()
    return agenda


def longest_due(fake: Fake) -> tuple[str, int] | None:
    """What to try next, found by looking at everything there is: slow, and plain to see."""
    waiting: list[tuple[float, Callback]] = []
    every = TasksKey()
    for task in fake._store.read((every,))[every]:
        for callback in callbacks_of(task, fake.settings, fake.clock.now()):
            due = callback.next_attempt(fake.settings.callback_retries)
            if due is not None and due <= fake.clock.now():
                waiting.append((due, callback))
    if not waiting:
        return None
    _, callback = min(waiting, key=lambda item: item[0])
    return callback.task_id, callback.position


@pytest.mark.parametrize("seed", range(20))
def test_it_takes_what_a_look_at_everything_would_take(seed: int, start: Start) -> None:
    """Creates, queries, verbs, time and failures in any order; at the end nothing is left lying."""
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
    agenda = agenda_of(caller.fake)
    first, second = agenda.take(), agenda.take()
    assert first is not None
    assert second is not None
    assert first.callback.task_id != second.callback.task_id
    assert (agenda.take(), agenda.next_due()) == (None, NEVER)
    agenda.record(first, 200)
    third = agenda.take()
    assert third is not None
    assert (third.callback.task_id, third.callback.position) == (first.callback.task_id, 1)


def test_what_is_put_back_comes_again_and_was_no_attempt(start: Start) -> None:
    caller = start(pace="instant")
    caller.create(callback_url=HOOK)
    agenda = agenda_of(caller.fake)
    delivery = agenda.take()
    assert delivery is not None
    agenda.put_back(delivery)
    assert agenda.take() == delivery
    assert caller.fake.callbacks[0].attempts == ()


def test_it_knows_what_is_to_come(start: Start) -> None:
    """Under a pace in seconds; one that counts queries, and a task that is held, may never call back."""
    caller = start(pace="seconds:2,3")
    caller.create(callback_url=HOOK)
    agenda = agenda_of(caller.fake)
    known = []
    for _ in range(3):
        known.append(agenda.next_due() - BORN)
        caller.clock.advance(max(0.0, agenda.next_due() - caller.clock.now()))
        delivery = agenda.take()
        assert delivery is not None
        agenda.record(delivery, 200)
    assert known == [0, 2, 5]
    assert agenda.next_due() == NEVER
    assert agenda._entries == {}


def test_a_pause_begins_when_the_attempt_is_over(start: Start) -> None:
    caller = start(pace="held:submitted", callback_retries=[1])
    caller.create(callback_url=HOOK)
    agenda = agenda_of(caller.fake)
    delivery = agenda.take()
    assert delivery is not None
    agenda.record(delivery, None, "no answer", lasted=10)
    assert agenda.next_due() - BORN == 11


def test_it_is_told_only_what_matters(start: Start) -> None:
    """Whoever sleeps until the next due time is woken only if that has changed."""
    caller = start(pace="polls:2")
    plain, calling = caller.make(), caller.make(callback_url=HOOK)
    agenda = DeliveryQueue(caller.fake._store, caller.fake.settings)
    assert not agenda.note(calling.id)  # nobody delivers yet
    agenda.open()
    while delivery := agenda.take():
        agenda.record(delivery, 200)
    caller.query(plain.id)
    caller.query(calling.id)
    assert [agenda.note(plain.id), agenda.note(calling.id), agenda.note(calling.id)] == [False, True, False]


def test_a_task_that_is_dropped_on_the_way_leaves_nothing(caller: Caller) -> None:
    caller.create(callback_url=HOOK)
    agenda = agenda_of(caller.fake)
    delivery = agenda.take()
    assert delivery is not None
    caller.clock.advance(days=30)
    agenda.record(delivery, 500)
    assert agenda.take() is None
    assert agenda._entries == {}
    assert list(caller.fake.callbacks) == []
