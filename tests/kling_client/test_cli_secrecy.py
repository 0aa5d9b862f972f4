"""The command `kling-client` prints no key and no control character."""

from __future__ import annotations

import contextlib
from pathlib import Path

import httpx
import pytest

from kling_client import http
from kling_client.cli import main
from tests.kling_client.conftest import KEY, TASK_ID, shown
from tests.kling_client.leaks import leaks


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
