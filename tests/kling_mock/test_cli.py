"""The commands as a user runs them: in separate processes, with valid and invalid arguments."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from kling_mock import __version__
from kling_mock.cli import main

SERVE = (sys.executable, "-u", "-m", "kling_mock", "serve", "--port", "0")


class Served:
    """A `kling-mock serve` in a separate process, once it has printed its address."""

    def __init__(self, ready: Path, *flags: str) -> None:
        self.process = subprocess.Popen(
            [*SERVE, "--ready-file", str(ready), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"COLUMNS": "120"},
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.ready = json.loads(ready.read_text(encoding="utf-8"))

    def call(self, method: str, path: str, body: object = None, key: str = "sk-mock") -> Any:
        request = urllib.request.Request(
            self.ready["url"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)

    def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[str, str]:
        self.process.send_signal(how)
        return self.process.communicate(timeout=20)


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    server = Served(tmp_path / "ready.json", *getattr(request, "param", ()))
    yield server
    if server.process.poll() is None:
        server.stop(signal.SIGKILL)


BODY = {"subject_image_list": [{"subject_image": "https://example.com/a.png"}] * 2}
CREATE = "/kling/v1/images/generations"


@pytest.mark.parametrize("served", [("--pace", "polls:2", "--seed", "7")], indirect=True)
def test_serve_answers_logs_and_stops(served: Served) -> None:
    """It prints its address, writes the ready file, answers, logs each request, and exits with status 0."""
    assert served.ready["pid"] == served.process.pid
    assert served.ready["keys"] == ["sk-mock", "sk-mock-*"]
    assert served.ready["url"] in served.greeting
    assert served.call("GET", "/_mock/health")["status"] == "ok"
    task_id = served.call("POST", CREATE, BODY)["data"]["task_id"]
    states = [served.call("GET", f"{CREATE}/{task_id}", key="sk-mock")["data"]["task_status"] for _ in "ab"]
    assert states == ["processing", "succeed"]
    assert served.call("POST", CREATE, BODY, key="sk-mock-another")["code"] == 0
    assert "invalid token" in served.call("POST", CREATE, BODY, key="sk-real")["error"]["message"]
    out, errors = served.stop()
    assert served.process.returncode == 0
    assert errors == ""
    assert f"POST {CREATE} 200  submitted  task {task_id}" in out
    assert f"POST {CREATE} 401  refused by auth.key: invalid token" in out
    assert "stopped: 2 tasks, 1 of them finished" in out
    assert "\x1b" not in served.greeting + out  # no colours, since the output is not a terminal


@pytest.mark.parametrize(
    "served", [("--quiet", "--keys", "one,two", "--public-url", "https://me")], indirect=True
)
def test_serve_accepts_settings(served: Served) -> None:
    assert served.ready["keys"] == ["one", "two"]
    assert served.call("POST", CREATE, BODY, key="two")["code"] == 0
    out, _ = served.stop()
    assert "POST /kling/v1/images/generations 200" not in out


class _Receiver(BaseHTTPRequestHandler):
    statuses: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.statuses.pop(0))
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    "served", [("--pace", "instant", "--callback-retries", "0")], indirect=True, ids=["callbacks"]
)
def test_serve_sends_callbacks_and_shows_a_line_for_each_attempt(served: Served) -> None:
    """With the result of each; other hosts are not called, and the line names the flag that allows it."""
    assert served.process.stdout is not None
    _Receiver.statuses[:] = [204, 500, 200, 503]
    with HTTPServer(("127.0.0.1", 0), _Receiver) as receiver:
        receiving = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        receiving.start()
        hook = f"http://127.0.0.1:{receiver.server_port}/hook"
        signed = f"{hook.replace('//', '//me:word@')}?token=word"
        task = served.call("POST", CREATE, BODY | {"callback_url": signed})["data"]["task_id"]
        lines: list[str] = []
        while len(lines) < 4:
            line = served.process.stdout.readline()
            lines += [line[9:].rstrip()] if "  -> " in line else []
        receiver.shutdown()
        receiving.join()
    assert lines == [
        f"  -> POST {hook} 204  submitted  task {task}",
        f"  -> POST {hook} 500  processing  task {task}  retry in 0 s",
        f"  -> POST {hook} 200  succeed  task {task}",
        f"  -> POST {hook} 503  processing  task {task}  given up",
    ]
    other = served.call("POST", CREATE, BODY | {"callback_url": "https://my.example/hook?token=word"})
    while "my.example" not in (line := served.process.stdout.readline()):
        pass
    assert line[9:].startswith(
        "  -> POST https://my.example/hook not sent  its host is not this machine's own"
    )
    assert line.endswith(f"--callbacks any sends to it  task {other['data']['task_id']}\n")
    out, errors = served.stop()
    assert (served.process.returncode, errors) == (0, "")
    assert "word" not in "".join(lines) + line + out


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        status = main(words)
    except SystemExit as exit_:
        status = int(str(exit_.code))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, error = run(capsys, "serve", "--port", str(port))
    assert status == 1
    assert f"port {port} on 127.0.0.1 is in use" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serve", "--pace", "fast"), "--pace 'fast': unknown format; use instant, polls:N, seconds:A,B"),
        (("serve", "--pace", "polls:0"), "--pace 'polls:0': polls must be an integer of at least 1, not 0"),
        (("serve", "--seed", "x"), "--seed must be an integer, not 'x'"),
        (("serve", "--ignore", "prompt.length"), "--ignore: unknown rule 'prompt.length'; did you mean"),
        (("serve", "--validation-errors", "json"), "--validation-errors must be kling, task or comet, not"),
        (("serve", "--slots", "-1"), "--slots must be 0 or more, or none for no limit; got -1"),
        (("serve", "--callbacks", "all"), "--callbacks must be off, loopback or any, not 'all'"),
        (("serve", "--callback-retries", "soon"), "--callback-retries must be a list of numbers (seconds)"),
        (("serve", "--ready-file", "/absent/file"), "--ready-file: folder /absent does not exist"),
        (("serve", "--port", "x"), "invalid int value"),
        (("serve", "--nope"), "unrecognized arguments"),
        (("demo", "--speed", "0"), "positive"),
        (("walk",), "invalid choice"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    """Invalid arguments exit with status 2 and a message that names the argument and the valid values."""
    status, _, error = run(capsys, *words)
    assert status == 2
    assert message in error


def test_the_help_groups_the_flags_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "serve", "--help")
    assert status == 0
    for text in (
        "accounts and limits:",
        "callbacks:",
        "--slots N",
        "--callbacks off|loopback|any",
        "examples:",
    ):
        assert text in out
    assert run(capsys, "--version") == (0, f"kling-mock {__version__}\n", "")


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert status == 2
    assert "serve" in out


def test_a_port_out_of_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(capsys, "serve", "--port", "70000")[2] == "kling-mock: port: must be from 0 to 65535, not 70000\n"
    )


def test_the_demo_saves_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """From two picture files to a PNG of the requested ratio; every status is printed."""
    status, out, _ = run(capsys, "demo", "--speed", "500", "--out", str(tmp_path))
    assert status == 0
    assert "cat.png, boat.png" in out
    assert out.index("submitted") < out.index("succeed") < out.index("saved")
    (saved,) = tmp_path.iterdir()
    assert saved.name in out
    with Image.open(saved) as picture:
        assert picture.size == (1248, 832)


def test_the_demo_with_given_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, side in (("good.png", 300), ("small.png", 200)):
        Image.new("RGB", (side, side)).save(tmp_path / name)
    good, small, none = (str(tmp_path / name) for name in ("good.png", "small.png", "none.png"))
    out = str(tmp_path / "out")
    assert run(capsys, "demo", good, good, "--speed", "500", "--out", out)[0] == 0
    status, shown, _ = run(capsys, "demo", good, small, "--speed", "500", "--out", out)
    assert status == 2
    assert "at least 300 px on each side; it is 200 x 200" in shown
    status, _, error = run(capsys, "demo", good, none, "--out", out)
    assert status == 1
    assert error == f"kling-mock: {none}: No such file or directory\n"
