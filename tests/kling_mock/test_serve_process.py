"""`kling-mock serve` as a process among others: its output, its ready file, its signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from kling_mock.doors.asgi import INLINE_BYTES

SERVE = (sys.executable, "-m", "kling_mock", "serve", "--port", "0")
CREATE = "/kling/v1/images/generations"
BODY = {"subject_image_list": [{"subject_image": "https://example.com/a.png"}] * 2}
KEY = {"authorization": "Bearer sk-mock"}
PATIENCE = 20


class Process:
    """A server in a process; `url` is from its ready file."""

    def __init__(self, folder: Path, *flags: str, stdout: int | IO[Any] | None = subprocess.PIPE) -> None:
        self.ready = folder / "ready.json"
        self.process = subprocess.Popen(
            [*SERVE, "--ready-file", str(self.ready), *flags],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            # It shows what matters where output is not a terminal.
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        deadline = time.monotonic() + PATIENCE
        while not self.ready.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.told = json.loads(self.ready.read_text(encoding="utf-8"))
        self.url: str = self.told["url"]
        self.client = httpx.Client(base_url=self.url, headers=KEY, trust_env=False, timeout=PATIENCE)

    def calls(self, count: int) -> None:
        for _ in range(count):
            assert self.client.post(CREATE, json=BODY).status_code == 200

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[float, str, str]:
        """Seconds until the end, standard output, standard error."""
        self.client.close()
        began = time.monotonic()
        self.process.send_signal(how)
        out, errors = "", ""
        # Read nothing before the end: output that is not read must not matter.
        assert self.process.wait(PATIENCE) == 0
        seconds = time.monotonic() - began
        if self.process.stdout is not None and not self.process.stdout.closed:
            out = self.process.stdout.read()
        assert self.process.stderr is not None
        errors = self.process.stderr.read()
        return seconds, out, errors

    def kill(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def running(folder: Path, *flags: str, **options: Any) -> Generator[Process]:
    process = Process(folder, *flags, **options)
    try:
        yield process
    finally:
        process.kill()


@pytest.fixture
def full() -> Iterator[IO[str]]:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w", encoding="utf-8") as device:
        yield device


def test_standard_output_that_is_never_read(tmp_path: Path) -> None:
    """More lines than a pipe holds: all are answered, and SIGTERM ends it."""
    with running(tmp_path) as server:
        server.calls(1200)
        seconds, out, errors = server.stop()
        assert seconds < 4  # twice the promise, on a busy machine
        assert "serves" in out
        assert re.fullmatch(r"(kling-mock: \d+ log lines dropped: standard output was not read\n)?", errors)
        assert not server.ready.exists()


def test_standard_output_whose_reader_has_gone(tmp_path: Path) -> None:
    """As `kling-mock serve | grep -m1 serves` leaves it."""
    with running(tmp_path) as server:
        assert server.process.stdout is not None
        assert "serves" in server.process.stdout.readline()
        server.process.stdout.close()
        server.calls(20)
        _, _, errors = server.stop()
        assert "log lines dropped" in errors
        assert "Traceback" not in errors


def test_a_full_standard_output(tmp_path: Path, full: IO[str]) -> None:
    with running(tmp_path, stdout=full) as server:
        server.calls(20)
        _, _, errors = server.stop(signal.SIGINT)
        assert "log lines dropped" in errors
        assert "Traceback" not in errors


def test_a_closed_standard_output(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = " ".join([*SERVE, "--ready-file", str(ready)])
    process = subprocess.Popen(["/bin/sh", "-c", f"exec {command} >&- 2>&-"])
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        url = json.loads(ready.read_text(encoding="utf-8"))["url"]
        with httpx.Client(base_url=url, headers=KEY, trust_env=False) as client:
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
    assert [out.count(key) for key in ("key-one", "key-two", "access-three", "secret-four")] == [1, 1, 1, 0]


def test_the_log_as_json(tmp_path: Path) -> None:
    """One object a line, whatever it is about."""
    with running(tmp_path, "--log", "json", "--strict-fields") as server:
        refused = server.client.post(CREATE, json=BODY | {"ratio": "1:1"})
        assert (refused.status_code, refused.json()["message"]) == (400, "unknown field 'ratio'")
        rule = refused.headers["x-kling-mock-rule"]
        assert rule.startswith("body.unknown_field; ")
        assert rule.endswith("relax=strict_fields")
        server.calls(1)
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


def test_the_ready_file_of_another_server_stays(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.ready.write_text('{"pid": 1}', encoding="utf-8")
        server.stop()
        assert server.ready.exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
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
    assert seconds < 4  # twice the promise, on a busy machine
    assert errors == ""
