"""Two servers with one state in Redis: requests, events, callbacks, an outage, and a process that ends."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from kling_mock import Fake, Remote
from kling_mock.control_api import feed
from kling_mock.stores.redis import follower, store
from kling_mock.stores.redis.store import RedisStore
from tests.kling_mock.conftest import Caller
from tests.kling_mock.stores.redis_server import RedisServer, redis_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = "/kling/v1/images/generations"
SUBJECTS = [{"subject_image": f"https://pictures.test/{name}.png"} for name in ("a", "b")]
KEY = {"authorization": "Bearer sk-mock-a"}
PATIENCE = 10.0


@pytest.fixture(autouse=True)
def _short_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "PERIOD", 0.05)


class Served:
    """A fake and its server."""

    def __init__(self, fake: Fake, url: str) -> None:
        self.fake = fake
        self.url = url
        self._client = httpx.Client(base_url=url, headers=KEY, trust_env=False, timeout=PATIENCE)

    def create(self, **fields: object) -> httpx.Response:
        return self._client.post(PATH, json={"subject_image_list": SUBJECTS, **fields})

    def get(self, path: str) -> Any:
        return self._client.get(path).json()

    def status(self, task_id: str) -> str:
        return str(self.get(f"{PATH}/{task_id}")["data"]["task_status"])

    def close(self) -> None:
        self._client.close()


@contextmanager
def serving(url: str, **settings: Any) -> Iterator[Served]:
    fake = Fake(state=url, **settings)
    with fake, fake.serve() as server:
        served = Served(fake, server.url)
        try:
            yield served
        finally:
            served.close()
    fake.check()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the condition does not come true"
        time.sleep(0.005)


class Receiver:
    """A receiver of callbacks."""

    def __init__(self) -> None:
        self.received: list[str] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                received.append(body["task_status"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_requests_events_and_callbacks_of_two_servers() -> None:
    url = redis_server().url()
    with Receiver() as receiver, serving(url, pace="held") as one, serving(url, pace="held") as two:
        fake = two.fake
        earlier = {call["id"] for call in two.get("/_mock/calls")["calls"]}
        seen: list[str] = []
        fake.on_call(lambda call: seen.append(call.id), of_all=True)
        own: list[str] = []
        fake.on_call(lambda call: own.append(call.id))
        task = one.create(callback_url=receiver.url, external_task_id="mine").json()["data"]["task_id"]
        assert two.status(task) == "processing"
        assert two.create(external_task_id="mine").status_code == 400
        calls = two.get("/_mock/calls")["calls"]
        until(lambda: {call["id"] for call in calls} - earlier == set(seen) - earlier)
        assert len(own) == 2
        until(lambda: receiver.received == ["submitted", "processing"])
        two.fake.task.succeed()
        until(lambda: len(receiver.received) == 3)
        assert one.status(task) == "succeed"
        one.fake.clock.advance(30)
        time.sleep(0.2)
        assert receiver.received == ["submitted", "processing", "succeed"]
        (state,) = one.fake.read_tasks()[0]
        assert [attempt.kind for attempt in state.attempts] == ["sent"] * 3


def test_remote_and_the_events_of_a_server_have_the_calls_of_all() -> None:
    """The dashboard reads these events. A call of another server arrives without a request to this one."""
    url = redis_server().url()
    with (
        serving(url, pace="held") as one,
        serving(url, pace="held") as two,
        httpx.stream("GET", f"{two.url}/_mock/events", trust_env=False, timeout=PATIENCE) as stream,
        Remote(two.url) as remote,
    ):
        lines = stream.iter_lines()
        created = one.create(prompt="a cat").json()
        wanted = {"event: task", f'"id":"{created["data"]["task_id"]}"', f'"id":"{created["request_id"]}"'}
        while wanted:
            line = next(lines)
            wanted -= {each for each in wanted if each in line}
        assert remote.calls[-1].id == created["request_id"]
        remote.calls.assert_created(prompt="a cat")
        assert remote.task.id == created["data"]["task_id"]
        one.fake.reset()
        for _ in lines:  # the stream ends, so that its client loads the state again
            pass
        assert len(remote.calls) == 0


def test_a_server_follows_the_others_before_its_url_is_published() -> None:
    """Counterexample: one that begins to follow in its event loop, a moment later."""
    url = redis_server().url()
    one, two = Fake(state=url), Fake(state=url)
    seen: list[str | None] = []
    two.on_call(lambda call: seen.append(call.task_id), of_all=True)
    with two.serve():
        task = Caller(one).create()["task_id"]
        until(lambda: task in seen)
    late = Fake(state=url)
    server = late.serve()
    late.on_call(lambda call: seen.append(call.task_id), of_all=True)
    task = Caller(one).create()["task_id"]
    with server:
        until(lambda: task in seen)


def test_the_calls_of_others_are_read_only_while_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An assertion that waits wants them, and an open stream of events; callbacks do not need them."""
    monkeypatch.setattr(feed, "RECONNECTION", 0.3)
    url = redis_server().url()
    other = Caller(Fake(state=url, pace="polls:2"))
    with Receiver() as receiver, serving(url, pace="polls:2") as server, ThreadPoolExecutor(1) as pool:
        read: list[object] = []
        with monkeypatch.context() as patched:
            patched.setattr(server.fake._others, "on_call", read.append)
            task = other.create(callback_url=receiver.url)["task_id"]
            until(lambda: receiver.received == ["submitted"])
            other.query(task)
            until(lambda: receiver.received == ["submitted", "processing"])
        assert not read
        waiting = pool.submit(server.fake.calls.assert_created, prompt="a cat", within=PATIENCE)
        until(lambda: server.fake._changes.is_waiting)
        other.create(prompt="a cat")
        waiting.result()
        boots = []
        for number in range(2):
            with httpx.stream("GET", f"{server.url}/_mock/events", timeout=PATIENCE) as events:
                boots.append(events.headers["x-kling-mock-boot"])
                created = other.create(prompt=f"{number}")["task_id"]
                assert any(f'"task_id":"{created}"' in line for line in events.iter_lines())
            (follower,) = server.fake._others._followers
            until(lambda: follower._call is None)  # noqa: B023
        assert len(set(boots)) == 2, "a client must load the state again, since calls were missed"


