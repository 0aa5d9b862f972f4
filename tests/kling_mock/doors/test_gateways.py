"""Both gateways through every door: every operation, every kind of key, every error of the table.

Paths, codes and texts are typed by hand from the documents; nothing of `contracts` is imported.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest

from kling_mock import Fake, ManualClock
from tests.rows import each_row, some_rows

if TYPE_CHECKING:
    from tests.kling_mock.doors.conftest import Door, Send

COMET = "https://api.cometapi.com"
KLING = "https://api-singapore.klingai.com"
ACCESS, SECRET = "a" * 32, "s" * 32
URL = {"subject_image": "https://example.com/cat.png"}

OPERATIONS = {
    "cometapi generations": (COMET, "/kling/v1/images/generations", {"subject_image_list": [URL, URL]}),
    "cometapi the other": (COMET, "/kling/v1/images/multi-image2image", {"subject_image_list": [URL]}),
    "kling multi-image2image": (KLING, "/v1/images/multi-image2image", {"subject_image_list": [URL]}),
    "kling generations": (KLING, "/v1/images/generations", {"prompt": "a cat at sea"}),
}
KLING_CREATE = "/v1/images/multi-image2image"
BODY = {"subject_image_list": [URL, URL]}


def fake(**switches: Any) -> Fake:
    switches.setdefault("keys", ["sk-plain", f"{ACCESS}:{SECRET}"])
    return Fake(clock=ManualClock(), **switches)


def call(
    send: Send, method: str, url: str, body: object = None, key: str | None = "sk-plain", **headers: str
) -> tuple[int, Any]:
    given = headers if key is None else {"authorization": f"Bearer {key}", **headers}
    # The host names the gateway in process; a local server goes by the path alone.
    response = send(httpx.Request(method, url, json=body, headers=given))
    return response.status_code, response.json()


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    now = time.time()
    given = {"iss": ACCESS, "exp": now + 1800, "nbf": now - 5} | claims
    return jwt.encode({name: value for name, value in given.items() if value is not None}, secret, algorithm)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("offer", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation(door: Door, offer: tuple[str, str, object]) -> None:
    """Create, then query to the end, with a plain key; Kling takes a token for the same."""
    host, path, body = offer
    ours = fake()
    with door(ours) as send:
        keys = ["sk-plain", token()] if host == KLING else ["sk-plain"]
        for key in keys:
            status, created = call(send, "POST", host + path, body, key)
            assert (status, created["code"], created["message"]) == (200, 0, "SUCCEED")
            assert created["data"]["task_status"] == "submitted"
            query = f"{host}{path}/{created['data']['task_id']}"
            seen = [call(send, "GET", query, key=key)[1]["data"]["task_status"] for _ in range(3)]
            assert seen == ["processing", "succeed", "succeed"]
            other = query.replace("multi-image2image/", "generations/")
            assert call(send, "GET", other, key=key)[1]["data"]["task_status"] == "succeed"
    ours.check()


DENIED = {
    "nothing": (None, 1001, ""),
    "empty": ("", 1001, ""),
    "another scheme": (f"Basic {ACCESS}", 1002, ""),
    "no key behind the scheme": ("Bearer", 1002, ""),
    "an unknown key": ("Bearer sk-other", 1002, "The token was expected to have 3 parts, but got 0"),
    "two parts": ("Bearer a.b", 1002, "The token was expected to have 3 parts, but got 2"),
    "four parts": ("Bearer a.b.c.d", 1002, "The token was expected to have 3 parts, but got > 3"),
    "three parts of nothing": ("Bearer a.b.c", 1002, ""),
    "another secret": (lambda: token("t" * 32), 1002, ""),
    "an unknown issuer": (lambda: token(iss="b" * 32), 1002, ""),
    "no issuer": (lambda: token(iss=None), 1002, ""),
    "not yet valid": (lambda: token(nbf=time.time() + 600), 1003, ""),
    "expired": (lambda: token(exp=time.time() - 1), 1004, ""),
    "no expiry": (lambda: token(exp=None), 1000, ""),
    "another algorithm": (lambda: token(SECRET * 4, "HS512"), 1000, ""),
    "the access key and secret themselves": (f"Bearer {ACCESS}:{SECRET}", 1002, ""),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@each_row(("bearer", "code", "text"), DENIED.values(), ids=DENIED)
def test_every_bad_key(door: Door, bearer: Any, code: int, text: str) -> None:
    """Kling distinguishes 1000 to 1004; CometAPI has one response for all. Nothing is created."""
    given = f"Bearer {bearer()}" if callable(bearer) else bearer
    headers = {} if given is None else {"authorization": given}
    ours = fake()
    with door(ours) as send:
        for method, path in (("POST", KLING_CREATE), ("GET", f"{KLING_CREATE}/1"), ("GET", "/account/costs")):
            status, answer = call(send, method, KLING + path, BODY, None, **headers)
            assert (status, answer["code"], set(answer)) == (401, code, {"code", "message", "request_id"})
            assert text in answer["message"]
        status, answer = call(send, "POST", f"{COMET}/kling/v1/images/generations", BODY, None, **headers)
        assert (status, answer["error"]["type"]) == (401, "comet_api_error")
        assert answer["error"]["message"].startswith("invalid token (request id: ")
    assert not ours.tasks
    ours.check()


def test_the_scheme_is_taken_in_any_case(door: Door) -> None:
    with door(fake()) as send:
        for scheme in ("bearer", "BEARER", "Bearer"):
            headers = {"authorization": f"{scheme} sk-plain"}
            assert call(send, "GET", f"{KLING}/account/costs", None, None, **headers)[0] == 200


def test_a_token_lives_on_the_clock_of_the_fake(door: Door) -> None:
    """Judged by system time when first seen, though this fake's clock stands in another year; then by it."""
    ours = fake()
    with door(ours) as send:
        mine = token(exp=time.time() + 60)
        assert call(send, "GET", f"{KLING}/account/costs", key=mine)[0] == 200
        ours.clock.advance(55)
        assert call(send, "GET", f"{KLING}/account/costs", key=mine)[0] == 200
        ours.clock.advance(6)
        assert call(send, "GET", f"{KLING}/account/costs", key=mine)[1]["code"] == 1004
        assert call(send, "GET", f"{KLING}/account/costs", key=token())[0] == 200


