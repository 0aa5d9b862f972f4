"""Paths, methods, parameters and bodies that the control API refuses, each with the place and a hint."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest

from kling_mock.control_api.access import Peer
from kling_mock.control_api.endpoints import ENDPOINTS
from kling_mock.control_api.models import EventStream, StateLines
from kling_mock.control_api.reading import BODY_BYTES
from tests.kling_mock.control_api.conftest import Control

ELSEWHERE = Peer(is_local=False, host_is_local=True)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/taks", "/_mock/tasks"),
        ("/clock/", "/_mock/clock"),
        ("/accountss", "/_mock/accounts"),
        ("/tasks/1/realease", "/_mock/tasks/{id}/release"),
    ],
)
def test_an_unknown_path_is_404_with_the_nearest_one(control: Control, path: str, nearest: str) -> None:
    error = control.refused(404, "GET", path)
    assert error["nearest"][0] == nearest
    assert nearest in error["message"]


def test_errors_name_their_entry_of_the_troubleshooting_page(control: Control) -> None:
    for reply, entry in (
        (control.send("GET", "/clock", peer=ELSEWHERE), "control-access"),
        (control.send("GET", "/taks"), "control-request"),
    ):
        assert dict(reply.headers)["x-kling-mock-help"] == f"kling-mock help {entry}"
    assert "x-kling-mock-help" not in dict(control.send("GET", "/clock").headers)


def test_a_wrong_method_is_405_with_the_methods_of_the_path(control: Control) -> None:
    for method in ("PUT", "OPTIONS", "TRACE", "WEIRD"):
        reply = control.send(method, "/clock")
        assert reply.status == 405
        assert dict(reply.headers)["allow"] == "GET, POST, HEAD"
        assert "GET, POST" in reply.json()["error"]["message"]  # type: ignore[index]
    assert dict(control.send("GET", "/tasks/1/release").headers)["allow"] == "POST"


def test_head_has_the_length_of_get(control: Control) -> None:
    assert control.send("HEAD", "/clock").framed_headers == control.send("GET", "/clock").framed_headers


@pytest.mark.parametrize(
    ("path", "pointer", "nearest"),
    [
        ("/tasks?statu=failed", "?statu", ["status"]),
        ("/tasks?status=done", "?status", ["submitted", "processing", "succeed", "failed"]),
        ("/callbacks?delivered=null", "?delivered", []),
        ("/tasks?limit=0", "?limit", []),
        ("/tasks?limit=1001", "?limit", []),
        ("/tasks?limit=x", "?limit", []),
        ("/tasks?limit=" + "9" * 5000, "?limit", []),
        ("/tasks?limit=1&limit=2", "?limit", []),
        ("/tasks?prompt=%FF", "?", []),
        ("/tasks?" + "a=1&" * 200, "?", []),
        ("/clock?a=1", "?", []),
    ],
)
def test_a_wrong_parameter_is_422_with_its_name(
    control: Control, path: str, pointer: str, nearest: list[str]
) -> None:
    error = control.refused(422, "GET", path)
    assert (error["pointer"], error["nearest"]) == (pointer, nearest)


HOSTILE: dict[str, tuple[int, bytes]] = {
    "not JSON": (400, b"advance=1"),
    "ends early": (400, b'{"advance": '),
    "not UTF-8": (400, b'{"advance": "\xff"}'),
    "NaN": (400, b'{"advance": NaN}'),
    "nested deeply": (400, b"[" * 200_000),
    "deep objects": (400, b'{"a":' * 100_000),
    "a huge number": (400, b'{"advance": ' + b"9" * 5_000 + b"}"),
    "too large": (413, b" " * (BODY_BYTES + 1)),
    "a duplicate name": (422, b'{"advance": 1, "advance": 2}'),
    "another type": (422, b"[]"),
    "null": (422, b"null"),
    "a text": (422, b'"advance"'),
    "a lone surrogate": (422, b'{"\\ud800": 1}'),
    "a long name": (422, json.dumps({"a" * 100_000: 1}).encode()),
}


@pytest.mark.parametrize(("status", "body"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_is_refused_and_changes_nothing(control: Control, status: int, body: bytes) -> None:
    reply = control.send("POST", "/clock", body)
    assert reply.status == status, reply.body
    assert len(reply.body) < 2_000
    assert control.fake.clock.jumps == ()
    control.fake.check()


def test_a_body_where_none_is_expected_is_refused(control: Control) -> None:
    task = control.make()
    assert control.refused(422, "POST", f"/tasks/{task.id}/succeed", {"images": 2})["pointer"] == ""
    control.ok("POST", f"/tasks/{task.id}/succeed", {})


def test_an_empty_body_is_refused_where_one_is_needed(control: Control) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.needs_body:
            path = endpoint.path.removeprefix("/_mock").replace("{id}", "1")
            error = control.refused(422, endpoint.method, path)
            assert (error["pointer"], "needs a JSON body" in error["message"]) == ("", True)


def test_an_error_of_a_handler_is_500_and_raised_by_check(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(control.fake), "next_event", property(lambda _: 1 / 0))
    assert "check()" in control.refused(500, "GET", "/clock")["message"]
    with pytest.raises(ExceptionGroup) as caught:
        control.fake.check()
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)


# --- access


def status(control: Control, peer: Peer = ELSEWHERE, method: str = "GET", **headers: str) -> int:
    body = {"advance": 1} if method == "POST" else None
    return control.send(method, "/clock", body, peer=peer, **headers).status


def test_without_a_token_only_this_machine_is_served(control: Control) -> None:
    here = Peer(is_local=True, host_is_local=True)
    assert status(control, here) == 200
    assert status(control) == 403
    assert status(control, Peer(is_local=True, host_is_local=False)) == 403
    assert status(control, here._replace(exposed=True)) == 403
    for name in ("x_forwarded_for", "forwarded", "x_real_ip"):
        assert status(control, here, **{name: "10.0.0.1"}) == 403
    reply = control.send("GET", "/clock", peer=here._replace(exposed=True))
    assert b"--control-token" in reply.body


@pytest.mark.parametrize("peer", [ELSEWHERE, Peer(is_local=True, host_is_local=True, exposed=True)])
def test_a_token_admits_others(peer: Peer) -> None:
    control = Control(control_token="let-me-in-12345")
    assert status(control, peer, authorization="Bearer let-me-in-12345") == 200
    assert status(control, peer, authorization="bearer let-me-in-12345") == 200
    assert status(control, peer, x_kling_mock_token="let-me-in-12345") == 200
    for wrong in ("", "let-me-in-1234", "let-me-in-12345x", "\u00e9"):
        assert status(control, peer, authorization=f"Bearer {wrong}") == 401
        assert status(control, peer, x_kling_mock_token=wrong) == 401
    assert status(control, peer, authorization="Basic let-me-in-12345") == 401
    reply = control.send("GET", "/clock", peer=peer)
    assert dict(reply.headers)["www-authenticate"] == "Bearer"
    assert status(control, Peer(is_local=True, host_is_local=True)) == 200


def test_the_comparison_in_constant_time_decides_on_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control(control_token="let-me-in-12345")
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return given == b"decided"

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert status(control, authorization="Bearer decided") == 200
    assert status(control, x_kling_mock_token="let-me-in-12345") == 401
    expected = b"let-me-in-12345"
    assert compared == [(b"", expected), (b"decided", expected), (expected, expected), (b"", expected)]


SITES: dict[str, tuple[dict[str, str], int, int]] = {
    "no browser": ({}, 200, 200),
    "the same origin": ({"origin": "http://127.0.0.1:8000", "sec_fetch_site": "same-origin"}, 200, 200),
    "typed by the user": ({"sec_fetch_site": "none"}, 200, 200),
    "another port": ({"origin": "http://127.0.0.1:5173"}, 403, 403),
    "another name": ({"origin": "http://localhost:8000"}, 403, 403),
    "another site": ({"origin": "https://evil.example"}, 403, 403),
    "a file": ({"origin": "null"}, 403, 403),
    "an invalid origin": ({"origin": "http://[::1"}, 403, 403),
    "a form without origin": ({"sec_fetch_site": "cross-site"}, 200, 403),
    "a subdomain": ({"sec_fetch_site": "same-site"}, 200, 403),
}


@pytest.mark.parametrize(("headers", "read", "write"), SITES.values(), ids=SITES)
def test_pages_of_other_origins_are_refused(headers: dict[str, str], read: int, write: int) -> None:
    control = Control(control_token="let-me-in-12345")
    for given in (headers, headers | {"x_kling_mock_token": "let-me-in-12345"}):
        here = Peer(is_local=True, host_is_local=True)
        assert status(control, here, **given) == read
        assert status(control, here, "POST", **given) == write
    reply = control.send("GET", "/clock", peer=here, **headers)
    assert not any(name.startswith("access-control-") for name, _ in reply.headers)
    assert dict(reply.headers)["cross-origin-resource-policy"] == "same-origin"
    assert dict(reply.headers)["x-content-type-options"] == "nosniff"


def test_every_endpoint_checks_access(control: Control) -> None:
    for endpoint in ENDPOINTS:
        path = endpoint.path.removeprefix("/_mock").replace("{id}", "1").replace("{name}", "1")
        reply = control.send(endpoint.method, path, peer=ELSEWHERE)
        assert reply.status == 403, endpoint


# --- secrets


WEBHOOK_SECRET = "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiBieXRlcyE="


def test_secrets_are_in_no_reply() -> None:
    secrets = [
        "sk-secret-key-1234567890",
        "secret-of-pair-1234567890",
        "token-of-api-1234567890",
        WEBHOOK_SECRET,
    ]
    keys = [secrets[0], f"access-key:{secrets[1]}"]
    control = Control(keys=keys, control_token=secrets[2], webhook_secret=WEBHOOK_SECRET)
    caller = control.caller.account(secrets[0])
    urls = [
        {"subject_image": "https://user:pw-in-url@h.test/a?sign=signature-in-url"},
        {"subject_image": "https://h.test/b"},
    ]
    task_id = caller.create(
        subject_image_list=urls,
        prompt=" ".join(secrets),
        callback_url="https://h.test/hook?token=token-in-url",
    )["task_id"]
    caller.ask(prompt=secrets[0], aspect_ratio=secrets[1])
    shown = b""
    for path in (*READS, f"/tasks/{task_id}", f"/tasks/{secrets[0]}", f"/{secrets[2]}"):
        shown += control.send("GET", path).body
    for secret in (*secrets, "pw-in-url", "signature-in-url", "token-in-url"):
        assert secret.encode() not in shown, secret
    assert secrets[0] not in repr(control.fake.settings) + repr(control.fake)
    assert secrets[2] not in repr(control.fake.settings)
    assert control.ok("GET", "/accounts")["accounts"][0]["name"].startswith("account-")


# Without the events, and without the state: an import restores all of it, so it is exported as it is.
ENDLESS_OR_EXACT = (EventStream, StateLines)
READS = [
    each.path.removeprefix("/_mock")
    for each in ENDPOINTS
    if each.method == "GET" and "{" not in each.path and each.signature.result not in ENDLESS_OR_EXACT
]


def test_the_handlers_of_the_table_are_documented() -> None:
    for endpoint in ENDPOINTS:
        signature: Any = endpoint.signature
        assert signature.summary.endswith("."), endpoint
        assert set(signature.path) == {part[1:-1] for part in endpoint.path.split("/") if part[:1] == "{"}
