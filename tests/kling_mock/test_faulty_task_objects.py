"""Faulty tasks whose object in a reply is wrong: images, texts, times, fields, shape and id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_contracts.messages import TaskMessage
from kling_mock.stores import TaskKey
from tests.kling_mock.conftest import PATH
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start


def ended(caller: Caller, **fields: Any) -> dict[str, Any]:
    """The task object after the end of a new task."""
    task = caller.make(**fields)
    caller.query(task.id)
    return caller.query(task.id)


def test_success_without_images(caller: Caller) -> None:
    caller.fake.next.omits_images()
    assert ended(caller, n=2)["task_result"] == {"images": []}
    assert len(caller.fake.task.images) == 2


def test_images_without_index(caller: Caller) -> None:
    caller.fake.next.omits_index()
    images = ended(caller, n=2)["task_result"]["images"]
    assert [list(each) for each in images] == [["url"], ["url"]]


@pytest.mark.parametrize(("n", "shown"), [(1, 3), (3, 1), (2, 2)])
def test_a_wrong_count(n: int, shown: int, caller: Caller) -> None:
    caller.fake.next.miscounts(shown)
    images = ended(caller, n=n)["task_result"]["images"]
    assert [each["index"] for each in images] == list(range(shown))
    assert {each["url"] for each in images} == set(caller.fake.task.images[:shown])


def test_a_failure_without_text(caller: Caller) -> None:
    caller.fake.next.fails("no luck").omits_message()
    task = ended(caller)
    assert (task["task_status"], "task_status_msg" in task) == ("failed", False)
    assert caller.fake.task.failure == "no luck"


def test_unknown_fields(caller: Caller) -> None:
    caller.fake.next.adds_fields()
    caller.fake.next.adds_fields({"eta": 3})
    assert "progress" in ended(caller)
    assert ended(caller)["eta"] == 3


def test_null_fields(caller: Caller) -> None:
    caller.fake.next.nulls_fields()
    caller.fake.next.nulls_fields("task_id", "task_result")
    one = caller.make()
    processing, done = caller.query(one.id), caller.query(one.id)
    assert {name for name, value in processing.items() if value is None} == {
        "task_status_msg",
        "task_info",
        "final_unit_deduction",
        "task_result",
    }
    assert len(TaskMessage.from_wire(done).images) == 1
    shown = ended(caller)
    assert (shown["task_id"], shown["task_result"]) == (None, None)


def test_timestamps_in_seconds(caller: Caller) -> None:
    caller.fake.next.timestamps_in_seconds()
    caller.clock.advance(1.9)
    task = ended(caller)
    assert task["created_at"] == int(caller.clock.now())


def test_another_shape_from_the_second_query_on(start: Start) -> None:
    caller = start(pace="polls:3")
    caller.fake.next.changes_shape()
    task = caller.make()
    bodies = [body_of(caller.get(f"{PATH}/{task.id}")) for _ in range(3)]
    assert bodies[0]["data"]["task_id"] == task.id
    assert [body.get("task_status") for body in bodies] == [None, "processing", "succeed"]


def test_ids_of_19_digits(caller: Caller) -> None:
    for _ in range(20):
        caller.fake.next.long_id()
        task = caller.make()
        assert len(task.id) == 19
        assert int(task.id) >= 2**63
        assert caller.query(task.id)["task_id"] == task.id
    assert len({task.id for task in caller.fake.tasks}) == 20


def test_the_fault_of_a_task_names_its_script(caller: Caller) -> None:
    """Ids of scripts begin with 0."""
    caller.fake.when(prompt="other").sticks().optional()
    caller.fake.next.sticks()
    key = TaskKey(caller.make().id)
    task = caller.fake._store.read((key,))[key]
    assert task is not None
    assert [fault.script for fault in task.plan.faults] == [1]
