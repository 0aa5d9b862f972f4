"""A key that a response echoes, in any form, appears in no task, error or log."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from kling_client import KlingError, Retry
from tests.kling_client.conftest import KEY, TASK_ID, Service, shown
from tests.kling_client.leaks import error_of, leaks

FORMS = {
    "percent": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "base64": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "hexadecimal": KEY.encode().hex(),
    "first characters": KEY[:9],
    "last characters": KEY[-9:],
    "middle": KEY[4:-3],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_encoded_keys_and_parts_are_removed_from_messages(service: Service, form: str, status: int) -> None:
    text = FORMS[form]
    kling = service.client(retry=Retry(attempts=1))
    for body in (
        {"code": 1201, "message": f"no {text}!", "request_id": text},
        {"error": {"code": text, "message": f"no {text}!"}},
        {"code": text, "message": text, "data": None},
        {"message": "M", "data": {"data": {"code": 1201, "message": text, "request_id": text}}},
        {"code": 0, "data": {"task_id": TASK_ID, "task_status": None, "request_id": text}},
        {"code": 0, "request_id": text, "data": {"note": text}},
        text,
    ):
        service.will(httpx.Response(status, json=body))
        error = error_of(lambda: kling.get(TASK_ID))
        assert error is not None
        assert text[1:-1] not in str(error) + repr(vars(error)) + pickle.dumps(error).decode("latin-1")


@pytest.mark.parametrize(
    "fields",
    [
        {"task_status": f"paused {KEY}"},
        {"task_id": f"x{KEY}"},
        {"task_status": "failed", "task_status_msg": f"no {KEY}, {KEY[:10]}"},
        {"task_info": {"external_task_id": KEY}},
        {"task_result": {"images": [{"index": 0, "url": f"https://h/{KEY}.png"}]}, KEY: KEY},
    ],
)
def test_a_task_that_echoes_the_key_does_not_show_it(
    service: Service, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Status word, ids, reason, results, unknown fields: in the task, its errors and the log."""
    caplog.set_level(logging.DEBUG)
    kling = service.client()
    service.will(shown("submitted", **fields))
    task = kling.generate(["https://h/a", "https://h/b"])
    inner = task.inner if service.kind == "async" else task
    error = error_of(lambda: kling.task(TASK_ID).wait(deadline=3))
    texts = [repr(inner), str(inner), repr(vars(inner)), pickle.dumps(inner).decode("latin-1")]
    texts += [str(error), repr(vars(error)) if error else "", pickle.dumps(error).decode("latin-1")]
    assert not leaks(*texts, *(record.getMessage() for record in caplog.records))
    assert KEY[:10] not in str(inner.failure)


# As PHP encodes a slash, as any letter may be, and in an encoding that JSON no longer has.
WRITTEN: dict[str, Callable[[str], bytes]] = {
    "slash": lambda text: text.replace("/", "\\/").encode(),
    "letters": lambda text: text.replace("q7", "\\u0071\\u0037").encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize(
    "field", ["code", "data.task_id", "data.created_at", "data.task_info.external_task_id"]
)
def test_a_key_that_is_echoed_with_escapes_is_not_shown(
    service: Service, write: Callable[[str], bytes], field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the task, the log, and errors with their causes; the key has characters that JSON must escape."""
    caplog.set_level(logging.DEBUG)
    key = 'sk-q7/"x\\0123456789abcdef'
    body = shown("processing", task_info={}).json()
    place: Any = body
    *outer, name = field.split(".")
    for each in outer:
        place = place[each]
    place[name] = f"got {key}"
    service.will(httpx.Response(200, content=write(json.dumps(body))))
    kling = service.client(api_key=key, retry=Retry(attempts=1))
    found: list[str] = []
    try:
        task = kling.get(TASK_ID)
        inner = task.inner if service.kind == "async" else task
        found += [repr(inner), repr(vars(inner))]
    except KlingError as error:
        found += [*traceback.format_exception(error), repr(vars(error))]
    found += [record.getMessage() for record in caplog.records]
    assert not any("0123456789abcdef" in re.sub(r"[\0 ]", "", text) for text in found), found


@pytest.mark.parametrize(
    "location", ["https://u:pw@h/?key=abc123", "/login?token=abc123", f"https://h/{KEY}"]
)
def test_a_redirect_is_shown_without_its_secrets(service: Service, location: str) -> None:
    service.will(httpx.Response(302, headers={"location": location}))
    error = error_of(lambda: service.client().get(TASK_ID))
    assert error is not None
    assert not leaks(str(error))
    assert not any(secret in str(error) for secret in ("u:pw", "abc123"))
