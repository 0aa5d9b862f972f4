"""Parsing the bodies of callbacks, and verifying their signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pickle
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
import starlette.datastructures
import time_machine

from kling_client import ConfigError, InvalidSignature, UnexpectedReply, parse_callback
from kling_contracts.messages import TaskMessage
from tests.kling_client.conftest import task


def test_a_callback_is_a_bare_task() -> None:
    wire = task("succeed", urls=["https://h/0.png"], final_unit_deduction="16")
    message = parse_callback(json.dumps(wire))
    assert message == parse_callback(json.dumps(wire).encode()) == TaskMessage.from_wire(wire)


@pytest.mark.parametrize("body", [b"", b"\xff", "<html>", "[]", '{"code": 0, "data": {}}', b"[" * 100_000])
def test_what_is_no_callback_is_refused(body: bytes | str) -> None:
    with pytest.raises(UnexpectedReply, match=r"^callback: "):
        parse_callback(body)


# -- signatures

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes!").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret of these tests 32").decode()
NOW = 1_781_080_794
BODY = json.dumps(task("succeed", urls=["https://h/0.png"])).encode()


@pytest.fixture(autouse=True)
def _at_the_time_of_the_vector() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def signature(body: bytes, secret: str = SECRET, message_id: str = "7", at: str = str(NOW)) -> str:
    """By the text of the standard, without its library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(**changes: str | None) -> dict[str, str]:
    fields = {"webhook-id": "7", "webhook-timestamp": str(NOW), "webhook-signature": signature(BODY)}
    changed = fields | {f"webhook-{name}": value for name, value in changes.items()}
    return {name: value for name, value in changed.items() if value is not None}


def reason(body: bytes = BODY, fields: Any = None, secret: Any = SECRET) -> str:
    with pytest.raises(InvalidSignature) as caught:
        parse_callback(body, headers() if fields is None else fields, secret=secret)
    assert not [each for each in (SECRET, OTHER, SECRET[6:]) if each in f"{caught.value!r}{caught.value}"]
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (copied.reason, str(copied)) == (caught.value.reason, str(caught.value))
    return f"{caught.value.reason}: {caught.value}"


def test_the_published_vector_is_verified() -> None:
    """Its body is not a task object, which only a verified callback reports."""
    secret = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"",'
        b'"create_time":1781080778802,"update_time":1781080794151}'
    )
    fields = {
        "webhook-id": "9876543210",
        "webhook-timestamp": "1781080794",
        "webhook-signature": "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=",
    }
    with pytest.raises(UnexpectedReply):
        parse_callback(body, fields, secret=secret)
    assert reason(body + b" ", fields, secret).startswith("mismatch: ")


@pytest.mark.parametrize(
    "fields",
    [
        headers(),
        {name.title(): value for name, value in headers().items()},
        list(headers().items()),
        [(name.encode(), value.encode()) for name, value in headers().items()],
        starlette.datastructures.Headers(headers()),
        headers(signature=f"v1a,eHg= v1,eHg= {signature(BODY)}"),
        headers(timestamp=str(NOW - 300), signature=signature(BODY, at=str(NOW - 300))),
        headers(timestamp=str(NOW + 300), signature=signature(BODY, at=str(NOW + 300))),
    ],
)
def test_a_signed_callback_is_accepted(fields: Any) -> None:
    assert parse_callback(BODY, fields, secret=SECRET) == parse_callback(BODY)
    assert parse_callback(BODY.decode(), fields, secret=[OTHER, SECRET]) == parse_callback(BODY)


def test_the_headers_of_http_server_are_accepted() -> None:
    message = Message()
    for name, value in headers().items():
        message[name] = value
    parse_callback(BODY, message, secret=(SECRET,))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (BODY.replace(b"succeed", b"failed"), headers()),
        (BODY + b"\n", headers()),
        (b"\xff", headers()),
        (BODY, headers(id="8")),
        (BODY, headers(timestamp=str(NOW - 1))),
        (BODY, headers(signature="v1,")),
        (BODY, headers(signature="v1")),
        (BODY, headers(signature="v1,*")),
        (BODY, headers(signature=signature(BODY).replace("v1", "v2"))),
        (BODY, headers(signature=signature(BODY, OTHER))),
    ],
)
def test_an_altered_callback_is_refused(body: bytes, fields: dict[str, str]) -> None:
    found = reason(body, fields)
    assert found.startswith("mismatch: webhook-signature: does not match. The callback was altered")
    assert "pass the body in bytes, as received" in found


@pytest.mark.parametrize("secret", [OTHER, [OTHER], (OTHER, OTHER)])
def test_another_secret_is_refused(secret: Any) -> None:
    assert "during a rotation both secrets" in reason(secret=secret)


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_an_unsigned_callback_is_refused(name: str, value: str | None) -> None:
    assert reason(fields=headers(**{name: value})).startswith(f"unsigned: webhook-{name}: missing")
    assert reason(fields={}).startswith("unsigned: webhook-id, webhook-timestamp, webhook-signature: missing")


@pytest.mark.parametrize(("shift", "shown"), [(-301, "301 s old"), (301, "301 s in the future")])
def test_a_stale_callback_is_refused(shift: int, shown: str) -> None:
    at = str(NOW + shift)
    assert shown in reason(fields=headers(timestamp=at, signature=signature(BODY, at=at)))


@pytest.mark.parametrize("at", ["now", "nan", "1e9", "-1", f"{NOW}.5", "9" * 40, "\u0661"])
def test_a_time_that_is_not_a_number_is_refused(at: str) -> None:
    assert reason(fields=headers(timestamp=at)).startswith(
        "malformed: webhook-timestamp: must be Unix seconds"
    )


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "secret-in-plain-text", SECRET[6:], "whsec_*secret*", [], [""], [7]]
)
def test_an_invalid_secret_is_an_error_that_does_not_show_it(secret: Any) -> None:
    with pytest.raises(ConfigError, match=r"^secret: must ") as caught:
        parse_callback(BODY, headers(), secret=secret)
    assert not secret or "secret-in" not in str(caught.value)
    assert "*secret*" not in str(caught.value)
    assert SECRET[6:] not in str(caught.value)


def test_a_secret_needs_the_headers() -> None:
    with pytest.raises(ConfigError, match=r"^headers: must be given together with secret"):
        parse_callback(BODY, secret=SECRET)
