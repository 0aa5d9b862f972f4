"""Callbacks over HTTP, to real receivers on this machine. Nobody sleeps: each wait is ended by an event."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any, NamedTuple

import httpx
import pytest

from contracts.gateways import COMETAPI
from kling_mock import Clock, Fake, ManualClock, __version__
from kling_mock.callbacks import Callback
from kling_mock.doors import callback_sender
from kling_mock.doors.callback_sender import CallbackSender
from kling_mock.doors.server import Server
from kling_mock.plan import NEVER
from kling_mock.records import AttemptRecord

# Far longer than anything here takes: who waits in vain for so long has not been woken.
LONG = 30
KEY = "sk-mock-secret-0123456789"


class Came(NamedTuple):
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
    """A receiver: keeps what comes, answers from a list (a status, with headers if need be), then with 200.

    While `closed` is set, whoever calls waits for `open()`.
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self, *answers: int | tuple[int, dict[str, str]], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers = list(answers)
        self.came: Queue[Came] = Queue()
        self.gate = threading.Event()
        self.gate.set()
        self.hung_up = threading.Semaphore(0)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    def next(self) -> Came:
        return self.came.get(timeout=LONG)

    def statuses(self, count: int) -> list[str]:
        return [self.next().status for _ in range(count)]

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up is meant to."""

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
        self.server.came.put(Came(self.path, headers, content))
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


@pytest.fixture
def hook() -> Iterator[MakeHook]:
    made: list[Hook] = []

    def make(*answers: int | tuple[int, dict[str, str]], port: int = 0) -> Hook:
        made.append(Hook(*answers, port=port))
        return made[-1]

    yield make
    for each in made:
        each.stop()


class Scene:
    """A fake that is served, on a clock that stands still, and somebody who calls it."""

    def __init__(
        self, server: Server, fake: Fake, told: Queue[tuple[Callback, AttemptRecord | None]]
    ) -> None:
        self.server = server
        self.fake = fake
        self.told = told
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
        """Wait for what is told of each attempt."""
        self.fake._watch.wait(holds, LONG)
        assert holds(), repr(self.fake.callbacks)

    def attempts(self, count: int, position: int = 0) -> tuple[AttemptRecord, ...]:
        """The attempts at one callback of the only task, once there are so many."""
        self.until(lambda: len(self.fake.callbacks[position].attempts) >= count)
        return self.fake.callbacks[position].attempts

    def all_delivered(self, count: int) -> None:
        self.until(lambda: sum(each.delivered for each in self.fake.callbacks) >= count)
        assert len(self.fake.callbacks) == count

    def close(self) -> None:
        self._client.close()


Serve = Callable[..., Scene]


@pytest.fixture
def serve() -> Iterator[Serve]:
    scenes: list[Scene] = []

    def start(clock: Clock | None = None, **switches: object) -> Scene:
        fake = Fake(clock=clock or ManualClock(), **switches)
        told: Queue[tuple[Callback, AttemptRecord | None]] = Queue()
        sender = fake.sender(lambda callback, attempt: told.put((callback, attempt)))
        scenes.append(Scene(Server(fake.asgi(), beside=sender.run).start(), fake, told))
        return scenes[-1]

    yield start
    for scene in scenes:
        scene.close()
        scene.server.stop()
        scene.fake.check()
    gc.collect()  # what was left open warns now, and warnings are errors


# -- what arrives


def test_every_change_arrives_in_order_and_tells_what_a_query_tells(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="seconds:2,3")
    task_id = scene.create(inbox.url, n=3, external_task_id="mine")
    asked, came = [], []
    for step in (0, 2, 3):
        scene.fake.clock.advance(step)
        asked.append(scene.query(task_id))
        came.append(inbox.next())
    assert [each.body for each in came] == asked
    assert [each.status for each in came] == ["submitted", "processing", "succeed"]
    assert {each.path for each in came} == {"/hook"}
    assert [each.content for each in came] == [each.content for each in scene.fake.callbacks]
    scene.all_delivered(3)


def test_a_failed_task_is_told_with_its_message(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="instant")
    scene.fake.next.fails("Bild ungültig 图")
    task_id = scene.create(inbox.url)
    last = [inbox.next() for _ in range(3)][-1]
    assert last.body == scene.query(task_id)
    assert last.body["task_status_msg"] == "Bild ungültig 图"


def test_queries_and_verbs_call_back_at_once(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="polls:3")
    task_id = scene.create(inbox.url)
    assert inbox.next().status == "submitted"
    scene.query(task_id)
    assert inbox.next().status == "processing"
    scene.fake.task.fail("stopped")
    assert inbox.next().status == "failed"
    scene.all_delivered(3)


def test_one_jump_of_the_clock_delivers_all_it_passes_in_order(hook: MakeHook, serve: Serve) -> None:
    """Also where the receiver fails at first: each change is tried, in its turn, and retries when due."""
    inbox, scene = hook(500, 200, 500, 200), serve(pace="seconds:20,30")
    scene.create(inbox.url)
    scene.fake.clock.advance(days=1)
    # submitted at 0 and 1 s, processing at 20 and 21 s, succeed at 50 s
    assert inbox.statuses(5) == ["submitted", "submitted", "processing", "processing", "succeed"]
    scene.all_delivered(3)


def test_time_alone_is_enough(hook: MakeHook, serve: Serve) -> None:
    """Nobody calls: the server wakes at the next due time, and sooner when the clock is set to run faster."""
    clock = Clock()
    inbox, scene = hook(), serve(clock, pace="seconds:1000,1000")
    clock.freeze()
    scene.create(inbox.url)
    assert inbox.next().status == "submitted"
    scene.all_delivered(1)
    clock.speed = 20_000
    assert inbox.statuses(2) == ["processing", "succeed"]


def test_a_jump_of_the_clock_alone_wakes_the_sender(
    hook: MakeHook, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else happens once it sleeps: no call, and no delivery that ends."""
    asleep = threading.Event()
    sleep = CallbackSender._sleep

    async def told_sleep(self: CallbackSender, changed: asyncio.Event) -> None:
        for _ in range(5):  # what was about to wake it does so now
            await asyncio.sleep(0)
        busy = [task for task in asyncio.all_tasks() if "_deliver" in repr(task)]
        if self._courier.next_due() and not busy and not changed.is_set():
            asleep.set()
        await sleep(self, changed)

    monkeypatch.setattr(CallbackSender, "_sleep", told_sleep)
    inbox, scene = hook(), serve(pace="seconds:20,30")
    scene.create(inbox.url)
    assert inbox.next().status == "submitted"
    scene.all_delivered(1)
    asleep.clear()
    scene.fake._courier.wake()  # it looks once more, finds nothing to do, and sleeps
    assert asleep.wait(LONG)
    scene.fake.clock.advance(20)
    assert inbox.next().status == "processing"


