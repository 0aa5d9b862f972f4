"""The fake of tests with hostile input, its bodies, and the check of its errors."""

from __future__ import annotations

import httpx

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock

CREATE = COMETAPI.create_path


def in_good(**members: str) -> bytes:
    """A valid body, with members added or replaced; each value is JSON text."""
    subjects = '[{"subject_image": "https://h/a.png"}, {"subject_image": "https://h/b.png"}]'
    members = {"subject_image_list": subjects, **members}
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}").encode()


def a_fake() -> Fake:
    return Fake(seed=3, clock=ManualClock(), keys=["sk-door"])


def assert_own_error(response: httpx.Response) -> None:
    """Check for one of the three shapes of the service's errors, and for the header that names the rule."""
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-kling-mock-rule"]
    body = response.json()
    kling = body.keys() == {"code", "message", "request_id"} and isinstance(body["code"], int)
    task = body.keys() == {"code", "message", "data"} and isinstance(body["code"], str)
    comet = body.keys() == {"error"} and body["error"].keys() == {"message", "type", "param", "code"}
    assert kling or task or comet, body
