"""`kling-mock serve` in a separate process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

SERVE = (sys.executable, "-m", "kling_mock", "serve", "--port", "0")
CREATE = "/kling/v1/images/generations"
BODY = {"subject_image_list": [{"subject_image": "https://example.com/a.png"}] * 2}
KEY = {"authorization": "Bearer sk-mock"}
# Seconds. A start takes a third of one on an idle machine.
PATIENCE = 60


def wait_for_ready(process: subprocess.Popen[Any], ready_file: Path) -> dict[str, Any]:
    """Wait for the ready file of a process, and return its content."""
    deadline = time.monotonic() + PATIENCE
    while not ready_file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    content: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
    return content


class ServeProcess:
    """A server in a process, once it has written its ready file; `ready` is the content of that file."""

    def __init__(self, folder: Path, *flags: str, stdout: int | IO[Any] | None = subprocess.PIPE) -> None:
        self.ready_file = folder / "ready.json"
        self.process = subprocess.Popen(
            [*SERVE, "--ready-file", str(self.ready_file), *flags],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            # With it, standard output would be flushed without our code.
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        try:
            self.ready = wait_for_ready(self.process, self.ready_file)
        except BaseException:
            self._end()
            raise
        self.url: str = self.ready["url"]
        self.client = self.client_of()

    def client_of(self) -> httpx.Client:
        """A client of the server, with connections of its own."""
        return httpx.Client(base_url=self.url, headers=KEY, verify=False, trust_env=False, timeout=PATIENCE)

    def call(self, method: str, path: str, body: object = None, key: str = "sk-mock") -> Any:
        """The body of the response, as JSON."""
        headers = {"authorization": f"Bearer {key}"}
        return self.client.request(method, path, json=body, headers=headers).json()

    def create(self, count: int) -> None:
        for _ in range(count):
            assert self.client.post(CREATE, json=BODY).status_code == 200

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[float, str, str]:
        """Seconds until the end, standard output, standard error."""
        self.client.close()
        began = time.monotonic()
        self.process.send_signal(how)
        out, errors = "", ""
        # Nothing is read before the end: unread output must have no effect.
        assert self.process.wait(PATIENCE) == 0
        seconds = time.monotonic() - began
        if self.process.stdout is not None and not self.process.stdout.closed:
            out = self.process.stdout.read()
        assert self.process.stderr is not None
        errors = self.process.stderr.read()
        return seconds, out, errors

    def kill(self) -> None:
        self.client.close()
        self._end()

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def running(folder: Path, *flags: str, **options: Any) -> Generator[ServeProcess]:
    process = ServeProcess(folder, *flags, **options)
    try:
        yield process
    finally:
        process.kill()
