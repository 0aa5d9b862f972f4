"""Faulty tasks: the replies that each fault changes, while the task itself stays right."""

from __future__ import annotations

import json
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Fake
from kling_mock.control import TaskAlreadyEnded
from kling_mock.faults import FAILURE_ONLY, KINDS, SUCCESS_ONLY
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.task_faults import TaskFaults
from tests.kling_mock.conftest import PATH
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mock import TaskHandle
    from tests.kling_mock.conftest import Caller, Start

# One use of each fault.
FAULTS: dict[str, Callable[[TaskFaults], TaskFaults]] = {
    "sticks": lambda task: task.sticks(),
    "goes_back": lambda task: task.goes_back(),
    "reads_stale": lambda task: task.reads_stale(),
    "appears_late": lambda task: task.appears_late(),
    "shows_status": lambda task: task.shows_status("queued"),
    "omits_images": lambda task: task.omits_images(),
    "omits_index": lambda task: task.omits_index(),
    "miscounts": lambda task: task.miscounts(2),
    "omits_message": lambda task: task.omits_message(),
    "adds_fields": lambda task: task.adds_fields(),
    "nulls_fields": lambda task: task.nulls_fields(),
    "timestamps_in_seconds": lambda task: task.timestamps_in_seconds(),
    "changes_shape": lambda task: task.changes_shape(),
    "pictures_are": lambda task: task.pictures_are("refused"),
}


def test_every_fault_has_a_method_and_a_row_here() -> None:
    assert set(FAULTS) == set(KINDS)
    for name in KINDS:
        assert getattr(TaskFaults, name).__doc__
        assert signature(getattr(Script, name)) == signature(getattr(TaskFaults, name))


def statuses(caller: Caller, task: TaskHandle, count: int) -> list[str]:
    return [caller.status(task.id) for _ in range(count)]


# -- the status


def test_a_stuck_task_has_ended_and_shows_processing(caller: Caller) -> None:
    caller.fake.next.sticks()
    task = caller.make()
    assert statuses(caller, task, 4) == ["processing"] * 4
    assert (task.status, [each.status for each in task.history]) == (
        "succeed",
        ["submitted", "processing", "succeed"],
    )
    assert [(each.status, each.actual) for each in task.shown][:2] == [
        ("processing", "processing"),
        ("processing", "succeed"),
    ]
    assert task.polls == 4


def test_a_stuck_task_looks_as_before_its_end(caller: Caller) -> None:
    caller.fake.next.sticks(polls=1)
    task = caller.make()
    first = caller.query(task.id)
    caller.clock.advance(5)
    stuck, ended = caller.query(task.id), caller.query(task.id)
    assert stuck == first
    assert ended["updated_at"] > stuck["updated_at"]


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ("submitted", ["processing", "submitted", "processing", "succeed"]),
        ("processing", ["processing", "processing", "processing", "succeed", "processing", "succeed"]),
    ],
)
def test_a_task_goes_back_once_after_a_later_status_was_shown(
    to: str, shown: list[str], start: Start
) -> None:
    caller = start(pace="polls:4")
    caller.fake.next.goes_back(to)
    assert statuses(caller, caller.make(), len(shown)) == shown


def test_a_stale_read_after_the_end(caller: Caller) -> None:
    caller.fake.next.fails("no luck").reads_stale()
    task = caller.make()
    assert statuses(caller, task, 4) == ["processing", "failed", "processing", "failed"]
    assert task.failure == "no luck"


def test_a_task_is_unknown_at_first(start: Start) -> None:
    """Such a query does not count as a poll; to the journal it is a query of the task."""
    for path in (PATH, "/v1/images/multi-image2image"):
        caller = start(pace="polls:1")
        caller.fake.next.appears_late(1.5)
        task = caller.make(path=path)
        caller.clock.advance(1.499)
        unknown, missing = caller.get(f"{path}/{task.id}"), caller.get(f"{path}/1")
        assert (unknown.status, body_of(unknown)["code"]) == (missing.status, body_of(missing)["code"])
        assert task.polls == 0
        caller.clock.advance(0.001)
        assert caller.data(caller.get(f"{path}/{task.id}"))["task_status"] == "succeed"
        assert [(each.status, each.faults) for each in task.shown] == [
            (None, ("appears_late",)),
            ("succeed", ()),
        ]


