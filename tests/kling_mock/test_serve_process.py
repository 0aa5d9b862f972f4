"""`kling-mock serve` as a process among others: its output, its ready file, its signals."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import IO, ClassVar, cast

import httpx
import pytest

from kling_mock.doors.asgi import INLINE_BYTES
from tests.kling_mock.serve_process import BODY, CREATE, KEY, PATIENCE, SERVE, running, wait_for_ready
from tests.rows import exhaustive, some_rows


def test_serve_answers_logs_and_stops(tmp_path: Path) -> None:
    """It prints its address, writes the ready file, answers, logs each request, and exits with status 0."""
    with running(tmp_path, "--pace", "polls:2", "--seed", "7") as server:
        assert server.ready["pid"] == server.process.pid
        assert server.ready["keys"] == ["sk-mock", "sk-mock-*"]
        assert server.call("GET", "/_mock/health")["status"] == "ok"
        task_id = server.call("POST", CREATE, BODY)["data"]["task_id"]
        states = [server.call("GET", f"{CREATE}/{task_id}")["data"]["task_status"] for _ in "ab"]
        assert states == ["processing", "succeed"]
        assert server.call("POST", CREATE, BODY, key="sk-mock-another")["code"] == 0
        assert "invalid token" in server.call("POST", CREATE, BODY, key="sk-real")["error"]["message"]
        _, out, errors = server.stop(signal.SIGINT)
    assert errors == ""
    assert server.url in out.splitlines()[0]
    assert f"KLING_BASE_URL={server.url} COMETAPI_KEY=sk-mock\n" in out
    assert "other keys sk-mock-*   (" in out
    assert f"POST {CREATE} 200  submitted  task {task_id}" in out
    assert f"POST {CREATE} 401  refused by auth.key: invalid token; send a key that is listed" in out
    assert "stopped: 2 tasks, 1 of them finished" in out
    assert "\x1b" not in out  # no colours, since the output is not a terminal


def test_serve_accepts_settings(tmp_path: Path) -> None:
    with running(tmp_path, "--quiet", "--keys", "one,two", "--public-url", "https://me") as server:
        assert server.ready["keys"] == ["one", "two"]
        assert server.call("POST", CREATE, BODY, key="two")["code"] == 0
        _, out, _ = server.stop(signal.SIGINT)
    assert "POST /kling/v1/images/generations 200" not in out


class _Receiver(BaseHTTPRequestHandler):
    statuses: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.statuses.pop(0))
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_serve_sends_callbacks_and_logs_a_line_for_each_attempt(tmp_path: Path) -> None:
    """With the result of each. Other hosts are not called; the line names the flag that allows it."""
    _Receiver.statuses[:] = [204, 500, 503, 200]
    with (
        running(tmp_path, "--pace", "instant", "--callback-retries", "0") as server,
        HTTPServer(("127.0.0.1", 0), _Receiver) as receiver,
    ):
        assert server.process.stdout is not None
        receiving = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        receiving.start()
        hook = f"http://127.0.0.1:{receiver.server_port}/hook"
        signed = f"{hook.replace('//', '//me:word@')}?token=word"
        task = server.call("POST", CREATE, BODY | {"callback_url": signed})["data"]["task_id"]
        lines: list[str] = []
        while len(lines) < 4:
            line = server.process.stdout.readline()
            lines += [line[9:].rstrip()] if "  -> " in line else []
        receiver.shutdown()
        receiving.join()
        assert lines == [
            f"  -> POST {hook} 204  submitted  task {task}",
            f"  -> POST {hook} 500  processing  task {task}  retry in 0 s",
            f"  -> POST {hook} 503  processing  task {task}  given up",
            f"  -> POST {hook} 200  succeed  task {task}",
        ]
        other = server.call("POST", CREATE, BODY | {"callback_url": "https://my.example/hook?token=word"})
        while "my.example" not in (line := server.process.stdout.readline()):
            pass
        assert line[9:].startswith(
            "  -> POST https://my.example/hook not sent  its host is not this machine's own"
        )
        assert line.endswith(f"--callbacks any sends to it  task {other['data']['task_id']}\n")
        _, out, errors = server.stop(signal.SIGINT)
    assert errors == ""
    assert "word" not in "".join(lines) + line + out


@pytest.fixture
def full() -> Iterator[IO[str]]:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w", encoding="utf-8") as device:
        yield device


def test_standard_output_that_is_never_read(tmp_path: Path) -> None:
    """More lines than a pipe holds: all are answered, and SIGTERM ends it."""
    with running(tmp_path) as server:
        small = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux; a pipe of a page holds 60 lines
        if small is not None:
            fcntl.fcntl(cast("IO[str]", server.process.stdout), small, 4096)
        server.create(1200 if small is None else 200)
        seconds, out, errors = server.stop()
        assert seconds < 20  # ten times the promise, on a busy machine
        assert "serves" in out
        assert re.fullmatch(r"(kling-mock: \d+ log lines dropped: standard output was not read\n)?", errors)
        assert not server.ready_file.exists()


def test_standard_output_whose_reader_has_gone(tmp_path: Path) -> None:
    """As `kling-mock serve | grep -m1 serves` leaves it."""
    with running(tmp_path) as server:
        assert server.process.stdout is not None
        assert "serves" in server.process.stdout.readline()
        server.process.stdout.close()
        server.create(20)
        _, _, errors = server.stop()
        assert "log lines dropped" in errors
        assert "Traceback" not in errors


@exhaustive
def test_a_full_standard_output(tmp_path: Path, full: IO[str]) -> None:
    with running(tmp_path, stdout=full) as server:
        server.create(20)
        _, _, errors = server.stop(signal.SIGINT)
        assert "log lines dropped" in errors
        assert "Traceback" not in errors


def test_a_closed_standard_output(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = " ".join([*SERVE, "--ready-file", str(ready)])
    process = subprocess.Popen(["/bin/sh", "-c", f"exec {command} >&- 2>&-"])
    try:
        url = wait_for_ready(process, ready)["url"]
        with httpx.Client(base_url=url, headers=KEY, verify=False, trust_env=False) as client:
            assert [client.post(CREATE, json=BODY).status_code for _ in range(5)] == [200] * 5
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def test_log_lines(tmp_path: Path) -> None:
    """The time of day, the message beside the rule, ignored fields, refused pages and hosts."""
    with running(tmp_path, "--keys", "key-one,key-two,access-three:secret-four") as server:
        key = {"authorization": "Bearer key-one"}
        for body in (BODY | {"ratio": "1:1"}, {}):
            server.client.post(CREATE, json=body, headers=key)
        preflight = {"origin": "https://app.example", "access-control-request-method": "POST"}
        assert server.client.options(CREATE, headers=preflight).status_code == 403
        assert server.client.get(CREATE, headers={"host": "app.example"}).status_code == 403
        _, out, errors = server.stop()
    assert errors == ""
    lines = [line[9:] for line in out.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert lines[0].startswith(f"POST {CREATE} 200  submitted  task ")
    assert lines[0].endswith("  (unknown field ignored: 'ratio')")
    refused = "refused by subject_image_list.required: subject_image_list cannot be empty"
    assert lines[1] == f"POST {CREATE} 400  {refused}"
    assert "--cors https://app.example allows it" in lines[2]
    assert "--public-url URL serves other hosts" in lines[3]
    assert "keys       k..., k..., acc...:...   (each key is a separate account)\n" in out
    assert not [key for key in ("key-one", "key-two", "access-three", "secret-four") if key in out]


def test_the_log_as_json(tmp_path: Path) -> None:
    """One object a line for every event."""
    with running(tmp_path, "--log", "json", "--strict-fields") as server:
        refused = server.client.post(CREATE, json=BODY | {"ratio": "1:1"})
        assert (refused.status_code, refused.json()["message"]) == (400, "unknown field 'ratio'")
        rule = refused.headers["x-kling-mock-rule"]
        assert rule.startswith("body.unknown_field; ")
        assert rule.endswith("relax=strict_fields")
        server.create(1)
        server.client.get(CREATE, headers={"host": "app.example"})
        _, out, errors = server.stop()
    events = [json.loads(line) for line in out.splitlines()]
    assert errors == ""
    assert [each["event"] for each in events] == ["serving", "call", "call", "note", "stopped"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["time"]) for each in events)
    assert events[0]["url"] == server.url
    assert events[1] | {"time": ""} == {
        "time": "",
        "event": "call",
        "method": "POST",
        "path": CREATE,
        "status": 400,
        "account": "sk-mock",
        "rule": "body.unknown_field",
        "message": "unknown field 'ratio'",
        "notes": ["unknown field ignored: 'ratio'"],
    }
    assert events[2]["task_status"] == "submitted"


def test_the_ready_file(tmp_path: Path) -> None:
    """An old one is removed; the new one is whole, comes after the greeting and goes with the server."""
    ready = tmp_path / "ready.json"
    ready.write_text("old", encoding="utf-8")
    process = subprocess.Popen(
        [*SERVE, "--ready-file", str(ready)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        seen = ""
        deadline = time.monotonic() + PATIENCE
        while not seen.startswith("{"):
            with suppress(FileNotFoundError):
                seen = ready.read_text(encoding="utf-8")
            assert seen in ("old", "") or seen.endswith("}\n")
            assert time.monotonic() < deadline
        assert json.loads(seen)["pid"] == process.pid
        assert [each.name for each in tmp_path.iterdir()] == ["ready.json"]
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        greeting = os.read(process.stdout.fileno(), 65_536).decode()
        assert json.loads(seen)["url"] in greeting
        assert "Ctrl-C" in greeting
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert list(tmp_path.iterdir()) == []


@exhaustive
def test_the_ready_file_of_another_server_stays(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.ready_file.write_text('{"pid": 1}', encoding="utf-8")
        server.stop()
        assert server.ready_file.exists()


@some_rows("how", [signal.SIGTERM, signal.SIGINT], usual=[signal.SIGTERM])
def test_a_signal_ends_it_whatever_is_in_flight(tmp_path: Path, how: signal.Signals) -> None:
    """An upload, a large create, idle and half-sent connections: within two seconds, without a traceback."""
    with running(tmp_path) as server:
        host, port = httpx.URL(server.url).host, httpx.URL(server.url).port
        head = f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-mock\r\n"
        parts = [
            head.encode() + b"Content-Length: 100000\r\n\r\n{",
            head.encode()
            + b"Content-Length: %d\r\n\r\n%b" % (8 * INLINE_BYTES, b"[" + b"0," * 4 * INLINE_BYTES),
            head.encode(),
            b"",
        ]
        connections = [socket.create_connection((host, port or 0)) for _ in parts]
        for connection, part in zip(connections, parts, strict=True):
            connection.sendall(part)
        seconds, _, errors = server.stop(how)
        for connection in connections:
            connection.close()
    assert seconds < 20  # ten times the promise, on a busy machine
    assert errors == ""
