"""Servers with one state file that are killed under load, and what their file must have afterwards.

`python -m tests.kling_mock.killed_servers 200` (`make kills`) kills 200 and prints figures.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kling_mock.records import CallRecord, TaskState
from kling_mock.stores.state_file import read_items

if TYPE_CHECKING:
    from types import TracebackType

# Forks a server for each line of arguments, so that the modules are imported once.
NURSERY = """
import json, os, sys
from kling_mock import cli, console
from kling_mock.control_api import server
from kling_mock.doors import control, server, webhook_client, webhook_connection
from kling_mock.stores import sqlite
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.close(0)
        os._exit(cli.main(json.loads(line)))
    print(child, flush=True)
"""
CREATE = "/v1/images/multi-image2image"
HEADERS = {"authorization": "Bearer sk-mock", "content-type": "application/json"}
PATIENCE = 30.0
CLIENTS = 3


class _Receiver(BaseHTTPRequestHandler):
    """Receives callbacks and counts them."""

    protocol_version = "HTTP/1.1"
    received: ClassVar[Counter[tuple[str, str]]] = Counter()

    def do_POST(self) -> None:
        task = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.received[task["task_id"], task["task_status"]] += 1
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A killed server has closed its connection."""


@dataclass
class Acknowledged:
    """What clients know from replies: ids of tasks by external id, polls by task, ids of requests."""

    tasks: dict[str, str] = field(default_factory=dict[str, str])
    polls: Counter[str] = field(default_factory=Counter[str])
    requests: list[str] = field(default_factory=list[str])


