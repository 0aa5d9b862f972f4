"""The key appears in no message, repr, pickle or log."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_client import KlingError
from tests.kling_client.conftest import KEY, TASK_ID, Service, picture, shown

ACCESS, SECRET = "ak-0123456789abcdef0123456789abcd", "sc-fedcba9876543210fedcba9876543"
SECRETS = (
    ACCESS,
    SECRET,
    KEY,
    base64.b64encode(KEY.encode()).decode(),
    base64.b64encode(f":{KEY}".encode()).decode(),
)
ECHO = f"no access for {KEY} (request id: {KEY})"

TROUBLE: list[Any] = [
    httpx.ConnectError(f"refused {KEY}"),
    httpx.ReadTimeout(f"late {KEY}"),
    httpx.Response(200, content=f"<html>{KEY}</html>"),
    httpx.Response(204, content=f"<html>{KEY}</html>"),
    httpx.Response(302, headers={"location": f"https://h/?key={KEY}"}),
    httpx.Response(400, json={"code": 1201, "message": ECHO, "request_id": KEY}),
    httpx.Response(401, json={"error": {"message": ECHO, "code": KEY}}),
    httpx.Response(401, json={"code": KEY, "message": ECHO, "data": None}),
    httpx.Response(403, content=KEY),
    httpx.Response(429, json={"code": 1303, "message": ECHO}),
    httpx.Response(500, json={"code": 5000, "message": ECHO}),
    httpx.Response(200, json={"code": 0, "message": KEY}),
    shown("failed", task_status_msg="Image pixel is invalid"),
    shown("processing"),
]


def leaks(*texts: str) -> bool:
    return any(secret in text for secret in SECRETS for text in texts)


def error_of(act: Callable[[], object]) -> KlingError | None:
    try:
        act()
    except KlingError as error:
        return error
    return None


@pytest.mark.parametrize("answer", TROUBLE)
def test_no_error_and_no_log_shows_the_key(
    service: Service, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Even if the server or the HTTP library includes it in its message."""
    caplog.set_level(logging.DEBUG)
    kling = service.client()
    service.will(answer)
    for act in (
        lambda: kling.get(TASK_ID),
        lambda: kling.generate(["https://h/a", "https://h/b"]),
        lambda: kling.task(TASK_ID).wait(deadline=3),
        lambda: list(kling.task(TASK_ID).updates(deadline=3)),
    ):
        error = error_of(act)
        assert not leaks(str(error), repr(error), repr(vars(error) if error else None))
        assert not leaks(pickle.dumps(error).decode("latin-1"))
        assert not leaks("".join(traceback.format_exception_only(error)))
    ours = [record for record in caplog.records if record.name.startswith("kling_client")]
    assert not leaks(*(record.getMessage() for record in ours), repr([vars(record) for record in ours]))


@pytest.mark.parametrize("answer", range(len(TROUBLE)))
def test_no_error_and_no_log_shows_access_key_secret_or_token(
    service: Service, answer: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The same for tokens: the service echoes the token, whole and in parts, and both keys."""
    caplog.set_level(logging.DEBUG)
    tokens: set[str] = set()

    def echo(request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        tokens.add(token)
        echoed = f"{token} {token.rpartition('.')[0]} {token.split('.')[1]} {ACCESS} {SECRET}"
        given = TROUBLE[answer]
        if isinstance(given, Exception):
            raise type(given)(echoed)
        headers = {name: value.replace(KEY, echoed) for name, value in given.headers.items()}
        headers.pop("content-length", None)
        content = given.content.replace(KEY.encode(), echoed.encode())
        return httpx.Response(given.status_code, headers=headers, content=content)

    kling = service.client(gateway="kling", api_key=None, access_key=ACCESS, secret_key=SECRET)
    service.will(echo)
    shown: list[str] = [repr(kling)]
    for act in (
        lambda: kling.get(TASK_ID),
        lambda: kling.generate(["https://h/a", "https://h/b"]),
        lambda: kling.task(TASK_ID).wait(deadline=3),
        lambda: list(kling.list()),
    ):
        error = error_of(act)
        shown += [str(error), repr(error), repr(vars(error) if error else None)]
        shown.append(pickle.dumps(error).decode("latin-1"))
    ours = [record for record in caplog.records if record.name.startswith("kling_client")]
    shown += [record.getMessage() for record in ours]
    assert tokens
    parts = {part for token in tokens for part in (token, token.split(".")[1])}
    assert not leaks(*shown)
    assert not any(part in text for part in parts for text in shown)


def test_no_client_task_or_file_shows_the_key(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kling = service.client()
    service.will(
        shown("submitted"), shown("succeed", urls=["https://h/0.png"]), httpx.Response(200, content=picture())
    )
    done = kling.generate(["https://h/a", "https://h/b"]).wait()
    (path,) = done.save(tmp_path)
    inner = done.inner if service.kind == "async" else done
    assert not leaks(repr(kling), str(kling), repr(inner), str(inner), pickle.dumps(inner).decode("latin-1"))
    assert not leaks(path.read_bytes().decode("latin-1"), path.name)
    assert not leaks(*(record.getMessage() for record in caplog.records)), "the HTTP library's own included"


def test_a_failed_download_does_not_show_the_key(service: Service, tmp_path: Path) -> None:
    """The key is not sent to that host, but the error of a proxy may contain it."""
    service.will(shown("succeed", urls=["https://h/0.png"]))
    task = service.client().get(TASK_ID)
    service.will(httpx.ConnectError(f"refused {KEY}"))
    error = error_of(lambda: task.save(tmp_path))
    assert error is not None
    assert not leaks(str(error), repr(vars(error)))


def test_the_id_is_logged_as_soon_as_there_is_one(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """The id is needed to find a paid task again."""
    caplog.set_level(logging.INFO, "kling_client")
    service.will(shown("submitted"))
    service.client().generate(["https://h/a", "https://h/b"], "a secret plan")
    messages = [record.getMessage() for record in caplog.records if record.name == "kling_client"]
    assert any(TASK_ID in message for message in messages)
    assert not any("a secret plan" in message for message in messages), "bodies are never logged"


def test_this_test_would_see_a_leak() -> None:
    """Counterexample."""
    assert leaks(f"Authorization: Bearer {KEY}")
    assert leaks(repr(httpx.Headers({"x": KEY})))
