"""A served fake that sends callbacks over HTTP, and receivers on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, NamedTuple

import httpx

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake
from kling_mock.callbacks.model import Callback
from kling_mock.doors.server import Server
from kling_mock.records import AttemptRecord

# A deadline in seconds, far longer than any wait of these tests: reaching it means that no event arrived.
LONG = 30
KEY = "sk-mock-secret-0123456789"


class ReceivedRequest(NamedTuple):
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.content)
        return body

    @property
    def status(self) -> str:
        return str(self.body["task_status"])


class Hook(ThreadingHTTPServer):
    """A receiver that keeps its requests.

    It answers from a list of statuses, or pairs of status and headers, then 200; while `gate` is cleared,
    not at all.
    """

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64  # with the usual 5, one of eight connections at once may wait for a second

    def __init__(self, *answers: int | tuple[int, dict[str, str]], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers = list(answers)
        self.received: Queue[ReceivedRequest] = Queue()
        self.gate = threading.Event()
        self.gate.set()
        self.hung_up = threading.Semaphore(0)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    def next(self) -> ReceivedRequest:
        return self.received.get(timeout=LONG)

    def statuses(self, count: int) -> list[str]:
        return [self.next().status for _ in range(count)]

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: tests close connections on purpose."""

    def stop(self) -> None:
        self.gate.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.put(ReceivedRequest(self.path, headers, content))
        if not self.server.gate.is_set() and not self.server.gate.wait(LONG):
            return
        answer = self.server.answers.pop(0) if self.server.answers else 200
        status, more = (answer, {}) if isinstance(answer, int) else answer
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_POST  # noqa: N815 -- the name that http.server calls

    def log_message(self, *_: object) -> None: ...


MakeHook = Callable[..., Hook]


class Scene:
    """A served fake on a clock that stands still, and a client of it. `reported` has each attempt."""

    def __init__(
        self, server: Server, fake: Fake, reported: Queue[tuple[Callback, AttemptRecord | None]]
    ) -> None:
        self.server = server
        self.fake = fake
        self.reported = reported
        self._client = httpx.Client(verify=False, trust_env=False, headers={"authorization": f"Bearer {KEY}"})

    def create(self, url: str | None, **fields: object) -> str:
        body = {"subject_image_list": [{"subject_image": "https://h.test/a.png"}] * 2, "callback_url": url}
        answer = self._client.post(f"{self.server.url}{COMETAPI.create_path}", json=body | fields)
        return str(answer.raise_for_status().json()["data"]["task_id"])

    def query(self, task_id: str) -> dict[str, Any]:
        answer = self._client.get(f"{self.server.url}{COMETAPI.create_path}/{task_id}")
        data: dict[str, Any] = answer.raise_for_status().json()["data"]
        return data

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()` is true; it is evaluated after each change."""
        self.fake._notifier.wait(holds, LONG)
        assert holds(), repr(self.fake.callbacks)

    def attempts(self, count: int, position: int = 0) -> tuple[AttemptRecord, ...]:
        """The attempts at one callback of the only task, once there are at least `count`."""
        self.until(lambda: len(self.fake.callbacks[position].attempts) >= count)
        return self.fake.callbacks[position].attempts

    def all_delivered(self, count: int) -> None:
        self.until(lambda: sum(each.delivered for each in self.fake.callbacks) >= count)
        assert len(self.fake.callbacks) == count

    def close(self) -> None:
        self._client.close()


Serve = Callable[..., Scene]
