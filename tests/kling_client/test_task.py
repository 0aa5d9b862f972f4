"""Tasks as values: contents, comparison, repr and pickling."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kling_client import AsyncTask, ConfigError, Task
from kling_client.snapshot import Snapshot, TaskSnapshot
from kling_contracts.messages import TaskMessage
from tests.kling_client.conftest import CREATED, TASK_ID, Service, shown, task


def snapshot(wire: dict[str, object]) -> Snapshot:
    return Snapshot(TaskMessage.from_wire(wire), "c065", wire)


def test_a_snapshot_holds_the_contents_of_the_response() -> None:
    wire = task(
        "failed",
        task_status_msg="Image pixel is invalid",
        task_info={"external_task_id": "mine"},
        updated_at=CREATED + 1650,
    )
    state = TaskSnapshot(id="").seen(snapshot(wire))
    created = datetime(2026, 3, 29, 17, 24, 36, 166000, tzinfo=UTC)
    assert dataclasses.asdict(state) == {
        "id": TASK_ID,
        "status": "failed",
        "images": (),
        "media": (),
        "failure": "Image pixel is invalid",
        "created_at": created,
        "updated_at": created + timedelta(milliseconds=1650),
        "external_id": "mine",
        "request_id": "c065",
        "raw": wire,
    }
    assert state.terminal


def test_an_empty_message_of_success_is_no_failure() -> None:
    assert TaskSnapshot(id="").seen(snapshot(task("succeed", task_status_msg="odd"))).failure is None


@pytest.mark.parametrize("stamp", [10**30, -(10**30), None, "soon"])
def test_a_time_beyond_all_calendars_is_no_time(stamp: object) -> None:
    assert TaskSnapshot(id="").seen(snapshot(task(updated_at=stamp))).updated_at is None


def test_snapshots_are_frozen_and_compare_by_value() -> None:
    first = TaskSnapshot(id="").seen(snapshot(task()))
    again = TaskSnapshot(id="x").seen(Snapshot(TaskMessage.from_wire(task()), "another", {}))
    assert first == again
    assert hash(first) == hash(again)
    assert first != first.seen(snapshot(task("processing")))
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.status = "failed"  # type: ignore[misc]  # the point


def test_the_repr_is_short() -> None:
    state = Task(id="1").seen(snapshot(task("succeed", urls=["https://h/0", "https://h/1"])))
    assert repr(state) == f"Task({TASK_ID!r}, status='succeed', images=2)"
    assert repr(AsyncTask(id="1")) == "AsyncTask('1', status=None)"
    failed = Task(id="1").seen(snapshot(task("failed", task_status_msg="x" * 10**6)))
    assert len(repr(failed)) < 300


def test_a_pickled_task_is_detached_and_its_methods_raise(service: Service) -> None:
    """The pickle contains neither client, connections nor key."""
    service.will(shown("processing"))
    found = service.client().get(TASK_ID)
    found = found.inner if service.kind == "async" else found
    again: Any = pickle.loads(pickle.dumps(found))
    assert again == found
    assert again.raw == found.raw
    assert again.driver is None
    with pytest.raises(ConfigError, match=rf"client\.task\('{TASK_ID}'\)"):
        again.updates()
    if service.kind == "sync":
        for method in (again.refresh, again.wait, lambda: again.save("out")):
            with pytest.raises(ConfigError):
                method()
