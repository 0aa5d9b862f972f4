"""Skipped time: with `clock_mode="skip"` a query of an unfinished task moves the clock."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from kling_mock import Clock, Fake, ManualClock
from kling_mock.callbacks.model import Callback
from kling_mock.records import ClockRecord, Jump
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.sqlite import SqliteStore
from tests.kling_mock.conftest import Caller, Start

CALLBACK = "https://receiver.test/callback"


def skipping(**switches: Any) -> Caller:
    return Caller(Fake(clock=ManualClock(), clock_mode="skip", **switches))


def test_each_query_moves_time_to_the_next_change() -> None:
    caller = skipping(pace="seconds:2,30")
    created = caller.create()
    start = caller.clock.now()
    assert created["task_status"] == "submitted"
    shown = [caller.query(created["task_id"]) for _ in range(3)]
    assert [each["task_status"] for each in shown] == ["processing", "succeed", "succeed"]
    assert [each["updated_at"] / 1000 - start for each in shown] == [2, 32, 32]
    assert caller.clock.now() == start + 32
    assert caller.clock.jumps == (Jump(start, 2), Jump(start + 2, 30))


def test_time_does_not_move_without_the_setting(start: Start) -> None:
    """Counterexample."""
    caller = start(pace="seconds:2,30")
    task_id, before = caller.create()["task_id"], caller.clock.now()
    assert caller.status(task_id) == "submitted"
    assert caller.clock.now() == before


def test_the_durations_of_a_realistic_task_stay_those_of_its_plan() -> None:
    caller, real = skipping(seed=7), Caller(Fake(clock=ManualClock(), seed=7))
    for each in (caller, real):
        each.fake.change_settings(pace="realistic")
    task_id, other = caller.create()["task_id"], real.create()["task_id"]
    while (shown := caller.query(task_id))["task_status"] != "succeed":
        pass
    real.clock.advance(60)
    assert shown["updated_at"] == real.query(other)["updated_at"]


def test_a_task_that_fails_without_being_processed_moves_time_to_its_end() -> None:
    caller = skipping(pace="realistic")
    caller.fake.next.fails("no luck")
    assert caller.status(caller.create()["task_id"]) == "failed"


@pytest.mark.parametrize(
    ("pace", "statuses"), [("polls:2", "processing succeed"), ("held", "processing " * 2)]
)
def test_a_task_that_time_does_not_change_leaves_the_clock(pace: str, statuses: str) -> None:
    caller = skipping(pace="seconds:2,30")
    caller.create()  # its change is not that of the other task
    caller.fake.change_settings(pace=pace)
    task_id, before = caller.create()["task_id"], caller.clock.now()
    assert [caller.status(task_id) for _ in range(2)] == statuses.split()
    assert caller.clock.now() == before


def test_changes_of_several_tasks_occur_in_due_order() -> None:
    caller = skipping(pace="seconds:2,30")
    early = caller.create()["task_id"]
    caller.fake.change_settings(pace="seconds:50,50")
    late, start = caller.account("sk-mock-b").create()["task_id"], caller.clock.now()
    other = caller.account("sk-mock-b")
    readings: list[float] = []
    statuses: list[str] = []
    for _ in range(4):
        statuses.append(other.status(late))
        readings.append(caller.clock.now() - start)
    assert readings == [2, 32, 50, 100]
    assert statuses == ["submitted", "submitted", "processing", "succeed"]
    assert caller.query(early)["updated_at"] == (start + 32) * 1000


def test_other_requests_do_not_move_time() -> None:
    caller = skipping(pace="seconds:2,30", poll_rate="1/60")
    task_id, before = caller.create()["task_id"], caller.clock.now()
    assert caller.get("/v1/images/multi-image2image").status == 200
    assert caller.account("sk-mock-b").poll(task_id).status == 400  # a foreign task
    caller.fake.next_query.answers(500)
    assert caller.poll(task_id).status == 500
    assert caller.clock.now() == before
    assert caller.status(task_id) == "processing"
    assert caller.poll(task_id).status == 429
    assert caller.clock.now() == before + 2


def test_callbacks_are_delivered_in_order_before_the_reply() -> None:
    caller, received = skipping(pace="seconds:2,30"), list[Callback]()
    caller.fake.callbacks.deliver_to(received.append)
    first, second = (caller.create(callback_url=CALLBACK)["task_id"] for _ in range(2))
    caller.status(first)
    assert [(each.task_id, each.status) for each in received] == [
        (first, "submitted"),
        (second, "submitted"),
        (first, "processing"),
        (second, "processing"),
    ]
    assert caller.status(first) == "succeed"
    assert [each.task_id for each in received[4:]] == [first, second]
    instants: list[Any] = [caller.clock.now() * 1000, *[each.body["updated_at"] for each in received[::-1]]]
    assert instants == sorted(instants, reverse=True)


def test_the_journal_has_the_instant_of_the_reply() -> None:
    caller = skipping(pace="seconds:2,30")
    task_id = caller.create()["task_id"]
    created = caller.clock.now()
    caller.query(task_id)
    assert [call.at - created for call in caller.fake.calls] == [0, 2]
    assert [change.at - created for change in caller.fake.task.history] == [0, 2]


def test_a_running_clock_reaches_the_change() -> None:
    caller = Caller(Fake(clock=Clock(), clock_mode="skip", pace="seconds:1000.1,1000.1"))
    for _ in range(20):
        task_id = caller.create()["task_id"]
        assert [caller.status(task_id) for _ in range(2)] == ["processing", "succeed"]
        assert caller.query(task_id)["updated_at"] <= caller.clock.now() * 1000


def test_queries_at_once_move_time_once() -> None:
    """The first commit wins: the other query is decided again, in the state after the move."""
    caller = skipping(pace="seconds:2,30")
    task_id = caller.create()["task_id"]
    start, shown = caller.clock.now(), list[str]()
    threads = [threading.Thread(target=lambda: shown.append(caller.status(task_id))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(shown) == ["processing", "succeed", "succeed", "succeed"]
    assert caller.clock.now() == start + 32


@pytest.mark.parametrize("change", ["clock", "create"])
def test_a_query_is_decided_again_after_a_change_meanwhile(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it moved time by a stale reading, or past the change of a task created meanwhile."""
    caller = skipping(pace="seconds:20,30")
    task_id, start = caller.create()["task_id"], caller.clock.now()
    commit, pending = MemoryStore.commit, [change]

    def disturbed(self: MemoryStore, given: Any) -> Any:
        if pending and any(isinstance(each, ClockRecord) for each in given.records):
            pending.clear()
            if change == "clock":
                self.clock.advance(5)
            else:
                caller.fake.change_settings(pace="seconds:1,1")
                caller.create()
        return commit(self, given)

    monkeypatch.setattr(MemoryStore, "commit", disturbed)
    assert caller.status(task_id) == ("processing" if change == "clock" else "submitted")
    assert caller.clock.now() - start == (20 if change == "clock" else 1)


def test_a_file_keeps_the_moves(tmp_path: Path) -> None:
    def store() -> SqliteStore:
        return SqliteStore(tmp_path / "F.db", ManualClock(), retention=86_400, journal_bytes=10**6)

    with Fake(store=store(), clock_mode="skip", pace="seconds:2,30") as fake:
        caller = Caller(fake)
        task_id = caller.create()["task_id"]
        caller.status(task_id)
        now = fake.clock.now()
    with Fake(store=store(), clock_mode="skip") as fake:
        assert fake.clock.now() == now
        assert Caller(fake).status(task_id) == "succeed"
        assert fake.clock.now() == now + 30
