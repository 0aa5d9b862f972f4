"""The fake of tests with hostile input, its bodies, and the check of its errors."""

from __future__ import annotations

import httpx

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock

CREATE = COMETAPI.create_path


def in_good(**members: str) -> bytes:
    """A body that is right but for members that are given as the JSON they are spelled in."""
    subjects = '[{"subject_image": "https://h/a.png"}, {"subject_image": "https://h/b.png"}]'
    spelled = {"subject_image_list": subjects, **members}
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in spelled.items()) + "}").encode()


def a_fake() -> Fake:
    return Fake(seed=3, clock=ManualClock(), keys=["sk-door"])


def assert_own_error(response: httpx.Response) -> None:
    """One of the three shapes that the service's errors have, and the header that says which rule it was."""
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-kling-mock-rule"]
    body = response.json()
    kling = body.keys() == {"code", "message", "request_id"} and isinstance(body["code"], int)
    task = body.keys() == {"code", "message", "data"} and isinstance(body["code"], str)
    comet = body.keys() == {"error"} and body["error"].keys() == {"message", "type", "param", "code"}
    assert kling or task or comet, body