class KilledServers:
    """A context manager: starts and kills servers with one state file."""

    def __init__(self, folder: str, seed: int) -> None:
        self.path = Path(folder) / "state.db"
        self.random = random.Random(seed)
        self.known = Acknowledged()
        self.kills = 0
        self.starts: list[float] = []
        self._ready = Path(folder) / "ready.json"
        self._lock = threading.Lock()
        self._numbers = 0

    def __enter__(self) -> Self:
        _Receiver.received = Counter()
        self._receiver = _Server(("127.0.0.1", 0), _Receiver)
        self._receiving = threading.Thread(target=self._receiver.serve_forever, args=(0.01,))
        self._receiving.start()
        self._nursery = subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._nursery.kill()
        self._nursery.communicate()
        self._receiver.shutdown()
        self._receiving.join()
        self._receiver.server_close()

    # -- servers

    def start(self) -> tuple[int, str]:
        """The process and the address of a new server."""
        self._ready.unlink(missing_ok=True)
        flags = ["--port", "0", "--quiet", "--pace", "seconds:0,0.1", "--state", str(self.path)]
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        began = time.monotonic()
        self._nursery.stdin.write(json.dumps(["serve", *flags, "--ready-file", str(self._ready)]) + "\n")
        self._nursery.stdin.flush()
        process = int(self._next_number())
        while not self._ready.exists():
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.005)
        self.starts.append(time.monotonic() - began)
        url: str = json.loads(self._ready.read_text(encoding="utf-8"))["url"]
        return process, url.removeprefix("http://")

    def _next_number(self) -> str:
        """The number that the nursery prints; its servers print other lines."""
        assert self._nursery.stdout is not None
        while not (line := self._nursery.stdout.readline().strip()).isdigit():
            assert self._nursery.poll() is None
        return line

    def kill(self, process: int) -> None:
        ended = os.pidfd_open(process)
        try:
            os.kill(process, signal.SIGKILL)
            # The file is free when the last thread has ended, which is later than the main thread.
            assert select.select([ended], [], [], PATIENCE)[0], "the process has not ended"
        finally:
            os.close(ended)

    # -- load

    def round(self, seconds: float) -> None:
        """One server under load for this time, killed, and its file compared with the replies."""
        process, address = self.start()
        before = len(self.known.requests)
        ends = threading.Event()
        clients = [threading.Thread(target=self._client, args=(address, ends)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(seconds * self.random.random())
        self.kill(process)
        self.kills += 1
        ends.set()
        for client in clients:
            client.join()
        self.compare(self.known.requests[before:])

    def _client(self, address: str, ends: threading.Event) -> None:
        """Create and poll tasks until the server is killed."""
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        try:
            while not ends.is_set():
                with self._lock:
                    self._numbers += 1
                    external = f"task-{self._numbers}"
                task_id: str = self._ask(connection, "POST", CREATE, _body(external, self._hook))["task_id"]
                with self._lock:
                    self.known.tasks[external] = task_id
                for _ in range(2):
                    self._ask(connection, "GET", f"{CREATE}/{task_id}")
                    with self._lock:
                        self.known.polls[task_id] += 1
        except (OSError, http.client.HTTPException):  # it was killed: the last request is not acknowledged
            pass
        finally:
            connection.close()

    @property
    def _hook(self) -> str:
        return f"http://127.0.0.1:{self._receiver.server_port}/"

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None
    ) -> Any:
        connection.request(method, path, body, HEADERS)
        answer = json.loads(connection.getresponse().read())
        assert answer["code"] == 0, answer
        with self._lock:
            self.known.requests.append(answer["request_id"])
        return answer["data"]

    # -- the file

    def compare(self, requests: list[str]) -> None:
        """Nothing that was acknowledged is lost or doubled; `requests` are those of the last server."""
        items = read_items(self.path)
        tasks = [item for item in items if isinstance(item, TaskState)]
        by_external = Counter(task.record.request.external_task_id for task in tasks)
        doubled = {name for name, count in by_external.items() if count > 1}
        assert not doubled, doubled
        ids = {task.record.request.external_task_id: task.record.id for task in tasks}
        lost = {name for name, task_id in self.known.tasks.items() if ids.get(name) != task_id}
        assert not lost, lost
        assert [task.record.number for task in tasks] == list(range(1, len(tasks) + 1))
        # A poll whose reply was not read may have been counted.
        for task in tasks:
            acknowledged = self.known.polls[task.record.id]
            assert acknowledged <= task.polls <= acknowledged + 1, task
        calls = Counter(item.id for item in items if isinstance(item, CallRecord))
        assert [each for each in requests if calls[each] != 1] == []
        repeated = [each for each, count in Counter(self.known.requests).items() if count > 1]
        assert repeated == []

    def wait_for_callbacks(self) -> None:
        """A last server delivers all callbacks that were due: the end of each task is received."""
        process, _ = self.start()
        deadline = time.monotonic() + PATIENCE
        expected = {(task_id, "succeed") for task_id in self.known.tasks.values()}
        while missing := expected - set(_Receiver.received):
            assert time.monotonic() < deadline, f"{len(missing)} callbacks were not delivered"
            time.sleep(0.01)
        self.kill(process)

    @property
    def callbacks(self) -> int:
        return sum(_Receiver.received.values())


def _body(external: str, hook: str) -> str:
    subjects = [{"subject_image": "https://example.com/a.png"}] * 2
    return json.dumps({"image_list": subjects, "subject_image_list": subjects, "prompt": "two at sea",
                       "external_task_id": external, "callback_url": hook})  # fmt: skip


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(kills: int) -> None:
    seed = int(os.environ.get("SEED", time.time()))
    _show(f"make kills SEED={seed} repeats the delays")
    with TemporaryDirectory() as folder, KilledServers(folder, seed) as servers:
        for number in range(kills):
            servers.round(0.6)
            if (number + 1) % 20 == 0:
                known = servers.known
                _show(f"{number + 1} kills: {len(known.tasks)} creates, {sum(known.polls.values())} polls")
        servers.wait_for_callbacks()
        known, starts = servers.known, servers.starts
        polls = sum(known.polls.values())
        _show(f"{servers.kills} kills: {len(known.tasks)} creates and {polls} polls acknowledged")
        _show("0 of them lost, 0 doubled")
        _show(f"{servers.callbacks} callbacks received, none missing")
        _show(f"start-up {statistics.median(starts):.2f} s (median), {max(starts):.2f} s (longest)")
        _show(f"state file {servers.path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]))
