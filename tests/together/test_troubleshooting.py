"""The messages in the tables of docs/troubleshooting.md are those that the commands print."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from pathlib import Path

import pytest

from kling_client.cli import main as client
from kling_contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE
from kling_mock import Fake
from kling_mock.cli import main as mock
from kling_mock.doors.origins import refuse_host

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
# Messages of pytest, of the system and of a proxy, and those that tests of their own modules show.
ELSEWHERE = {
    "fixture 'kling' not found",
    "NameRefused",
    "Name or service not known",
    "the server does not use TLS",
    "(through the proxy ...)",
    "refused by auth.key",
    "not JSON; check the base URL",
}

# Those of this test.
PRINTED = {
    "no API key for CometAPI",
    "HTTP 401: invalid token",
    "HTTP 404, code 1203",
    "base URL: must be an absolute http(s) URL",
    "Connection refused; no server listens there",
    "cannot listen on",
    "port 8000 on 127.0.0.1 is in use",
    "Host ...: this server listens on loopback",
}


def test_the_messages_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command fails with the message of its row, and with the link to that row."""
    printed: list[str] = []
    monkeypatch.setattr("time.sleep", lambda _: None)  # between retries

    def run(*words: str, key: str = "sk-mock", base_url: str | None = None) -> None:
        monkeypatch.setenv(API_KEY_VARIABLE, key)
        monkeypatch.setenv(BASE_URL_VARIABLE, base_url or "")
        assert (mock if words[0] == "serve" else client)(words) != 0
        printed.append(capsys.readouterr().err)

    with Fake(keys=["sk-mock"]).intercept():
        run("get", "1", key="")
        run("get", "1", key="sk-other")
        run("get", "1", base_url="https://api-singapore.klingai.com/other")
    run("get", "1", base_url="127.0.0.1:8000")
    run("get", "1", base_url=f"http://127.0.0.1:{unused_port()}")
    run("serve", "--host", "192.0.2.1", "--port", "0")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run("serve", "--port", str(taken.getsockname()[1]))
    printed.append(refuse_host("host.test").body.decode())
    text = re.sub(r"\b\d{5}\b", "8000", "\0".join(printed)).replace("Host 'host.test'", "Host ...")
    found = re.findall(
        r'^\| (?:<a id="([\w-]+)"></a>)?`([^`]+)`', PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    rows = {message: anchor for anchor, message in found}
    assert rows.keys() >= ELSEWHERE | PRINTED
    for message in PRINTED:
        (shown,) = (each for each in text.split("\0") if message in each)
        assert not rows[message] or f"\nhelp: kling-mock help {rows[message]}\n" in shown


def unused_port() -> int:
    """A port on which nothing listens: the system does not give it again soon."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