def test_an_unknown_status_word(caller: Caller) -> None:
    caller.fake.next.shows_status("queued")
    caller.fake.next.shows_status("succeeded", at="succeed")
    one, other = caller.make(), caller.make()
    assert statuses(caller, one, 2) == ["queued", "succeed"]
    assert statuses(caller, other, 2) == ["processing", "succeeded"]
    assert caller.fake.calls.polls[0].actual == "processing"


# -- extent, handle and errors


def test_a_fault_ends_after_some_queries_or_some_time(start: Start) -> None:
    caller = start(pace="seconds:0,10")
    caller.fake.next.sticks(polls=2)
    caller.fake.next.sticks(seconds=5)
    caller.fake.next.shows_status("queued", after=1, polls=1)
    one, other, third = caller.make(), caller.make(), caller.make()
    assert statuses(caller, third, 3) == ["processing", "queued", "processing"]
    caller.clock.advance(10)
    assert statuses(caller, one, 4) == ["processing", "processing", "succeed", "succeed"]
    caller.clock.advance(4.999)
    assert statuses(caller, other, 2) == ["processing"] * 2
    caller.clock.advance(0.001)
    assert statuses(caller, other, 1) == ["succeed"]


def test_several_faults_of_one_task(caller: Caller) -> None:
    caller.fake.next.sticks(polls=1).omits_index().miscounts(2).adds_fields().nulls_fields(
        "task_result", polls=1
    )
    task = caller.make()
    shown = [caller.query(task.id) for _ in range(3)]
    assert [each["task_status"] for each in shown] == ["processing", "processing", "succeed"]
    assert shown[0]["task_result"] is None
    assert [list(each) for each in shown[2]["task_result"]["images"]] == [["url"]] * 2
    assert all("progress" in each for each in shown)


def test_a_fault_on_the_handle_of_a_task(caller: Caller) -> None:
    task, other = caller.make(), caller.make()
    task.sticks().adds_fields(polls=1)
    assert statuses(caller, task, 3) == ["processing"] * 3
    assert statuses(caller, other, 2) == ["processing", "succeed"]
    assert [count for _, count in task.faults] == [2, 1]


def test_a_task_ended_by_the_test_keeps_its_faults(start: Start) -> None:
    caller = start(pace="held")
    task = caller.make()
    task.omits_message()
    task.fail("no luck")
    assert "task_status_msg" not in caller.query(task.id)