def test_tokens_of_one_access_key_are_one_account(door: Door) -> None:
    with door(fake()) as send:
        created = call(send, "POST", KLING + KLING_CREATE, BODY, token())[1]["data"]["task_id"]
        later = token(exp=time.time() + 900)
        assert call(send, "GET", f"{KLING}{KLING_CREATE}/{created}", key=later)[0] == 200
        assert call(send, "GET", f"{KLING}{KLING_CREATE}/{created}", key="sk-plain")[1]["code"] == 1201


# Kling's error table, and the HTTP status of each code.
ERRORS = {
    1000: 401, 1001: 401, 1002: 401, 1003: 401, 1004: 401, 1100: 429, 1101: 429, 1102: 429, 1103: 403,
    1200: 400, 1201: 400, 1202: 404, 1203: 404, 1300: 400, 1301: 400, 1302: 429, 1303: 429, 1304: 429,
    5000: 500, 5001: 503, 5002: 504,
}  # fmt: skip


@some_rows("offer", OPERATIONS.values(), usual=2, ids=OPERATIONS)
def test_every_code_of_the_table(door: Door, offer: tuple[str, str, object]) -> None:
    """A scripted refusal has the code's HTTP status, at every gateway and operation."""
    host, path, body = offer
    ours = fake()
    with door(ours) as send:
        for code, status in ERRORS.items():
            ours.next.refuses(code, f"text of {code}")
            came, answer = call(send, "POST", host + path, body)
            assert (came, answer["code"], answer["message"]) == (status, code, f"text of {code}")
            assert answer.keys() == {"code", "message", "request_id"}
    assert not ours.tasks


