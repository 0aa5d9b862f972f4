"""The key appears in no message, repr, pickle or log."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_client import Retry
from kling_client.credentials import PlainKey, SignedTokens
from tests.kling_client.conftest import KEY, TASK_ID, Service, picture, shown
from tests.kling_client.flow_run import Run, config
from tests.kling_client.leaks import ACCESS, SECRET, error_of, leaks

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


@pytest.mark.parametrize(
    "kind", [httpx.RemoteProtocolError, httpx.ConnectError, httpx.ReadTimeout, httpx.InvalidURL]
)
def test_the_cause_of_an_error_holds_no_key(service: Service, kind: Any) -> None:
    """Not in its message, its request, or its own causes: a traceback prints all of them."""
    line = f"illegal status line: bytearray(b'HTTP/1.1 {KEY} {KEY[:9]}') at https://u:pw@proxy/?token=abc"

    def fail(request: httpx.Request) -> httpx.Response:
        error = kind(line)
        if isinstance(error, httpx.RequestError):
            error.request = request
        error.__context__ = KeyError(line)
        raise error from ValueError(line)

    service.will(fail)
    kling = service.client(retry=Retry(attempts=1))
    for act in (lambda: kling.get(TASK_ID), lambda: kling.task(TASK_ID).wait(deadline=0)):
        error = error_of(act)
        assert error is not None
        text = "".join(traceback.format_exception(error))
        assert not leaks(text)
        assert not any(secret in text for secret in (KEY[:9], "u:pw", "token=abc"))
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, httpx.RequestError):
                assert "authorization" not in cause.request.headers
            assert not leaks(repr(vars(cause)))
            cause = cause.__cause__ or cause.__context__


def test_an_event_hook_that_raises_for_status_leaks_nothing(service: Service) -> None:
    """Its exception refers to the response, which refers to the request."""

    def raise_for_status(response: httpx.Response) -> None:
        response.raise_for_status()

    async def raise_for_status_later(response: httpx.Response) -> None:
        response.raise_for_status()

    hook = raise_for_status if service.kind == "sync" else raise_for_status_later
    service.will(httpx.Response(403, text=KEY))
    kling = service.client(http_client=service.http(event_hooks={"response": [hook]}))
    error = error_of(lambda: kling.get(TASK_ID))
    assert error is not None
    assert error.__cause__ is not None
    assert vars(error.__cause__).keys() == {"_request"}
    assert not leaks(str(error), str(error.__cause__))


@pytest.mark.parametrize(
    "url", ["https://h/?token=abc123", "ftp://u:pw-abc123@h", "https://u:pw-abc123@h/", "//h?key=abc123"]
)
def test_errors_about_arguments_hide_secrets_of_urls(service: Service, url: str) -> None:
    error = error_of(lambda: service.client(base_url=url))
    assert error is not None
    assert "abc123" not in str(error)
    error = error_of(lambda: service.client().generate(["https://h/a"] * 2, callback_url=f"ftp://{url}"))
    assert "abc123" not in str(error) + repr(error)


def test_credentials_and_their_holders_cannot_be_pickled_or_turned_into_data() -> None:
    for credentials in (PlainKey(KEY), SignedTokens(ACCESS, SECRET)):
        holder = config(Run(), credentials=credentials)
        assert not leaks(repr(credentials), str(credentials), repr(holder), f"{holder}")
        for act in (pickle.dumps, copy.deepcopy, copy.copy):
            with pytest.raises(TypeError, match="key"):
                act(credentials)
        with pytest.raises(TypeError):
            asdict(holder)
        with pytest.raises(TypeError):
            pickle.dumps(holder)


def test_a_short_key_does_not_change_addresses_and_ids(service: Service) -> None:
    """Counterexample: a local key that is part of a host name is removed from messages only."""
    url = "https://cdn.klingai.com/0.png"
    service.will(shown("succeed", urls=[url]))
    assert [image.url for image in service.client(api_key="klingai").get(TASK_ID).images] == [url]


def test_this_test_would_see_a_leak() -> None:
    """Counterexample."""
    assert leaks(f"Authorization: Bearer {KEY}")
    assert leaks(repr(httpx.Headers({"x": KEY})))
