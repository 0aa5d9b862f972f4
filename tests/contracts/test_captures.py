"""Captured bodies of the real service: they can be parsed, break no rule, and fit the published schemas."""

import copy

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

from kling_contracts.captures import Capture, MessageKind, captures
from kling_contracts.lifecycle import check_lifecycle
from kling_contracts.messages import Envelope, MalformedMessage, TaskMessage
from kling_contracts.openapi import build
from kling_contracts.vocabulary import ERRORS, KLING_IDS, Origin

EVERY = captures()
TASKS = [capture for capture in EVERY if capture.kind is not MessageKind.ERROR]
ERROR_BODIES = [capture for capture in EVERY if capture.kind is MessageKind.ERROR]
# Substitutes for values that a source masks.
STAND_INS: dict[str, object] = {
    "message": "SUCCEED",
    "data.task_id": "masked",
    "data.task_info": {},
    "data.created_at": 1789950930124,
    "data.updated_at": 1789950954124,
    "data.task_result": {"images": [{"url": "https://example.com/masked.png"}]},
    "data.task_result.images[0].url": "https://example.com/masked.png",
}


def name_of(capture: Capture) -> str:
    return capture.name


def completed(capture: Capture) -> dict[str, object]:
    """The body with substitutes for masked values."""
    body = copy.deepcopy(capture.body)
    for path in capture.omitted:
        if path not in STAND_INS:
            assert path == "request_id"
            continue
        *parents, last = path.replace("[0]", ".0").split(".")
        place = body
        for step in parents:
            place = place[int(step) if step.isdigit() else step]  # type: ignore[assignment,index]  # decoded JSON
        assert last not in place, f"{path} is not omitted"
        place[last] = STAND_INS[path]
    return body


def test_enough_was_captured() -> None:
    """The captures include every kind of message, both outcomes, and three kinds of evidence."""
    assert len(EVERY) == 12
    assert {capture.kind for capture in EVERY} == set(MessageKind)
    assert {capture.origin for capture in EVERY} == {Origin.CAPTURED, Origin.OFFICIAL, Origin.RESELLER}
    statuses = {TaskMessage.from_wire(completed(capture)["data"]).task_status for capture in TASKS}
    assert statuses == {"submitted", "processing", "succeed", "failed"}


@pytest.mark.parametrize("capture", TASKS, ids=name_of)
def test_responses_can_be_parsed_and_break_no_rule(capture: Capture) -> None:
    """Each response can be parsed, and its task breaks no rule of the life cycle."""
    envelope = Envelope.from_wire(completed(capture))
    assert (capture.status, envelope.code) == (200, 0)
    assert check_lifecycle([TaskMessage.from_wire(envelope.data)]) == ()


@pytest.mark.parametrize("capture", TASKS, ids=name_of)
def test_masked_values_are_left_out(capture: Capture) -> None:
    """Masked values are left out: without its id, a task cannot be parsed."""
    if {"data.task_id", "data.task_result.images[0].url"} & set(capture.omitted):
        with pytest.raises(MalformedMessage):
            TaskMessage.from_wire(capture.body["data"])
    else:
        TaskMessage.from_wire(capture.body["data"])


@pytest.mark.parametrize("capture", EVERY, ids=name_of)
def test_answers_fit_the_document(capture: Capture) -> None:
    """The published schemas accept each captured body."""
    kinds = {"created": "TaskCreated", "state": "TaskState", "error": "KlingError"}
    schema = {"$ref": f"#/components/schemas/{kinds[capture.kind]}"} | build()
    Draft202012Validator(schema).validate(completed(capture))


@pytest.mark.parametrize("capture", ERROR_BODIES, ids=name_of)
def test_errors_are_in_the_table(capture: Capture) -> None:
    """Status and code are a row of the official table; there is no data."""
    envelope = Envelope.from_wire(capture.body)
    assert envelope.data is None
    assert ERRORS[envelope.code].status == capture.status


def test_ids_contain_their_time() -> None:
    """The 18-digit ids are snowflakes of one epoch; their time is within 50 ms of `created_at`."""
    pairs = []
    for capture in TASKS:
        data = capture.body["data"]
        assert isinstance(data, dict)
        if str(data.get("task_id")).isdigit() and "created_at" in data:
            pairs.append((int(data["task_id"]), data["created_at"]))
    assert len(pairs) == 5
    for task_id, created_at in pairs:
        assert len(str(task_id)) == 18
        assert abs((task_id >> KLING_IDS.low_bits) + KLING_IDS.epoch_ms - created_at) <= 50
    assert (KLING_IDS.low_bits, KLING_IDS.epoch_ms) == (22, 1568028518780)
