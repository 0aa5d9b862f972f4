"""The documented replies, external ids, wrong methods and paths, internal errors, the event `on_call`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Fake, Request
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mock.records import CallRecord
    from tests.kling_mock.conftest import Caller, Start

PATH = "/kling/v1/images/generations"
SUBJECTS = [{"subject_image": "https://pictures.test/a.png"}] * 2


# -- the answers themselves


def test_the_replies_to_a_create_and_its_queries_are_the_documented_ones(caller: Caller) -> None:
    reply = caller.ask(external_task_id="mine", n=2)
    created = body_of(reply)
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert {key: created[key] for key in ("code", "message")} == {"code": 0, "message": "SUCCEED"}
    data = created["data"]
    assert data == {
        "task_id": data["task_id"],
        "task_status": "submitted",
        "task_info": {"external_task_id": "mine"},
        "created_at": 1_767_225_600_000,
        "updated_at": 1_767_225_600_000,
    }
    assert caller.query(data["task_id"]) == {**data, "task_status": "processing", "task_result": {}}
    end = caller.query(data["task_id"])
    assert [image["index"] for image in end["task_result"]["images"]] == [0, 1]
    assert end["final_unit_deduction"] == "32"
    assert end["task_status"] == "succeed"
    assert "task_status_msg" not in end


def test_a_failed_task_is_http_200_code_0_with_a_message(caller: Caller) -> None:
    caller.fake.next.fails("Image pixel is invalid").pace("instant")
    data = caller.query(caller.create()["task_id"])
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "Image pixel is invalid")
    assert data["task_result"] == {}
    assert data["task_info"] == {}
    assert "final_unit_deduction" not in data


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        ((299, 300), "Image pixel is invalid"),
        ((300, 751), "The resolution or aspect ratio of the input image is invalid."),
    ],
)
def test_a_bad_picture_is_accepted_and_makes_the_task_fail(
    pixels: tuple[int, int], message: str, caller: Caller, png_head: Callable[[int, int], str]
) -> None:
    bad = [*SUBJECTS, {"subject_image": png_head(*pixels)}]
    data = caller.data(caller.post({"subject_image_list": bad}))
    assert data["task_status"] == "submitted"
    caller.query(data["task_id"])
    assert caller.query(data["task_id"])["task_status_msg"].startswith(message)


# -- external ids


def test_a_used_external_id_is_refused_and_nothing_is_created(caller: Caller) -> None:
    caller.create(external_task_id="poster-7")
    for _ in range(2):
        reply = caller.ask(external_task_id="poster-7")
        answer = body_of(reply)
        assert reply.status == 400
        assert (answer["code"], answer["message"]) == (1201, "External_task_id poster-7 already exists")
        assert "data" not in answer
    assert len(caller.fake.tasks) == 1


@pytest.mark.parametrize("end", ["running", "succeed", "failed"])
def test_an_external_id_stays_used_after_any_outcome(end: str, caller: Caller) -> None:
    task = caller.make(external_task_id="mine")
    if end != "running":
        task.succeed() if end == "succeed" else task.fail("no such luck")
    assert caller.ask(external_task_id="mine").status == 400


def test_an_external_id_is_unique_over_both_paths_and_compared_exactly(caller: Caller) -> None:
    caller.create(external_task_id="mine")
    assert caller.ask(path="/kling/v1/images/multi-image2image", external_task_id="mine").status == 400
    for other in ("Mine", "mine ", " mine", "min\u0435"):
        assert caller.ask(external_task_id=other).status == 200


def test_an_external_id_can_be_used_again_after_exactly_30_days(caller: Caller) -> None:
    caller.create(external_task_id="mine")
    caller.clock.advance(days=30, seconds=-0.001)
    assert caller.ask(external_task_id="mine").status == 400
    caller.clock.advance(0.001)
    assert caller.ask(external_task_id="mine").status == 200
    assert caller.ask(external_task_id="mine").status == 400


def test_a_task_is_unknown_after_exactly_30_days(caller: Caller) -> None:
    task_id = caller.create()["task_id"]
    caller.clock.advance(days=30, seconds=-0.001)
    assert caller.status(task_id) == "processing"
    caller.clock.advance(0.001)
    assert caller.get(f"{PATH}/{task_id}").status == 400
    assert len(caller.fake.tasks) == 0


def test_an_external_id_cannot_be_queried_on_cometapi(caller: Caller) -> None:
    caller.create(external_task_id="mine")
    assert body_of(caller.get(f"{PATH}/mine"))["code"] == "task_not_exist"


@pytest.mark.parametrize("absent", ["", None])
def test_an_absent_external_id_is_never_a_duplicate(absent: str | None, caller: Caller) -> None:
    assert [caller.ask(external_task_id=absent).status for _ in range(3)] == [200] * 3
    assert caller.fake.tasks[0].request.external_task_id is None


def test_a_refused_request_reserves_nothing(start: Start) -> None:
    """Neither external id nor slots nor balance nor a scripted outcome."""
    caller = start(slots=1, balance=16)
    caller.fake.next.fails("no such luck")
    assert caller.ask(external_task_id="mine", n=0).status == 400
    assert caller.ask(external_task_id="mine", model_name="kling-v9").status == 503
    assert caller.ask(external_task_id="mine", n=2).status == 403
    assert len(caller.fake.tasks) == 0
    task = caller.make(external_task_id="mine")
    caller.query(task.id)
    assert caller.query(task.id)["task_status_msg"] == "no such luck"


# -- wrong methods and paths


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", PATH, "POST"),
        ("DELETE", PATH, "POST"),
        ("POST", f"{PATH}/1", "GET"),
        ("HEAD", f"{PATH}/1", "GET"),
        ("GET", "/kling/v1/images/multi-image2image", "POST"),
    ],
)
def test_the_reply_to_a_wrong_method_lists_the_allowed_ones(
    method: str, path: str, allow: str, caller: Caller
) -> None:
    reply = caller.send(method, path)
    assert reply.status == 405
    assert ("allow", allow) in reply.headers
    assert body_of(reply)["error"]["message"].startswith(f"Method {method} is not allowed here (request id: ")


@pytest.mark.parametrize(
    "path", ["/kling/", "/kling/v1/images", "/kling/v2/images/generations", f"{PATH}/", f"{PATH}/1/2"]
)
def test_an_unknown_path_is_404_in_the_shape_of_the_gateway(path: str, caller: Caller) -> None:
    reply = caller.get(path)
    assert reply.status == 404
    assert body_of(reply)["error"]["message"].startswith(f"Invalid URL (GET {path}) (request id: ")


def test_health_needs_no_key_and_counts_as_a_call(caller: Caller) -> None:
    reply = caller.fake.handle(Request("GET", "/_mock/health"))
    assert (reply.status, body_of(reply)["status"]) == (200, "ok")
    assert len(caller.fake.calls) == 1


def test_an_unknown_control_path_is_404_without_a_key(caller: Caller) -> None:
    """A 401 would suggest that the path exists."""
    reply = caller.fake.handle(Request("GET", "/_mock/halth"))
    assert reply.status == 404
    assert len(caller.fake.calls) == 1


# -- internal errors


def test_an_internal_error_is_a_500_and_check_raises_it(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client always gets a reply; `check` raises the error once."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    with monkeypatch.context() as patch:
        patch.setattr("kling_mock.request_decisions.decide", broken)
        replies = [caller.ask(), caller.ask()]
    for reply in replies:
        assert reply.status == 500
        assert body_of(reply)["code"] == 5000
        assert "ZeroDivisionError" not in reply.body.decode()
    with pytest.raises(ExceptionGroup) as caught:
        caller.fake.check()
    assert [type(each) for each in caught.value.exceptions] == [ZeroDivisionError] * 2
    caller.fake.check()
    assert caller.ask().status == 200


# -- the event after a commit


def test_on_call_is_called_with_each_call_after_its_commit(caller: Caller) -> None:
    seen: list[tuple[CallRecord, bool]] = []
    caller.fake.on_call(lambda call: seen.append((call, caller.fake.calls[-1] is call)))
    task_id = caller.create()["task_id"]
    caller.query(task_id)
    caller.ask(n=0)
    assert [(call.method, call.status, call.task_id) for call, _ in seen] == [
        ("POST", 200, task_id), ("GET", 200, task_id), ("POST", 400, None),
    ]  # fmt: skip
    assert all(committed for _, committed in seen)
    assert [call for call, _ in seen] == list(caller.fake.calls)


def test_an_exception_of_a_listener_changes_no_reply_and_is_raised_by_check(caller: Caller) -> None:
    heard: list[CallRecord] = []

    def broken(_: CallRecord) -> None:
        raise BrokenPipeError("nobody reads this")

    caller.fake.on_call(broken)
    caller.fake.on_call(heard.append)
    assert caller.ask().status == 200
    assert len(heard) == 1
    with pytest.raises(ExceptionGroup) as caught:
        caller.fake.check()
    assert [type(each) for each in caught.value.exceptions] == [BrokenPipeError]


def test_a_listener_may_call_the_fake(caller: Caller) -> None:
    """Counterexample to an event inside the commit, which would deadlock."""
    polled: list[str] = []

    def poll(call: CallRecord) -> None:
        if call.method == "POST" and call.task_id:
            polled.append(caller.status(call.task_id))

    caller.fake.on_call(poll)
    caller.create()
    assert polled == ["processing"]


# -- invalid headers


@pytest.mark.parametrize("headers", [{"authorization": "Bearer sk-mock"}, [("authorization",)], None])
def test_headers_that_are_not_pairs_are_an_error_of_the_caller(headers: Any) -> None:
    request = Request("GET", "/kling/v1/images/generations/1", headers=headers)
    with pytest.raises(TypeError, match=r"^Request\.headers: must be pairs of names and values, such as"):
        Fake().handle(request)


def test_a_header_name_in_upper_case_is_not_taken_for_a_missing_key() -> None:
    fake = Fake()
    request = Request("GET", "/kling/v1/images/generations/1", headers=(("Authorization", "Bearer sk-mock"),))
    assert fake.handle(request).status == 500
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    assert "must be in lower case" in str(caught.value.exceptions[0])