def test_a_clock_that_stands_still_is_waited_for(hook: MakeHook, serve: Serve) -> None:
    first, second, scene = hook(), hook(), serve(pace="seconds:0.001,0.001")
    scene.create(first.url)
    assert first.next().status == "submitted"
    scene.all_delivered(1)
    scene.create(second.url)
    assert second.next().status == "submitted"
    assert first.came.empty()
    scene.fake.clock.advance(1)
    assert first.statuses(2) == second.statuses(2) == ["processing", "succeed"]


def test_it_serves_what_was_created_before_it_served(hook: MakeHook, good_body: bytes) -> None:
    inbox, fake = hook(), Fake(pace="instant", clock=ManualClock())
    with httpx.Client(transport=fake.transport(), headers={"authorization": f"Bearer {KEY}"}) as client:
        body = json.loads(good_body) | {"callback_url": inbox.url}
        client.post(f"{COMETAPI.base_url}{COMETAPI.create_path}", json=body)
    assert inbox.came.empty()
    with fake.serve():
        assert inbox.statuses(3) == ["submitted", "processing", "succeed"]


# -- what is not taken


@pytest.mark.parametrize("status", [500, 503, 404, 410, 302, 307])
def test_what_is_no_2xx_comes_again_after_each_pause(status: int, hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(*[status] * 5), serve(pace="held:submitted")
    scene.create(inbox.url)
    born = scene.fake.callbacks[0].due
    for number, pause in enumerate((1, 10, 60, 600), 1):
        scene.attempts(number)
        assert inbox.next().status == "submitted"
        assert inbox.came.empty()
        scene.fake.clock.advance(pause)
    attempts = scene.attempts(5)
    assert [each.at - born for each in attempts] == [0, 1, 11, 71, 671]
    assert {(each.status, each.error) for each in attempts} == {(status, f"the receiver answered {status}")}
    assert scene.fake._courier.next_due() == NEVER  # given up
    assert scene.fake.task.status == "submitted"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_takes_it(status: int, hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(status), serve(pace="held:submitted")
    scene.create(inbox.url)
    assert [(each.status, each.error) for each in scene.attempts(1)] == [(status, None)]
    scene.fake.clock.advance(days=1)
    scene.create(inbox.url)
    assert inbox.next().body["task_id"] != inbox.next().body["task_id"]


def test_a_redirect_is_not_followed(hook: MakeHook, serve: Serve) -> None:
    elsewhere = hook()
    inbox, scene = hook((302, {"location": elsewhere.url}), (308, {"location": "/other"})), serve(pace="held")
    scene.create(inbox.url)
    scene.attempts(1)
    scene.fake.clock.advance(1)
    scene.attempts(2)
    scene.fake.clock.advance(10)
    scene.all_delivered(2)
    assert [inbox.next().path for _ in range(4)] == ["/hook"] * 4
    assert elsewhere.came.empty()


def test_a_receiver_that_is_not_there_yet_gets_it_later(hook: MakeHook, serve: Serve) -> None:
    scene = serve(pace="held:submitted")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        scene.create(f"http://127.0.0.1:{port}/hook")
        (attempt,) = scene.attempts(1)
    assert attempt.status is None
    assert str(attempt.error).startswith("ConnectError: ")
    inbox = hook(port=port)
    scene.fake.clock.advance(1)
    assert inbox.next().status == "submitted"
    scene.all_delivered(1)


def test_who_does_not_answer_in_time_has_failed(
    hook: MakeHook, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callback_sender.ANSWER_SECONDS == 10
    monkeypatch.setattr(callback_sender, "ANSWER_SECONDS", 0.05)
    inbox, scene = hook(), serve(pace="held:submitted")
    inbox.gate.clear()
    scene.create(inbox.url)
    (attempt,) = scene.attempts(1)
    assert (attempt.status, attempt.error) == (None, "no answer within 0.05 s")
    inbox.gate.set()
    monkeypatch.undo()
    scene.fake.clock.advance(1)
    scene.all_delivered(1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1\x7f/", "ftp://127.0.0.1/hook"])
def test_a_url_that_nobody_can_call_is_a_failed_attempt(url: str, serve: Serve) -> None:
    scene = serve(pace="held:submitted", ignore=["callback_url.url"], callbacks="any")
    scene.create(url)
    (attempt,) = scene.attempts(1)
    assert attempt.status is None
    assert attempt.error


def test_a_failing_callback_does_not_hold_back_the_later_ones(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(500), serve(pace="seconds:0.25,0.25")
    scene.create(inbox.url)
    scene.attempts(1)
    scene.fake.clock.advance(0.5)
    assert inbox.statuses(3) == ["submitted", "processing", "succeed"]
    scene.attempts(1, position=2)
    scene.fake.clock.advance(0.5)
    assert inbox.next().status == "submitted"
    scene.all_delivered(3)


def test_failure_never_changes_the_task(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(*[500] * 99), serve(pace="polls:2")
    told = []
    for url in (None, inbox.url):
        task_id = scene.create(url)
        told.append([scene.query(task_id)["task_status"] for _ in range(3)])
    assert told[0] == told[1] == ["processing", "succeed", "succeed"]


# -- who waits for whom


def test_a_slow_receiver_delays_neither_polls_nor_other_receivers(hook: MakeHook, serve: Serve) -> None:
    """Ten tasks call one that does not answer: eight are on their way, and others are called at once."""
    slow, quick, scene = hook(), hook(), serve(pace="polls:1")
    slow.gate.clear()
    waiting = [scene.create(slow.url) for _ in range(10)]
    other = scene.create(quick.url)
    assert quick.next().body["task_id"] == other
    assert [scene.query(task_id)["task_status"] for task_id in waiting] == ["succeed"] * 10
    first = {slow.next().body["task_id"] for _ in range(8)}
    scene.create(quick.url)
    quick.next()
    assert slow.came.empty()
    slow.gate.set()
    rest = [slow.next() for _ in range(22)]
    assert len(first) == 8
    assert {each.body["task_id"] for each in rest} == set(waiting)


def test_a_task_has_one_on_its_way(hook: MakeHook, serve: Serve) -> None:
    slow, quick, scene = hook(), hook(), serve(pace="instant")
    slow.gate.clear()
    scene.create(slow.url)
    assert slow.next().status == "submitted"
    scene.create(quick.url)
    quick.statuses(3)
    assert slow.came.empty()
    slow.gate.set()
    assert slow.statuses(2) == ["processing", "succeed"]


def test_who_has_nothing_to_send_is_not_woken(hook: MakeHook, serve: Serve) -> None:
    """No loop that looks: not at each call, nor while all that is due has been sent."""
    inbox, scene = hook(), serve(pace="held")
    looks: list[float] = []
    take = scene.fake._courier.take

    def counted() -> Any:
        looks.append(scene.fake.clock.now())
        return take()

    scene.fake._courier.take = counted  # type: ignore[method-assign]
    plain = scene.create(None)
    calling = scene.create(inbox.url)
    inbox.statuses(2)
    scene.all_delivered(2)
    scene.query(plain)
    before = len(looks)
    assert 1 <= before <= 10
    for _ in range(20):
        scene.query(plain)
        scene.query(calling)
    # Each attempt looks again when it is over: the last one may have done so in the meantime.
    assert len(looks) <= before + 1


# -- who is called


@pytest.mark.parametrize(
    ("callbacks", "reason"),
    [("off", "callbacks are off"), ("loopback", "its host is not this machine's own")],
)
def test_who_is_refused_is_not_called_and_the_reason_is_told(
    callbacks: str, reason: str, hook: MakeHook, serve: Serve
) -> None:
    scene = serve(pace="instant", callbacks=callbacks)
    url = hook().url if callbacks == "off" else "https://my.example/hook"
    scene.create(url)
    callback, attempt = scene.told.get(timeout=LONG)
    assert attempt is None
    assert str(callback.refused).startswith(reason)
    assert "--callbacks any" in str(callback.refused)
    assert f"succeed to {url}, not sent: {reason}" in repr(scene.fake.callbacks)
    assert {each.attempts for each in scene.fake.callbacks} == {()}
    scene.server.stop()
    assert {each.refused for each in scene.fake.callbacks} == {None}  # nobody is there who would send it
    assert scene.told.empty()  # once for a task


def test_off_calls_not_even_this_machine(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(callbacks="off")
    scene.create(inbox.url)
    scene.told.get(timeout=LONG)
    scene.server.stop()
    assert inbox.came.empty()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were to be resolved. `receiver.test` is this machine; uvloop's own way is shut."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        asked.append(name)
        if name.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1" if name == "receiver.test" else host, *args, **kwargs)

    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_loopback_resolves_no_name_but_localhost(hook: MakeHook, serve: Serve, names: list[str]) -> None:
    inbox, scene = hook(), serve(pace="held:submitted")
    scene.create(inbox.url.replace("127.0.0.1", "receiver.test"))
    scene.create("https://my.example/hook")
    last = scene.create(inbox.url.replace("127.0.0.1", "localhost"))
    assert inbox.next().body["task_id"] == last
    assert inbox.came.empty()
    assert "localhost" in names
    assert not {"receiver.test", "my.example"} & set(names)


def test_any_calls_every_host(hook: MakeHook, serve: Serve, names: list[str]) -> None:
    """Also the witness that a name that is resolved is seen."""
    inbox, scene = hook(), serve(pace="held:submitted", callbacks="any")
    scene.create("http://my.example/hook")
    (attempt,) = scene.attempts(1)
    assert str(attempt.error).startswith("ConnectError: ")
    scene.create(inbox.url.replace("127.0.0.1", "receiver.test"))
    assert inbox.next().headers["host"] == f"receiver.test:{inbox.server_port}"
    assert {"receiver.test", "my.example"} <= set(names)


def test_the_url_is_judged_as_httpx_reads_it(
    hook: MakeHook, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should two readers of URLs ever differ, the one who calls has the last word."""
    inbox, scene = hook(), serve(pace="held:submitted")
    monkeypatch.setattr(callback_sender, "_target", lambda _: "http://my.example/hook")
    scene.create(inbox.url)
    (attempt,) = scene.attempts(1)
    assert str(attempt.error).startswith("ValueError: not sent: its host is not this machine's own")
    assert inbox.came.empty()


def test_a_receiver_of_the_test_goes_before_http(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="seconds:2,3")
    heard: list[str] = []
    scene.fake.callbacks.deliver_to(lambda callback: heard.append(callback.status.value))
    scene.create(inbox.url)
    scene.create("https://my.example/hook")
    assert heard == ["submitted", "submitted"]
    assert {each.refused for each in scene.fake.callbacks} == {None}
    scene.fake.callbacks.deliver_to(None)
    scene.fake.clock.advance(10)
    assert inbox.statuses(2) == ["processing", "succeed"]
    assert heard == ["submitted", "submitted"]


def test_a_receiver_of_the_test_gets_what_was_refused(serve: Serve) -> None:
    scene = serve(pace="instant")
    scene.create("https://my.example/hook")
    scene.told.get(timeout=LONG)
    heard: list[str] = []
    scene.fake.callbacks.deliver_to(lambda callback: heard.append(callback.status.value))
    assert heard == ["submitted", "processing", "succeed"]


# -- what is not sent along


def test_no_key_and_no_credential_is_sent(
    hook: MakeHook, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the account's key, nor what stands in the URL, nor a cookie; and no proxy is asked."""
    proxy = hook()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    inbox = hook((200, {"set-cookie": "crumb=1; Path=/"}), (500, {"set-cookie": "crumb=2"}))
    scene = serve(pace="instant")
    scene.create(inbox.url.replace("//", "//me:word@") + "?token=theirs")
    came = [inbox.next() for _ in range(3)]
    for each in came:
        assert each.path == "/hook?token=theirs"
        assert set(each.headers) == {
            "host", "accept", "accept-encoding", "user-agent", "connection", "content-type", "content-length"
        }  # fmt: skip
        assert each.headers["user-agent"] == f"kling-mock/{__version__}"
        assert each.headers["content-type"] == "application/json; charset=utf-8"
        assert KEY not in f"{each}"
        assert "word" not in f"{each}"
    assert proxy.came.empty()


# -- the end


def test_stopping_ends_what_is_on_its_way_and_leaves_nothing(hook: MakeHook, serve: Serve) -> None:
    """At once, though ten seconds were left to the receiver. Started again, the server sends it again."""
    inbox = hook()
    before = set(threading.enumerate())  # the receiver's own thread among them
    scene = serve(pace="held:submitted")
    inbox.gate.clear()
    for _ in range(10):
        scene.create(inbox.url)
    arrived = {inbox.next().body["task_id"] for _ in range(8)}
    thread = scene.server._thread
    assert thread is not None
    scene.server.stop()
    assert not thread.is_alive()
    assert {each.attempts for each in scene.fake.callbacks} == {()}
    assert scene.fake._courier._senders == ()
    inbox.gate.set()
    scene.server.start()
    again = {inbox.next().body["task_id"] for _ in range(10)}
    assert arrived < again
    scene.all_delivered(10)
    scene.server.stop()
    names = {each.name for each in set(threading.enumerate()) - before}
    assert not {name for name in names if "kling" in name or name.startswith("asyncio")}


def test_a_stopped_server_sends_nothing_more(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="seconds:1,1")
    scene.create(inbox.url)
    inbox.next()
    scene.all_delivered(1)
    scene.server.stop()
    scene.fake.clock.advance(10)
    with pytest.raises(Empty):
        inbox.came.get_nowait()
    scene.server.start()
    assert inbox.statuses(2) == ["processing", "succeed"]


def test_two_servers_of_one_fake_send_each_callback_once(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="instant")
    with scene.fake.serve():
        for _ in range(5):
            scene.create(inbox.url)
        scene.all_delivered(15)
    came = [inbox.next() for _ in range(15)]
    assert len({each.content for each in came}) == 15
    assert inbox.came.empty()


def test_a_bug_beside_the_server_is_not_lost() -> None:
    """Stopping tells of it, in the thread of the server."""

    async def broken() -> None:
        raise ZeroDivisionError

    caught: list[object] = []
    server = Server(Fake().asgi(), beside=broken)
    hook_before, threading.excepthook = threading.excepthook, lambda args: caught.append(args.exc_type)
    try:
        server.start().stop()
    finally:
        threading.excepthook = hook_before
    assert caught == [ZeroDivisionError]
