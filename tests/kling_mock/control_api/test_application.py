"""The control API behind the ASGI application: paths, bodies, peers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from kling_mock import Fake
from kling_mock.console import Console
from kling_mock.doors.origins import REACHABLE

HOST = (b"host", b"127.0.0.1:8000")


def call(
    fake: Fake, path: str, method: str = "GET", body: bytes = b"", *, on_trio: bool = False, **parts: Any
) -> tuple[int, Any]:
    """Status and body of the reply of the application."""
    sent: list[Any] = []
    app = fake.asgi()
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [HOST],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    } | parts

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await app(scope, receive, send)

    trio.run(run) if on_trio else asyncio.run(run())
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("on_trio", [False, True])
def test_the_api_answers_on_both_event_loops(on_trio: bool) -> None:
    status, body = call(Fake(), "/_mock/clock", on_trio=on_trio)
    assert (status, json.loads(body)["speed"]) == (200, 1)
    assert call(Fake(), "/_mock/clock", "HEAD", on_trio=on_trio) == (200, b"")


def test_it_works_below_a_prefix() -> None:
    assert call(Fake(), "/api/_mock/clock", root_path="/api")[0] == 200


def test_only_loopback_peers_with_a_loopback_host_are_served() -> None:
    assert call(Fake(), "/_mock/clock", client=("10.0.0.1", 1))[0] == 403
    assert call(Fake(), "/_mock/clock", client=None)[0] == 403
    assert call(Fake(), "/_mock/clock", client=("::1", 1))[0] == 200
    assert call(Fake(), "/_mock/clock", headers=[(b"host", b"evil.example")])[0] == 403
    assert call(Fake(), "/_mock/clock", headers=[])[0] == 403
    assert call(Fake(), "/_mock/clock", extensions={REACHABLE: {}})[0] == 403
    assert call(Fake(), "/_mock/health", client=("10.0.0.1", 1), extensions={REACHABLE: {}})[0] == 200


def test_a_body_above_the_cap_is_refused_unread() -> None:
    status, body = call(Fake(), "/_mock/clock", "POST", b" " * 1_100_000)
    assert (status, json.loads(body)["error"]["pointer"]) == (413, "")
    declared = [HOST, (b"content-length", b"900000000000")]
    assert call(Fake(), "/_mock/clock", "POST", headers=declared)[0] == 413


def test_calls_of_the_api_are_in_no_journal() -> None:
    fake = Fake()
    call(fake, "/_mock/clock")
    assert len(fake.calls) == 0


def test_a_server_on_other_addresses_has_no_api_without_a_token() -> None:
    token = {"x-kling-mock-token": "let-me-in"}
    with httpx.Client(trust_env=False) as http:
        with Fake(control_token="let-me-in").serve("0.0.0.0") as server:
            assert http.get(f"{server.url}/_mock/clock").status_code == 401
            assert http.get(f"{server.url}/_mock/clock", headers=token).status_code == 200
        with Fake().serve() as server:
            assert http.get(f"{server.url}/_mock/clock").status_code == 200


def test_the_log_names_what_the_server_was_started_with(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    fake = Fake(clock_mode="skip")
    fake.when(prompt="*cat*").fails("no cats").optional()
    Console(fake, quiet=False).show_start("http://127.0.0.1:8000", scenario=Path("dev.toml"))
    lines = capsys.readouterr().out.splitlines()
    assert "  dashboard  http://127.0.0.1:8000/_mock/" in lines
    assert "  scenario   dev.toml   (1 script)" in lines
    assert "  clock      skip   (a query of an unfinished task moves it to the next change)" in lines


def test_the_log_has_colours_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty NO_COLOR is like none."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    for terminal, value, coloured in ((True, "", True), (True, "1", False), (False, "", False)):
        monkeypatch.setattr(sys.stdout, "isatty", partial(bool, terminal))
        monkeypatch.setenv("NO_COLOR", value)
        Console(Fake(), quiet=True).show_start("http://127.0.0.1:8000")
        assert ("\x1b[" in capsys.readouterr().out) is coloured


@pytest.mark.parametrize(("exposed", "token"), [(True, None), (False, None), (True, "let-me-in")])
def test_the_log_reports_that_the_api_is_off(
    exposed: bool, token: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    console = Console(Fake(control_token=token), quiet=True)
    console.show_start("http://127.0.0.1:8000", exposed=exposed)
    printed = capsys.readouterr().out
    assert ("the control API is off" in printed) == (exposed and token is None)
    assert ("dashboard" in printed) != (exposed and token is None)
