"""The key appears in no message, repr, pickle or log."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_client import KlingError, Retry, http
from kling_client.cli import main
from kling_client.credentials import PlainKey, SignedTokens
from tests.kling_client.conftest import KEY, TASK_ID, Service, picture, shown
from tests.kling_client.flow_run import Run, config

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
    "location", ["https://u:pw@h/?key=abc123", "/login?token=abc123", f"https://h/{KEY}"]
)
def test_a_redirect_is_shown_without_its_secrets(service: Service, location: str) -> None:
    service.will(httpx.Response(302, headers={"location": location}))
    error = error_of(lambda: service.client().get(TASK_ID))
    assert error is not None
    assert not leaks(str(error))
    assert not any(secret in str(error) for secret in ("u:pw", "abc123"))


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


@pytest.mark.parametrize("arguments", [["get", TASK_ID], ["wait", TASK_ID, "--deadline", "0"]])
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        shown(f"paused {KEY} \x1b[2J\u202e"),
        shown("failed", task_status_msg=f"no {KEY} \x1b]0;x\x07\x9b"),
        shown("succeed", urls=[f"https://h/{KEY}\x1b[2J.png"], task_info={"external_task_id": f"\x9b{KEY}"}),
        shown("processing", task_id=f"\x1b[31m{KEY}"),
        httpx.Response(400, json={"code": 1201, "message": f"{KEY} \x1b[2J\u2066", "request_id": "\x1b[1m"}),
        httpx.Response(502, text=f"<html>{KEY}\x1b[2J"),
        httpx.Response(200, text=f"{KEY}\x1b[2J"),
    ],
)
def test_the_command_shows_no_key_and_no_control_character(
    arguments: list[str],
    as_json: bool,
    answer: httpx.Response,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    monkeypatch.setenv("KLING_BASE_URL", "https://h.test")
    monkeypatch.setattr(http, "open_client", lambda _: httpx.Client(transport=httpx.MockTransport(answered)))
    monkeypatch.setattr("time.sleep", lambda _: None)

    def answered(_: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, content=answer.content)

    main([*arguments, *(["--json"] if as_json else [])])
    out, err = capsys.readouterr()
    assert not leaks(out, err)
    assert all(line.isprintable() for line in (out + err).replace("\t", "").split("\n"))


@pytest.mark.parametrize("odd", ["\x1b[2J", "\u202ex", "\x9b1m", "\x7f"])
def test_arguments_are_echoed_without_control_characters(
    odd: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    monkeypatch.setenv("KLING_BASE_URL", "https://h.test")
    monkeypatch.chdir(tmp_path)
    url = "https://h/a.png"
    for arguments in (
        ["generate", url, url, "--prompt", odd, "--external-id", odd, "--dry-run"],
        ["generate", url, url, "--prompt", odd, "--dry-run", "--json"],
        ["generate", odd, url],
        ["generate", url, url, "--aspect-ratio", odd],
        ["get", "--" + odd],
        ["get", "1", "--base-url", odd],
        ["get", "1", "--timeout", odd],
        [odd],
    ):
        with contextlib.suppress(SystemExit):
            main(arguments)
        out, err = capsys.readouterr()
        assert out + err
        assert all(line.isprintable() for line in (out + err).replace("\t", "").split("\n")), arguments


def test_this_test_would_see_a_leak() -> None:
    """Counterexample."""
    assert leaks(f"Authorization: Bearer {KEY}")
    assert leaks(repr(httpx.Headers({"x": KEY})))