@pytest.mark.parametrize("mark", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_a_task_that_has_ended_is_an_error(mark: Any, caller: Caller) -> None:
    task = caller.make()
    task.release()
    with pytest.raises(TaskAlreadyEnded, match="write a fault before the end, or for the create with next"):
        mark(task)


def test_contradictory_faults_are_errors(caller: Caller) -> None:
    task = caller.make()
    task.sticks()
    attempts: tuple[Callable[[], object], ...] = (
        task.goes_back,
        lambda: task.sticks(polls=1),
        lambda: caller.fake.next.omits_images().omits_index(),
        lambda: caller.fake.next.refuses(1303).sticks(),
        lambda: caller.fake.next.refuses(1303).long_id(),
        *(partial(FAULTS[name], caller.fake.next.fails("no")) for name in SUCCESS_ONLY),
        *(partial(FAULTS[name], caller.fake.next.succeeds()) for name in FAILURE_ONLY),
    )
    for add in attempts:
        with pytest.raises(ValueError, match="contradictory outcomes"):
            add()
    assert len(task.faults) == 1


def test_invalid_arguments_are_errors_and_withdraw_the_script(caller: Caller) -> None:
    fake = caller.fake
    attempts: tuple[tuple[str, Callable[[], object]], ...] = (
        (r"^polls must be an integer of at least 1, not 0$", lambda: fake.next.sticks(polls=0)),
        (r"^after must be an integer of at least 0, not -1$", lambda: fake.next.sticks(after=-1)),
        (r"^seconds must be a positive number, not 0$", lambda: fake.next.sticks(seconds=0)),
        (r"^seconds must be", lambda: fake.next.appears_late(float("inf"))),
        (r"^unknown argument 'poll'; did you mean 'polls'", lambda: fake.next.sticks(poll=1)),  # type: ignore[call-arg]
        (r"^to must be 'submitted' or 'processing'", lambda: fake.next.goes_back("succeed")),
        (r"^unknown status 'done'", lambda: fake.next.goes_back("done")),
        (r"^word must be a non-empty string", lambda: fake.next.shows_status("")),
        (r"^unknown status 'done'", lambda: fake.next.shows_status("queued", at="done")),
        (r"^images must be an integer", lambda: fake.next.miscounts(0)),
        (r"^unknown field of a task 'status'", lambda: fake.next.nulls_fields("status")),
        (r"^unknown fault of pictures 'late'", lambda: fake.next.pictures_are("late")),  # type: ignore[arg-type]
    )
    for error, add in attempts:
        with pytest.raises((TypeError, ValueError), match=error):
            add()
    fake.check()
    assert statuses(caller, caller.make(), 2) == ["processing", "succeed"]


# -- truth


@pytest.mark.parametrize("mark", FAULTS.values(), ids=FAULTS)
def test_a_fault_changes_no_state(mark: Any, caller: Caller) -> None:
    """Status, history, units and callbacks are those of a task without the fault; so is its list entry."""
    path = "/v1/images/multi-image2image"
    fields = {"path": path, "callback_url": "https://app.test/done", "n": 2}
    fault = mark(caller.fake.next)
    if "omits_message" in repr(fault):
        fault.fails("no luck")
        caller.fake.when().fails("no luck")
    task, sound = caller.make(**fields), caller.make(**fields)
    for _ in range(3):
        for each in (task, sound):
            caller.get(f"{path}/{each.id}")
        caller.clock.advance(1)
    if "appears_late" not in repr(fault):  # a query that does not find the task is not counted
        assert task.history == sound.history
        assert task.polls == sound.polls == 3
    listed = body_of(caller.get(path))["data"]
    other = ("task_id", "task_result", "updated_at")
    one, two = ({k: v for k, v in each.items() if k not in other} for each in listed)
    assert one == two
    assert caller.fake.spend in (64, 0)
    bodies: dict[str, list[str]] = {}
    for callback in caller.fake.callbacks:
        bodies.setdefault(callback.task_id, []).append(callback.status)
    assert bodies[task.id] == bodies[sound.id]


def test_the_journal_shows_the_fault_and_the_truth(caller: Caller) -> None:
    caller.fake.next.sticks()
    task = caller.make()
    statuses(caller, task, 2)
    call = caller.fake.calls[-1]
    assert (call.shown, call.actual, call.faults) == ("processing", "succeed", ("sticks",))
    assert f"-> 200 processing task {task.id} (actually succeed, fault: sticks)" in repr(caller.fake.calls)
    with pytest.raises(AssertionError, match="actually succeed, fault: sticks"):
        task.assert_status("failed")


def test_two_fakes_with_one_seed_show_the_same(start: Start) -> None:
    def replies() -> list[bytes]:
        caller = start(seed=7)
        caller.fake.when().sticks(polls=1).adds_fields().chance(0.5)
        tasks = [caller.make() for _ in range(20)]
        return [caller.get(f"{PATH}/{task.id}").body for task in tasks for _ in range(3)]

    assert replies() == replies()


def test_every_fault_survives_as_json() -> None:
    """So that a file or another process can contain them: each fault survives as JSON."""
    import msgspec

    from kling_mock.faults import Fault

    for mark in FAULTS.values():
        script = mark(Fake().next)
        rule = script._rule  # type: ignore[attr-defined]
        fault = rule.outcomes[0].fault
        again = msgspec.json.decode(msgspec.json.encode(fault), type=Fault)
        assert json.dumps(again.value) == json.dumps(fault.value)
