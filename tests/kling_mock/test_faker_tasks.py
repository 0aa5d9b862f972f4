"""The provider for Faker: its tasks and callbacks, checked against the contract and the fake."""

from __future__ import annotations

import json
import re

import pytest

from kling_contracts import Operation, TaskMessage, TaskStatus, check_lifecycle
from kling_contracts.fields import Integer
from kling_contracts.vocabulary import KLING_IDS
from kling_mock import Fake, ManualClock, Request
from kling_mock.faker import KlingProvider
from tests.kling_mock.faker_providers import operations, provider
from tests.trial_operations import SERIES, VIDEO

PATH = "/kling/v1/images/generations"


@pytest.fixture
def fake() -> KlingProvider:
    return provider(seed=1)


@pytest.mark.parametrize("status", [*TaskStatus, None])
def test_tasks_are_legal_and_of_the_status_asked_for(status: TaskStatus | None, fake: KlingProvider) -> None:
    seen: set[str] = set()
    for _ in range(100):
        wire = json.loads(json.dumps(fake.kling_task(status)))
        message = TaskMessage.from_wire(wire)
        n = len(message.images) or None
        assert check_lifecycle([message], n=n) == ()
        assert message.to_wire() == wire, "nothing in it that a task does not have"
        assert (int(message.task_id) >> KLING_IDS.low_bits) + KLING_IDS.epoch_ms == message.created_at
        seen.add(message.task_status)
    assert seen == (set(TaskStatus) if status is None else {status})


@operations
def test_tasks_have_the_results_of_their_operation(operation: Operation, fake: KlingProvider) -> None:
    """By kind: pictures have an index, media an id and a duration. Ids agree with the creation time."""
    keys = {"index", "url"} if operation.result.drawn else {"id", "url", "duration"}
    amounts: set[int] = set()
    for _ in range(100):
        task = json.loads(json.dumps(fake.kling_task("succeed", operation)))
        ((kind, results),) = task["task_result"].items()
        assert kind == operation.result.value
        assert all(each.keys() == keys for each in results)
        assert all(re.fullmatch(r"[0-9]+\.[0-9]", each.get("duration", "1.0")) for each in results)
        assert task["final_unit_deduction"] == str(len(results) * operation.units_per_image.value)
        born = (int(task["task_id"]) >> operation.ids.low_bits) + operation.ids.epoch_ms
        assert born == task["created_at"]
        assert "external_task_id" in operation.keys or task["task_info"] == {}
        amounts.add(len(results))
    counts = [field for field in operation.fields if isinstance(field, Integer) and field.name == "n"]
    assert amounts == (set(range(1, 10)) if counts else {1})


@operations
@pytest.mark.parametrize("status", TaskStatus)
def test_callbacks_of_any_operation(operation: Operation, status: TaskStatus, fake: KlingProvider) -> None:
    callback = fake.kling_callback(status, operation)
    assert callback.body["task_status"] == status
    results = callback.body["task_result"]
    assert results == {} or status is TaskStatus.SUCCEED
    assert ("task_status_msg" in callback.body) is (status is TaskStatus.FAILED)


def test_a_task_without_pictures_has_no_failure_of_a_picture(fake: KlingProvider) -> None:
    assert {str(fake.kling_task("failed", VIDEO)["task_status_msg"]) for _ in range(50)} == {
        "Failure to pass the risk control system"
    }
    assert len({str(fake.kling_task("failed", SERIES)["task_status_msg"]) for _ in range(50)}) == 3


def test_a_status_may_be_a_string_but_not_an_unknown_one(fake: KlingProvider) -> None:
    assert fake.kling_task("succeed")["task_status"] == "succeed"
    with pytest.raises(ValueError, match="unknown status 'succeeded'; did you mean 'succeed'"):
        fake.kling_task("succeeded")


def test_a_succeeded_task_costs_what_its_images_cost(fake: KlingProvider) -> None:
    message = TaskMessage.from_wire(fake.kling_task("succeed"))
    assert message.final_unit_deduction == str(16 * len(message.images))


@pytest.mark.parametrize("status", TaskStatus)
def test_callbacks_are_sent_like_those_of_the_fake(status: TaskStatus, fake: KlingProvider) -> None:
    """Compared with a callback of the fake: the same members, headers and position in the history."""
    callback = fake.kling_callback(status)
    service = Fake(clock=ManualClock(), pace="seconds:1,1")
    if status is TaskStatus.FAILED:
        service.next.fails("no").pace("realistic")
    body = {**fake.kling_request(), "callback_url": callback.url}
    service.handle(
        Request("POST", PATH, "", (("authorization", "Bearer sk-mock"),), json.dumps(body).encode())
    )
    service.clock.advance(60)
    real = next(each for each in service.callbacks if each.status is status)
    assert (callback.status, callback.url, callback.position) == (real.status, real.url, real.position)
    assert callback.body.keys() == real.body.keys()
    assert callback.headers == real.headers
    assert json.loads(callback.content) == callback.body
    updated = TaskMessage.from_wire(callback.body).updated_at
    assert updated is not None
    assert callback.due == updated / 1000
    assert (callback.task_id, callback.attempts) == (callback.body["task_id"], ())
