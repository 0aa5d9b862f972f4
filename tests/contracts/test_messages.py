"""Messages: round trips, lenient parsing, unknown fields."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.messages import Envelope, MalformedMessage, ResultImage, TaskMessage
from kling_contracts.vocabulary import TaskStatus
from kling_contracts.wire_objects import success_object
from tests.profiles import share

words = st.text(min_size=1, max_size=20)
stamps = st.integers(10**12, 10**13 - 1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
# Names of extra fields, which differ from all declared fields.
extras = st.dictionaries(st.text(max_size=6).map("x_".__add__), plain, max_size=2)
images = st.builds(ResultImage, index=st.integers(0, 9), url=words, extra=extras)
tasks = st.builds(
    TaskMessage,
    task_id=words,
    task_status=st.sampled_from(list(TaskStatus)) | st.just("succeeded"),
    task_status_msg=st.none() | words,
    external_task_id=st.none() | words,
    created_at=st.none() | stamps,
    updated_at=st.none() | stamps,
    images=st.lists(images, max_size=3).map(tuple),
    final_unit_deduction=st.none() | words,
    extra=extras,
)


@share(0.6)
@given(tasks)
def test_task_round_trip(task: TaskMessage) -> None:
    """A task is unchanged after `to_wire`, JSON and `from_wire`."""
    wire = json.loads(json.dumps(task.to_wire()))
    assert TaskMessage.from_wire(wire) == task


@share(0.6)
@given(tasks)
def test_create_answers_have_no_result(task: TaskMessage) -> None:
    """`with_result=False` leaves out `task_result` and nothing else."""
    whole, bare = task.to_wire(), task.to_wire(with_result=False)
    assert {key: value for key, value in whole.items() if key != "task_result"} == bare


@share(0.6)
@given(
    st.builds(
        Envelope, code=st.integers(), message=st.text(max_size=9), request_id=st.none() | words, data=plain
    )
)
def test_envelope_round_trip(envelope: Envelope) -> None:
    """An envelope is unchanged after `to_wire`, JSON and `from_wire`."""
    assert Envelope.from_wire(json.loads(json.dumps(envelope.to_wire()))) == envelope


@share(0.6)
@given(plain)
def test_reading_anything(wire: object) -> None:
    """Any JSON value is parsed or raises MalformedMessage; no other error."""
    for reader in (TaskMessage.from_wire, Envelope.from_wire):
        with suppress(MalformedMessage):
            reader(wire)


def test_unknown_fields_survive() -> None:
    """Unknown fields of a task and of each picture are kept."""
    wire = {
        "task_id": "1",
        "task_status": "succeed",
        "task_info": {},
        "created_at": 1777385361501,
        "updated_at": 1777385361502,
        "task_result": {
            "images": [{"index": 0, "url": "https://a/0.png", "watermark_url": "https://a/w.png"}]
        },
        "final_balance_deduction": {"quota": "1.5", "list_price": "2"},
    }
    task = TaskMessage.from_wire(wire)
    assert task.extra == {"final_balance_deduction": {"quota": "1.5", "list_price": "2"}}
    assert task.images[0].extra == {"watermark_url": "https://a/w.png"}
    assert task.to_wire() == wire


def test_everything_optional_may_be_missing() -> None:
    """A task needs only its id and status."""
    task = TaskMessage.from_wire({"task_id": "1", "task_status": "submitted"})
    assert task == TaskMessage(task_id="1", task_status=TaskStatus.SUBMITTED)


@pytest.mark.parametrize(
    ("changes", "reader", "expected"),
    [
        ({"task_status_msg": ""}, "task_status_msg", None),
        ({"task_status_msg": None}, "task_status_msg", None),
        ({"task_status_msg": 5}, "task_status_msg", None),
        ({"task_info": None}, "external_task_id", None),
        ({"task_info": {"external_task_id": None}}, "external_task_id", None),
        ({"task_info": {"external_task_id": ""}}, "external_task_id", None),
        ({"task_info": []}, "external_task_id", None),
        ({"task_result": None}, "images", ()),
        ({"task_result": {"images": None}}, "images", ()),
        ({"task_result": {"images": {}}}, "images", ()),
        ({"created_at": "1777385361501"}, "created_at", None),
        ({"created_at": True}, "created_at", None),
        ({"created_at": 1777385361501.0}, "created_at", None),
        ({"task_status": "succeeded"}, "task_status", "succeeded"),
    ],
)
def test_wrong_types_count_as_absent(changes: dict[str, object], reader: str, expected: object) -> None:
    """Optional parts of a wrong type count as absent; an unknown status stays a string."""
    task = TaskMessage.from_wire({"task_id": "1", "task_status": "submitted"} | changes)
    assert getattr(task, reader) == expected


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ({}, "task_id"),
        (None, "task_id"),
        ([], "task_id"),
        ({"task_status": "submitted"}, "task_id"),
        ({"task_id": "", "task_status": "submitted"}, "task_id"),
        ({"task_id": 5, "task_status": "submitted"}, "task_id"),
        ({"task_id": "1"}, "task_status"),
        ({"task_id": "1", "task_status": None}, "task_status"),
        ({"task_id": "1", "task_status": "succeed", "task_result": {"images": [{}]}}, "images[0].url"),
        (
            {"task_id": "1", "task_status": "succeed", "task_result": {"images": ["https://a"]}},
            "images[0].url",
        ),
    ],
)
def test_malformed_tasks_name_the_field(wire: object, name: str) -> None:
    """The error names the missing or malformed field."""
    with pytest.raises(MalformedMessage) as caught:
        TaskMessage.from_wire(wire)
    assert name in str(caught.value)


@pytest.mark.parametrize("code", [None, "0", 0.0, True, [], "task_not_exist"])
def test_envelopes_need_a_whole_code(code: object) -> None:
    """Without an integer `code`, as in the other two error shapes, a body is not an envelope."""
    with pytest.raises(MalformedMessage, match="code"):
        Envelope.from_wire({"code": code, "message": "m"})


def test_pictures_without_index() -> None:
    """Without `index`, the position in the list is used."""
    result = {"images": [{"url": "https://a/0"}, {"url": "https://a/1", "index": 1}, {"url": "https://a/2"}]}
    task = TaskMessage.from_wire({"task_id": "1", "task_status": "succeed", "task_result": result})
    assert [image.index for image in task.images] == [0, 1, 2]


def test_a_success_has_the_code_the_word_and_the_data() -> None:
    told = Envelope.success({"task_id": "1"}, "r-1").to_wire()
    assert told == {"code": 0, "message": "SUCCEED", "request_id": "r-1", "data": {"task_id": "1"}}
    assert success_object({"task_id": "1"}, "r-1") == told
