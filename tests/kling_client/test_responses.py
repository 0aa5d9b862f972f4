"""Parsing any response yields a task or one of the documented errors."""

from __future__ import annotations

import contextlib
import json
from typing import cast

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kling_client import errors
from kling_client.replies import Reply, is_transient, read_task
from kling_client.snapshot import Snapshot
from kling_client.steps import Head
from kling_contracts.gateways import COMETAPI, RefusalReason
from kling_contracts.vocabulary import ERRORS, TaskStatus
from tests.kling_client.conftest import task
from tests.profiles import CI

REQUEST_ID = "20260205132859798638387SIHCnxzJ"


def reply(body: object, status: int = 200, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(Head(status, {name.replace("_", "-"): value for name, value in headers.items()}), content)


def read_error(body: object, status: int = 200, **headers: str) -> errors.KlingError:
    with pytest.raises(errors.KlingError) as caught:
        read_task(reply(body, status, **headers), str)
    return caught.value


def envelope(data: object) -> dict[str, object]:
    return {"code": 0, "message": "SUCCEED", "request_id": "c065", "data": data}


def test_a_task_is_read_with_everything_it_has() -> None:
    """Unknown fields and an unknown status are kept."""
    data = task("succeed", urls=["https://h/0.png"], final_unit_deduction="16", brand_new={"a": [1]})
    snapshot = read_task(reply(envelope(data)), str)
    assert snapshot.raw == data
    assert snapshot.request_id == "c065"
    assert snapshot.message.extra == {"brand_new": {"a": [1]}}
    assert read_task(reply(envelope(task("paused"))), str).message.task_status == "paused"


@pytest.mark.parametrize(
    "data",
    [
        {"task_id": "1", "task_status": "processing"},
        {"task_id": "1", "task_status": "processing", "task_info": None, "task_result": None},
        {"task_id": "1", "task_status": "processing", "created_at": "yesterday", "updated_at": 10**30},
        {"task_id": "1", "task_status": "processing", "task_info": {"external_task_id": None}},
        {"task_id": "1", "task_status": "processing", "task_status_msg": None},
    ],
)
def test_missing_null_and_odd_optional_parts_do_no_harm(data: object) -> None:
    assert read_task(reply(envelope(data)), str).message.task_status is TaskStatus.PROCESSING


def test_a_request_id_may_be_missing() -> None:
    """As in the captured create responses of CometAPI."""
    assert read_task(reply({"code": 0, "data": task()}), str).request_id is None


def kling(code: int, message: str, request_id: str | None = None) -> dict[str, object]:
    return {"code": code, "message": message} | ({"request_id": request_id} if request_id else {})


def relay(code: str, message: str = "x") -> dict[str, object]:
    return {"code": code, "message": message, "data": None}


def comet(code: str, message: str = "x") -> dict[str, object]:
    return {"error": {"message": message, "type": "comet_api_error", "param": "", "code": code}}


LIMIT = "parallel task over resource pack limit"
NO_TOKEN = f"invalid token (request id: {REQUEST_ID})"

# Typed by hand from the sources: status, body -> class, code, request id.
REFUSALS = [
    (400, kling(1201, "n value '10' is invalid", "c"), errors.ApiError, 1201, "c"),
    (400, kling(1301, "risk", "c"), errors.ApiError, 1301, "c"),
    (401, kling(1002, "The token was expected to have 3 parts", "c"), errors.AuthError, 1002, "c"),
    (403, kling(1103, "no right"), errors.AuthError, 1103, None),
    (400, kling(1201, "Task not found by id/external id: x"), errors.NotFound, 1201, None),
    (400, kling(1201, "Task not found by external id: x"), errors.NotFound, 1201, None),
    (404, kling(1203, "resource"), errors.NotFound, 1203, None),
    (400, kling(1203, "resource"), errors.NotFound, 1203, None),
    (404, kling(1202, "method"), errors.NotFound, 1202, None),
    (400, relay("task_not_exist"), errors.NotFound, "task_not_exist", None),
    (404, comet("", "Invalid URL (GET /x)"), errors.NotFound, "", None),
    (400, kling(1201, "External_task_id a b already exists"), errors.Conflict, 1201, None),
    (409, kling(1201, "again"), errors.Conflict, 1201, None),
    (429, kling(1303, LIMIT, "c"), errors.RateLimited, 1303, "c"),
    (429, kling(1102, "Account balance not enough"), errors.RateLimited, 1102, None),
    (401, comet("", NO_TOKEN), errors.AuthError, "", REQUEST_ID),
    (403, relay("insufficient_user_quota"), errors.ApiError, "insufficient_user_quota", None),
    (500, kling(5000, "oops", "c"), errors.ServerError, 5000, "c"),
    (503, comet("model_not_found"), errors.ApiError, "model_not_found", None),
    (500, comet("invalid_request"), errors.ApiError, "invalid_request", None),
    (200, kling(1201, "bad", "c"), errors.ApiError, 1201, "c"),
    (200, kling(1303, "slow"), errors.RateLimited, 1303, None),
    (200, kling(1004, "expired"), errors.AuthError, 1004, None),
    (200, kling(5000, "oops"), errors.ServerError, 5000, None),
    (200, kling(-7, ""), errors.ApiError, -7, None),
    (200, comet("x"), errors.ApiError, "x", None),
]


@pytest.mark.parametrize(("status", "body", "kind", "code", "request_id"), REFUSALS)
def test_refusals_in_all_three_shapes(
    status: int, body: object, kind: type[errors.ApiError], code: int | str, request_id: str | None
) -> None:
    """The code of the envelope decides, also with status 200."""
    error = read_error(body, status)
    assert type(error) is kind
    assert isinstance(error, errors.ApiError)
    assert (error.status, error.code, error.request_id) == (status, code, request_id)


@pytest.mark.parametrize("reason", list(COMETAPI.refusals))
def test_every_refusal_of_the_contract_is_understood(reason: RefusalReason) -> None:
    """Each error in the gateway's table is parsed as an ApiError with its status and code."""
    refusal = COMETAPI.refusals[reason]
    values = dict.fromkeys(("message", "id", "model", "method", "path"), "x")
    body = refusal.body("c065", **values)
    error = read_error(body, refusal.status)
    assert isinstance(error, errors.ApiError)
    assert (error.status, error.code) == (refusal.status, refusal.code)
    assert error.message == (body.get("message") or cast("dict[str, str]", body["error"])["message"])
    assert error.request_id in ("c065", None)


@pytest.mark.parametrize("code", list(ERRORS))
def test_every_row_of_the_error_table_comes_out_with_its_code(code: int) -> None:
    row = ERRORS[code]
    for status in (row.status, 200):
        error = read_error(kling(code, row.wording), status)
        assert isinstance(error, errors.ApiError)
        assert error.code == code
        assert isinstance(error, errors.ServerError) == (row.status >= 500)
        assert isinstance(error, errors.RateLimited) == (row.status == 429)


def test_retry_after_is_on_the_error() -> None:
    error = read_error({"code": 1303, "message": "slow"}, 429, retry_after="7")
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 7


def test_an_account_that_cannot_pay_is_not_asked_again_soon() -> None:
    assert is_transient(read_error({"code": 1303, "message": "slow"}, 429))
    assert is_transient(read_error(b"", 429))
    assert not is_transient(read_error({"code": 1102, "message": "Account balance not enough"}, 429))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"", 204),
        (b"<html>hello</html>", 200),
        (b'{"code": 0, "data": {"task_id": "1", "task_st', 200),
        (b"\xff\xfe\x00", 200),
        (b"[" * 100_000, 200),
        (b'{"code": ' + b"9" * 5000 + b"}", 200),
        (b"null", 200),
        (b"[]", 200),
        ({"code": True, "data": task()}, 200),
        ({"code": "0", "data": task()}, 200),
        ({"code": 0.0, "data": task()}, 200),
        ({"code": "success", "data": {"status": "SUCCESS"}}, 200),
        ({"code": "success", "message": "", "data": {"status": "SUCCESS"}}, 200),
        ({"code": 0}, 200),
        (envelope(None), 200),
        (envelope([task()]), 200),
        (envelope({"task_id": 867, "task_status": "submitted"}), 200),
        (envelope({"task_id": "867"}), 200),
        (envelope(task("succeed", task_result={"images": [{"index": 0}]})), 200),
        (b"<html>moved</html>", 302),
        (b"<html>no</html>", 403),
        (b"<html>no</html>", 404),
        (envelope(task()), 400),
        ({"error": "no"}, 400),
        ({"error": {"message": None}}, 400),
    ],
)
def test_what_is_no_message_of_this_api_is_an_unexpected_reply(body: object, status: int) -> None:
    error = read_error(body, status)
    assert type(error) is errors.UnexpectedReply
    assert error.status == status
    assert len(error.body) <= 2048
    if isinstance(body, bytes) and body.startswith(b"<html>"):
        assert "check the base URL" in str(error)


