"""All declared operations: tasks are created, end and have results; fields are kept and matched."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.operations import TEXT_TO_IMAGE, Operation
from kling_contracts.redaction import hide_in_urls
from kling_contracts.strategies import InvalidRequest, invalid_requests, valid_requests
from kling_contracts.verify.bodies import minimal
from kling_contracts.vocabulary import COMET_IDS
from kling_mock import Fake, ManualClock, Request, read_picture
from tests.kling_mock.reading import body_of
from tests.profiles import share
from tests.trial_operations import SERIES, SPEECH, TRIAL, TRIAL_KLING, TRIAL_OPERATIONS, VIDEO

if TYPE_CHECKING:
    from kling_mock import Reply

HOST = ("host", "api.trial.test")
KEY = ("authorization", "Bearer sk-mock-a")
BORN_MS = 1_767_225_600_000

OFFERED = [(each, TRIAL) for each in TRIAL_OPERATIONS] + [(TEXT_TO_IMAGE, KLING), (TEXT_TO_IMAGE, COMETAPI)]
every_operation = pytest.mark.parametrize(
    ("operation", "gateway"), OFFERED, ids=[f"{gateway}-{each.name}" for each, gateway in OFFERED]
)


# Cached, because deriving a strategy takes longer than drawing from it.
valid_of = cache(valid_requests)


@cache
def invalid_of(operation: Operation, gateway: Gateway) -> st.SearchStrategy[InvalidRequest]:
    return invalid_requests(operation, gateway=gateway)


def start(gateway: Gateway, **switches: Any) -> Fake:
    optional = [each.name for route in gateway.routes for each in route.optional]
    return Fake(gateways=[gateway], operations=optional, clock=ManualClock(), **switches)


def post(fake: Fake, gateway: Gateway, operation: Operation, body: object) -> Reply:
    path = gateway.path(gateway.route_of(operation))
    host = ("host", gateway.hosts[0])
    return fake.handle(Request("POST", path, headers=(KEY, host), body=json.dumps(body).encode()))


def query(fake: Fake, gateway: Gateway, operation: Operation, task_id: str) -> dict[str, Any]:
    path = f"{gateway.path(gateway.route_of(operation))}/{task_id}"
    reply = fake.handle(Request("GET", path, headers=(KEY, ("host", gateway.hosts[0]))))
    assert reply.status == 200, reply.body
    answer = body_of(reply)
    assert answer["message"] == operation.success_word.value
    data: dict[str, Any] = answer["data"]
    return data


# -- from the request to the result


@every_operation
def test_a_task_of_any_operation_progresses_to_its_results(operation: Operation, gateway: Gateway) -> None:
    fake = start(gateway, pace="polls:2")
    reply = post(fake, gateway, operation, minimal(operation))
    assert (reply.status, body_of(reply)["message"]) == (200, operation.success_word.value)
    created = body_of(reply)["data"]
    task_id = created["task_id"]
    born = (int(task_id) >> operation.ids.low_bits) + operation.ids.epoch_ms
    assert born == created["created_at"] == BORN_MS
    assert len(task_id) == (19 if operation.ids is COMET_IDS else 18)
    if operation.synchronous:
        end = created
        assert query(fake, gateway, operation, task_id) == end
    else:
        assert created["task_status"] == "submitted"
        assert "task_result" not in created
        assert query(fake, gateway, operation, task_id)["task_status"] == "processing"
        end = query(fake, gateway, operation, task_id)
    assert end["task_status"] == "succeed"
    assert list(end["task_result"]) == [operation.result.value]
    (result,) = end["task_result"][operation.result.value]
    keys = ["index", "url"] if operation.result.drawn else ["id", "url", "duration"]
    assert list(result) == keys
    assert fake.task.status == "succeed"


@every_operation
def test_only_results_that_are_pictures_are_drawn(operation: Operation, gateway: Gateway) -> None:
    """Including operations without pictures, `n` or `aspect_ratio`. Other results have no content."""
    fake = start(gateway, pace="instant")
    post(fake, gateway, operation, minimal(operation))
    (url,) = fake.task.images
    reply = fake.handle(Request("GET", "/" + url.split("/", 3)[3]))
    if operation.result.drawn:
        assert (reply.status, reply.content_type) == (200, "image/png")
        shown = read_picture(reply.body)
        assert (shown.task_id, shown.count, len(shown.pictures)) == (
            fake.task.id, 1, len(fake.task.request.pictures),
        )  # fmt: skip
    else:
        assert reply.status == 501
        assert f"kling-mock draws images only, not {operation.result}" in reply.body.decode()
        assert "result.url" in dict(reply.headers)["x-kling-mock-rule"]


@every_operation
def test_a_failed_task_has_a_message(operation: Operation, gateway: Gateway) -> None:
    fake = start(gateway, pace="instant")
    fake.next.fails("no such luck")
    created = body_of(post(fake, gateway, operation, minimal(operation)))["data"]
    end = query(fake, gateway, operation, created["task_id"])
    assert (end["task_status"], end["task_status_msg"]) == ("failed", "no such luck")
    assert end["task_result"] == {}
    if operation.synchronous:
        assert created == end


def test_a_synchronous_task_has_ended_at_every_pace() -> None:
    for pace in ("held", "polls:5", "seconds:10,10", "realistic"):
        fake = start(TRIAL, pace=pace)
        fake.next.holds()
        created = body_of(post(fake, TRIAL, SPEECH, minimal(SPEECH)))["data"]
        assert created["task_status"] == "succeed"
        assert fake.task.status == "succeed"


# -- the fields of a request


@every_operation
@share(0.2)
@given(data=st.data())
def test_every_valid_request_is_accepted_and_its_fields_are_kept(
    operation: Operation, gateway: Gateway, data: st.DataObject
) -> None:
    body = data.draw(valid_of(operation))
    fake = start(gateway)
    reply = post(fake, gateway, operation, body)
    assert reply.status == 200, reply.body
    reading = operation.read(body)
    kept = fake.task.request
    expected = {**operation.defaults, **reading.values}
    assert kept.values == {name: expected[name] for name in operation.value_names if name in expected}
    assert [(each.field, each.url) for each in kept.pictures] == [
        (each.field, each.url) for each in reading.pictures
    ]
    for name, value in kept.values.items():
        assert kept.get(name) == value
        assert hide_in_urls(f"{name}={value!r}") in repr(kept)


@every_operation
@share(0.2)
@given(data=st.data())
def test_every_invalid_request_is_refused_by_the_rule_it_breaks(
    operation: Operation, gateway: Gateway, data: st.DataObject
) -> None:
    asked: InvalidRequest = data.draw(invalid_of(operation, gateway))
    fake = start(gateway)
    reply = post(fake, gateway, operation, asked.body)
    assert reply.status == asked.status
    assert dict(reply.headers)["x-kling-mock-rule"].startswith(f"{asked.rule_id};")
    assert not fake.tasks


def test_the_fields_of_text_to_image_are_kept_and_matched() -> None:
    """Regression: they were checked and then dropped."""
    fake = start(KLING)
    fake.when(resolution="2k", image_fidelity=0.5).fails("matched")
    fake.when(negative_prompt="*rain*").refuses(1301)
    fields = {"prompt": "a cat", "image": "https://a.test/1.png", "human_fidelity": 0.4}
    post(fake, KLING, TEXT_TO_IMAGE, {**fields, "resolution": "2k", "image_fidelity": 0.5})
    assert fake.task.request.values == {
        "model_name": "kling-v3",
        "prompt": "a cat",
        "image_fidelity": 0.5,
        "human_fidelity": 0.4,
        "resolution": "2k",
        "n": 1,
        "aspect_ratio": "16:9",
    }
    fake.task.release()
    assert fake.task.failure == "matched"
    refused = post(fake, KLING, TEXT_TO_IMAGE, {**fields, "negative_prompt": "no rain please"})
    assert body_of(refused)["code"] == 1301
    fake.calls.assert_created(1, resolution="2k", human_fidelity=0.4)
    with pytest.raises(AssertionError, match=r"resolution: expected '1k', got '2k'"):
        fake.calls.assert_created(resolution="1k")


def test_scripts_match_numbers_flags_lists_and_objects() -> None:
    fake = start(TRIAL, pace="instant")
    fake.when(sound=True).fails("sound")
    fake.when(camera_control={"type": "simple", "config": {"pan": 2}}).fails("camera")
    fake.when(multi_prompt=[{"prompt": "one", "duration": 1}]).fails("shots")
    fake.when(model_name="kling-v2-?").fails("model")
    bodies: dict[str | None, dict[str, object]] = {
        "sound": {"sound": True, "cfg_scale": 0.5},
        "camera": {"camera": {"config": {"pan": 2}}},
        "shots": {"multi_prompt": [{"prompt": "one"}], "duration": "5"},
        "model": {"model_name": "kling-v2-6"},
        None: {"camera_control": {"config": {"pan": 3}}},
    }
    for wanted, body in bodies.items():
        post(fake, TRIAL, VIDEO, {"prompt": "x", **body})
        assert fake.tasks[-1].failure == wanted


def test_the_criteria_are_the_fields_of_the_served_operations() -> None:
    fake = start(TRIAL)
    fake.when(voice_speed=1.0).fails("x")
    with pytest.raises(TypeError, match=r"unknown field 'aspect_ratio'"):
        fake.when(aspect_ratio="1:1")
    with pytest.raises(TypeError, match=r"unknown field 'voice_sped'; did you mean 'voice_speed'\?"):
        fake.calls.assert_created(voice_sped=1)


# -- lists, and paths that operations share


def test_a_list_has_the_tasks_of_its_path_newest_first() -> None:
    fake = start(TRIAL_KLING, pace="instant")
    shared = TRIAL_KLING.routes[0].operations
    series = shared[1]
    made = []
    for at in range(7):
        operation = (VIDEO, series, SPEECH)[at % 3]
        reply = post(fake, TRIAL_KLING, operation, minimal(operation))
        if operation is not SPEECH:
            made.append(body_of(reply)["data"]["task_id"])
    path = TRIAL_KLING.path(TRIAL_KLING.routes[0])
    host = ("host", TRIAL_KLING.hosts[0])

    def page(number: int, size: int) -> list[str]:
        reply = fake.handle(Request("GET", path, f"pageNum={number}&pageSize={size}", (KEY, host)))
        return [each["task_id"] for each in body_of(reply)["data"]]

    assert page(1, 500) == made[::-1]
    assert page(2, 2) == made[::-1][2:4]
    assert page(4, 2) == []


def test_the_body_determines_the_operation_of_a_shared_path() -> None:
    fake = start(TRIAL_KLING, pace="instant")
    series = TRIAL_KLING.routes[0].operations[1]
    post(fake, TRIAL_KLING, VIDEO, {"prompt": "x"})
    post(fake, TRIAL_KLING, series, {"prompt": "x", "image_list": [], "series_amount": 2})
    assert [url.rsplit(".")[-1] for task in fake.tasks for url in task.images] == ["mp4", "png"]
    assert SERIES.result.value == "series_images"