PLAIN_CREATE = "/v1/images/generations"
REFUSED: list[tuple[tuple[str, str, object], tuple[int, int, str]]] = [
    (("GET", f"{KLING_CREATE}/8", None), (400, 1201, "Task not found by id/external id: 8")),
    (("POST", KLING_CREATE, {}), (400, 1201, "subject_image_list cannot be empty")),
    (("POST", KLING_CREATE, {**BODY, "model_name": "x"}), (400, 1201, "model is not supported")),
    (("POST", KLING_CREATE, {"n": 0, "model_name": "x"}), (400, 1201, "subject_image_list cannot be empty")),
    (("POST", KLING_CREATE, []), (400, 1201, "request body value type is invalid, expected object")),
    (("PUT", KLING_CREATE, None), (405, 1202, "The requested method is invalid")),
    (("GET", "/v1/images/other", None), (404, 1203, "The requested resource does not exist")),
    (("POST", PLAIN_CREATE, {}), (400, 1201, "prompt cannot be empty")),
    (
        ("POST", PLAIN_CREATE, {"prompt": "a", "image_fidelity": 1.5}),
        (400, 1201, "image_fidelity value '1.5' is invalid"),
    ),
    (
        ("POST", PLAIN_CREATE, {"prompt": "a", "resolution": "4k"}),
        (400, 1201, "resolution value '4k' is invalid"),
    ),
]


@each_row(("request_", "due"), REFUSED)
def test_every_refusal_of_kling(
    door: Door, request_: tuple[str, str, object], due: tuple[int, int, str]
) -> None:
    """In Kling's one shape, with the code and text of each; the first violation as declared answers."""
    method, path, body = request_
    with door(fake()) as send:
        status, answer = call(send, method, KLING + path, body)
        assert (status, answer["code"], answer["message"]) == due