@pytest.mark.parametrize(("status", "kind"), [(429, errors.RateLimited), (502, errors.ServerError)])
def test_where_the_status_says_enough_the_body_need_not_be_legible(
    status: int, kind: type[errors.ApiError]
) -> None:
    error = read_error(b"<html>Bad gateway</html>", status)
    assert type(error) is kind
    assert error.code is None


def test_a_redirect_says_where_to() -> None:
    assert "https://login.example" in str(read_error(b"", 302, location="https://login.example/"))


UPSTREAM = {"code": 1201, "message": "Voice id not found", "request_id": "c065"}


@pytest.mark.parametrize("status", [200, 400, 404, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        {"message": "M", "data": {"data": UPSTREAM, "message": "M"}},
        {"message": "M", "data": UPSTREAM},
        {"code": None, "message": "M", "data": {"data": {"data": UPSTREAM}}},
        {"code": 0, "message": "M", "data": {"data": UPSTREAM}},
        {"code": "fail", "message": "M", "data": {"data": UPSTREAM}},
    ],
)
def test_a_refusal_wrapped_by_a_gateway_has_code_and_message_of_the_service(
    body: dict[str, object], status: int
) -> None:
    """The first body was captured at CometAPI; the status was not."""
    with pytest.raises(errors.ApiError) as caught:
        read_task(reply(body, status), str)
    error = caught.value
    assert (error.status, error.code, error.message) == (status, 1201, "Voice id not found")
    assert error.request_id == "c065"