def test_the_lease_of_a_process_that_ended_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one delivers its callback once the lease has ended, here after a second."""
    monkeypatch.setattr(store, "LEASE_SECONDS", 1)
    url = redis_server().url()
    dead = RedisStore(url, retention=30 * 86_400, journal_bytes=2**20)
    with Receiver() as receiver:
        task = Caller(Fake(state=url, pace="held:submitted")).create(callback_url=receiver.url)["task_id"]
        assert dead.lease(task)
        with serving(url):
            time.sleep(0.2)
            assert receiver.received == []
            until(lambda: receiver.received == ["submitted"])


def test_one_external_id_for_clients_of_two_servers() -> None:
    """Exactly one create of each round is accepted."""
    url = redis_server().url()
    with serving(url) as one, serving(url) as two, ThreadPoolExecutor(8) as pool:
        for number in range(5):
            found = pool.map(
                lambda at: (one, two)[at % 2].create(external_task_id=f"id {number}").status_code,  # noqa: B023
                range(8),
            )
            assert sorted(found) == [200] + [400] * 7
        assert len(two.fake.tasks) == 5


def test_an_outage() -> None:
    """Requests get 503, and the servers go on afterwards: also their callbacks and events."""
    server = RedisServer()
    try:
        with Receiver() as receiver, serving(server.url("outage"), pace="instant") as one:
            one.create(callback_url=receiver.url)
            until(lambda: len(receiver.received) == 3)
            server.kill()
            assert one.create().status_code == 503
            server.start()
            assert one.create(callback_url=receiver.url).status_code == 200
            until(lambda: len(receiver.received) == 6)
            with pytest.raises(BaseExceptionGroup, match="errors while"):
                one.fake.check()
    finally:
        server.close()