def test_external_ids(door: Door) -> None:
    """On Kling a task is found by either id, and an id is unique over all operations; CometAPI knows one."""
    ours = fake()
    with door(ours) as send:
        made = call(send, "POST", KLING + KLING_CREATE, {**BODY, "external_task_id": "order/7"})[1]["data"]
        assert made["task_info"] == {"external_task_id": "order/7"}
        found = call(send, "GET", f"{KLING}{KLING_CREATE}/order%2F7")[1]["data"]
        assert found["task_id"] == made["task_id"]
        again = {"prompt": "a", "external_task_id": "order/7"}
        assert call(send, "POST", f"{KLING}/v1/images/generations", again)[1]["message"] == (
            "External_task_id order/7 already exists"
        )
        by_comet = call(send, "GET", f"{COMET}/kling/v1/images/generations/order%2F7")
        assert by_comet == (400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
        assert call(send, "GET", f"{COMET}/kling/v1/images/generations/{made['task_id']}")[0] == 200


def test_lists(door: Door) -> None:
    """Newest first, of this account and route, as queries show them; reading a list counts no poll."""
    ours = fake()
    with door(ours) as send:
        made = []
        for _ in range(5):
            made.append(call(send, "POST", KLING + KLING_CREATE, BODY)[1]["data"]["task_id"])
            ours.clock.advance(1)
        call(send, "POST", f"{KLING}/v1/images/generations", {"prompt": "a"})
        call(send, "POST", KLING + KLING_CREATE, BODY, token())
        newest = made[::-1]

        def page(query: str) -> list[str]:
            status, answer = call(send, "GET", f"{KLING}{KLING_CREATE}{query}")
            assert (status, answer["message"]) == (200, "SUCCEED")
            return [task["task_id"] for task in answer["data"]]

        assert page("") == newest
        assert page("?pageNum=1&pageSize=2") + page("?pageSize=2&pageNum=2") == newest[:4]
        assert page("?pageNum=3&pageSize=2") == newest[4:]
        assert page("?pageNum=4&pageSize=2") == []
        assert page("?pageNum=&pageSize=500&other=x") == newest
        assert {task.polls for task in ours.tasks} == {0}
        one = call(send, "GET", f"{KLING}{KLING_CREATE}/{made[0]}")[1]["data"]
        assert call(send, "GET", f"{KLING}{KLING_CREATE}?pageSize=1&pageNum=5")[1]["data"] == [one]


@each_row(
    ("query", "message"),
    [
        ("pageNum=0", "pageNum value '0' is invalid"),
        ("pageNum=1001", "pageNum value '1001' is invalid"),
        ("pageSize=501", "pageSize value '501' is invalid"),
        ("pageSize=-1", "pageSize value '-1' is invalid"),
        ("pageNum=1.0", "pageNum value type is invalid, expected integer"),
        ("pageNum=%EF%BC%91", "pageNum value type is invalid, expected integer"),
        ("pageNum=+1", "pageNum value type is invalid, expected integer"),
        ("pageNum=1_0", "pageNum value type is invalid, expected integer"),
        ("pageNum=1&pageNum=1", "pageNum value type is invalid, expected integer"),
        ("pageNum=x&pageSize=0", "pageNum value type is invalid, expected integer"),
    ],
)
def test_pages_out_of_range(door: Door, query: str, message: str) -> None:
    with door(fake()) as send:
        status, answer = call(send, "GET", f"{KLING}{KLING_CREATE}?{query}")
        assert (status, answer["code"], answer["message"]) == (400, 1201, message)


def test_cometapi_does_not_list(door: Door) -> None:
    with door(fake()) as send:
        for tail in ("generations", "multi-image2image"):
            response = send(
                httpx.Request(
                    "GET", f"{COMET}/kling/v1/images/{tail}", headers={"authorization": "Bearer sk-plain"}
                )
            )
            assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_account_costs(door: Door) -> None:
    """Real clients call it to check a key: 200 for a valid key, with the balance if there is one."""
    with door(fake(balance=100)) as send:
        call(send, "POST", KLING + KLING_CREATE, {**BODY, "n": 2})
        for url in (f"{KLING}/account/costs?start_time=1&end_time=2", f"{COMET}/kling/account/costs"):
            status, answer = call(send, "GET", url)
            assert (status, answer["code"], answer["data"]["code"]) == (200, 0, 0)
            (pack,) = answer["data"]["resource_pack_subscribe_infos"]
            assert (pack["total_quantity"], pack["remaining_quantity"], pack["status"]) == (100, 68, "online")
        assert call(send, "POST", f"{KLING}/account/costs")[0] == 405
    with door(fake()) as send:
        assert call(send, "GET", f"{KLING}/account/costs")[1]["data"]["resource_pack_subscribe_infos"] == []


def test_limits_of_the_account(door: Door) -> None:
    """Slots and balance have one answer on either gateway: Kling's table, CometAPI's quota."""
    with door(fake(slots=1)) as send:
        call(send, "POST", KLING + KLING_CREATE, BODY)
        status, answer = call(send, "POST", KLING + KLING_CREATE, BODY)
        assert (status, answer["code"]) == (429, 1303)
        assert answer["message"] == "parallel task over resource pack limit"
    with door(fake(balance=16)) as send:
        call(send, "POST", KLING + KLING_CREATE, BODY)
        status, answer = call(send, "POST", KLING + KLING_CREATE, BODY)
        assert (status, answer["code"], answer["message"]) == (429, 1102, "Account balance not enough")
        status, answer = call(send, "POST", f"{COMET}/kling/v1/images/generations", BODY)
        assert (status, answer["code"]) == (403, "insufficient_user_quota")


def test_text_to_image_on_cometapi_is_a_switch(door: Door) -> None:
    """Off: the list is required. On: without the key it is plain; null and [] still mean the list."""
    url, plain = f"{COMET}/kling/v1/images/generations", {"prompt": "a cat"}
    with door(fake()) as send:
        assert call(send, "POST", url, plain)[1]["message"] == "subject_image_list cannot be empty"
    ours = fake(operations=["text-to-image"])
    with door(ours) as send:
        assert call(send, "POST", url, plain)[1]["code"] == 0
        assert call(send, "POST", url, BODY)[1]["code"] == 0
        empties: tuple[object, ...] = (None, [])
        for empty in empties:
            answer = call(send, "POST", url, {**plain, "subject_image_list": empty})[1]
            assert answer["message"] == "subject_image_list cannot be empty"
    assert [task.request.model_name for task in ours.tasks] == ["kling-v3", "kling-v2"]


def test_each_host_is_one_gateway() -> None:
    """In process the host decides: paths under another gateway's prefix do not exist."""
    ours = fake()
    with httpx.Client(transport=ours.transport()) as client:
        for url, shape in (
            (f"{COMET}/v1/images/multi-image2image", "error"),
            (f"{KLING}/kling/v1/images/generations", "code"),
            ("https://api.klingai.com/kling/v1/images/generations", "code"),
        ):
            answer = client.post(url, json=BODY, headers={"authorization": "Bearer sk-plain"})
            assert answer.status_code == 404
            assert shape in answer.json()