@pytest.mark.parametrize(
    "data",
    [
        {"task_id": "1", "task_status": "submitted", "data": UPSTREAM},
        {"data": {"task_id": "1", "code": 1201, "message": "M"}},
        {"data": {"code": 0, "message": "M"}},
        {"data": {"code": True, "message": "M"}},
        {"data": {"code": 1201, "message": 7}},
        {"data": {"data": {"data": {"data": UPSTREAM}}}},
        [UPSTREAM],
    ],
)
def test_other_data_is_not_a_refusal(data: object) -> None:
    """Counterexamples: a task with a field `data`, a success, wrong types, deeper than any gateway wraps."""
    with contextlib.suppress(errors.UnexpectedReply):
        read_task(reply({"message": "M", "data": data}), str)


def test_an_unavailable_route_is_not_found() -> None:
    with pytest.raises(errors.NotFound, match="404"):
        read_task(reply({"code": None, "message": "404"}, 404), str)


def test_a_key_that_the_server_echoes_is_redacted_before_the_text_is_cut() -> None:
    """Neither text nor body contains the key or a part of it."""
    secret = "sk-secret-0123456789"

    def redact(text: str) -> str:
        return text.replace(secret, "[key]")

    echo = (b"x" * 2040) + secret.encode()
    with pytest.raises(errors.UnexpectedReply) as unexpected:
        read_task(reply(echo, 403), redact)
    assert "sk-s" not in unexpected.value.body + str(unexpected.value)
    with pytest.raises(errors.AuthError) as refused:
        read_task(reply({"code": 1002, "message": f"no: {secret}", "request_id": secret}, 401), redact)
    assert secret not in str(refused.value) + repr(vars(refused.value))


# --- any bytes -------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
codes = st.sampled_from([0, 1201, 1203, 1303, 5000, "task_not_exist"])
words = st.sampled_from(["submitted", "processing", "succeed", "failed"])
tasks = st.builds(
    lambda status, changes: task(status) | changes,
    words,
    st.dictionaries(st.sampled_from([*task(), "task_result", "task_status_msg"]), json_values, max_size=2),
)
changes = st.dictionaries(
    st.sampled_from(["code", "message", "request_id", "error", "data"]), json_values, max_size=2
)
almost = st.builds(lambda data, changes: envelope(data) | changes, tasks | json_values, changes)
refused = st.builds(
    lambda code, message, changes: {"code": code, "message": message} | changes, codes, st.text(), changes
)
bodies = st.binary() | (json_values | almost | refused).map(lambda value: json.dumps(value).encode())
headers = st.dictionaries(st.sampled_from(["retry-after", "date", "location", "content-length"]), st.text())


def outcome(reply: Reply) -> Snapshot | errors.ApiError | errors.UnexpectedReply:
    try:
        return read_task(reply, str)
    except (errors.ApiError, errors.UnexpectedReply) as error:
        return error


@given(body=bodies, status=st.integers(100, 599), head=headers, cut=st.integers(0, 10_000))
def test_any_answer_is_a_task_or_a_documented_error(
    body: bytes, status: int, head: dict[str, str], cut: int
) -> None:
    """The error text can be encoded."""
    found = outcome(Reply(Head(status, head), body[:cut]))
    if isinstance(found, Snapshot):
        assert 200 <= status < 300
        assert found.message.task_id
    else:
        assert found.status == status
        assert str(found).encode()


def test_the_generator_above_reaches_every_kind_of_outcome() -> None:
    """Otherwise the property above could hold because all bodies are refused for the same reason."""
    seen: set[str] = set()

    @settings(CI, max_examples=250, phases=[Phase.generate])
    @given(body=bodies)
    def collect(body: bytes) -> None:
        seen.add(type(outcome(Reply(Head(200, {}), body))).__name__)

    collect()
    assert seen >= {"Snapshot", "ApiError", "NotFound", "RateLimited", "ServerError", "UnexpectedReply"}
