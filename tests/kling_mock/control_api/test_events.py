"""The stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import anyio
import pytest

from kling_mock import Fake, ManualClock
from kling_mock.control_api import feed as feed_module
from kling_mock.control_api import followed_tasks
from kling_mock.control_api.api import ControlAPI
from kling_mock.control_api.feed import EventFeed
from kling_mock.doors.control import ControlApp
from kling_mock.stores.memory import MemoryStore
from tests.kling_mock.conftest import Caller
from tests.kling_mock.control_api.conftest import Control

SCOPE: Final = {
    "type": "http",
    "method": "GET",
    "path": "/_mock/events",
    "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"last-event-id", b"0-0")],
    "client": ("127.0.0.1", 1),
}


@pytest.fixture(autouse=True)
def _collect_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "PERIOD", 0.0)


def parsed(content: bytes) -> Iterator[tuple[str, str, Any]]:
    """Id, kind and data of each event."""
    for part in content.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.splitlines() if not line.startswith(":"))
        if lines:
            yield lines["id"], lines["event"], json.loads(lines["data"])


def read(feed: EventFeed, position: int = 0, account: str | None = None) -> list[tuple[str, Any]]:
    content, _ = feed.read(position, account)
    return [(kind, data) for _, kind, data in parsed(content)]


def test_calls_changes_attempts_and_the_clock_are_events_in_order() -> None:
    control = Control(pace="seconds:1,9", callback_retries=[])
    control.fake.callbacks.deliver_to(lambda _: 200)
    feed = control.api.feed
    task = control.make(callback_url="http://127.0.0.1:1/hook")
    control.fake.clock.advance(1)
    control.caller.poll(task.id)
    found = read(feed)
    assert [kind for kind, _ in found] == ["call", "task", "callback", "clock", "call", "task", "callback"]
    assert [data["status"] for kind, data in found if kind == "task"] == ["submitted", "processing"]
    assert [data["attempt"]["status"] for kind, data in found if kind == "callback"] == [200, 200]
    task.fail("no")
    assert [data for kind, data in read(feed, 7) if kind == "task"] == [
        {
            "task_id": task.id,
            "account": "sk-mock-a",
            "status": "failed",
            "at": task.history[-1].at,
            "failure": "no",
            "task": control.ok("GET", f"/tasks/{task.id}"),
        }
    ]


def test_only_changes_after_the_start_are_events() -> None:
    control = Control(pace="seconds:1,9")
    task = control.make()
    feed = control.api.feed
    assert read(feed) == []
    control.fake.clock.advance(1)
    assert [(kind, data.get("status")) for kind, data in read(feed)][1:] == [("task", "processing")]
    control.fake.clock.advance(9)
    assert read(feed, 2)[-1][1]["status"] == "succeed"
    control.caller.poll(task.id)
    assert [kind for kind, _ in read(feed, 4)] == ["call"]


def test_tasks_that_change_by_time_or_by_hand_are_read_at_once(control: Control) -> None:
    tasks = [control.make() for _ in range(4)]
    feed = control.api.feed
    control.fake.clock.advance(1)
    assert [kind for kind, _ in read(feed)] == ["clock", *["task"] * 4]
    tasks[1].succeed()
    assert [data["status"] for _, data in read(feed, 5)] == ["succeed"]


def test_an_advance_that_changes_many_tasks_is_read_in_parts(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_tasks, "DUE_READ", 2)
    monkeypatch.setattr(followed_tasks, "OTHERS_READ", 1)
    for _ in range(5):
        control.make()
    feed = control.api.feed
    control.fake.clock.advance(10)
    counts = [len(read(feed)) for _ in range(4)]
    assert counts[0] in (1 + 2 * 2, 1 + 2 * 3)
    assert counts[-1] == 1 + 2 * 5


def test_tasks_that_another_process_changes_are_read_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also their attempts to deliver callbacks, once these are due."""
    monkeypatch.setattr(followed_tasks, "OTHERS_READ", 1)
    monkeypatch.setattr(followed_tasks, "OVERDUE_READ", 1)
    store = MemoryStore(ManualClock(), retention=1e6, journal_bytes=10**6)
    fake, other = (Fake(store=store, pace="held", callback_retries=[]) for _ in range(2))
    tasks = [Caller(fake).make(callback_url="http://127.0.0.1:1/hook") for _ in range(4)]
    feed = ControlAPI(fake).feed
    found = other.find_task(tasks[1].id)
    assert found is not None
    found.succeed()
    for _ in range(4):
        events = read(feed)
    assert [data["status"] for _, data in events] == ["succeed"]
    other.callbacks.deliver_to(lambda _: 200)
    for _ in range(4):
        kinds = [kind for kind, _ in read(feed, 1)]
    assert kinds == ["callback"] * 9  # three changes of the task that has ended, two of each other one


def test_only_the_events_that_are_kept_are_made(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    """An advance may change all tasks at once; the others are counted as lost."""
    monkeypatch.setattr(feed_module, "KEPT", 10)
    for _ in range(30):
        control.make()
    feed = EventFeed(control.fake, control.api.encode)
    control.fake.clock.advance(10)
    found = read(feed)
    assert found[0] == ("lost", {"events": 51})
    assert len(found) == 11


def test_scripts_that_are_written_used_or_removed_are_events(control: Control) -> None:
    feed = control.api.feed
    script = control.ok("POST", "/scripts", {"when": {}, "fails": "no", "times": 2})
    control.make()
    control.ok("PATCH", f"/scripts/{script['id']}", {"enabled": False})
    assert [(data["change"], data["script"]["enabled"]) for kind, data in read(feed) if kind == "script"] == [
        ("written", False)  # as it is now
    ]
    control.ok("PATCH", f"/scripts/{script['id']}", {"enabled": True})
    read(feed)
    control.make()
    position = feed.start(None)
    (used,) = [data for kind, data in read(feed, position) if kind == "script"]
    assert (used["change"], used["id"], used["script"]["used"]) == ("used", script["id"], 2)
    position = feed.start(None)
    control.ok("DELETE", f"/scripts/{script['id']}")
    assert read(feed, position) == [("script", {"id": script["id"], "change": "removed", "script": None})]


def test_events_that_are_read_between_a_change_and_its_call(control: Control) -> None:
    """Another thread may do so. The task is new then, and its first change stays an event."""
    feed = control.api.feed
    early: list[list[tuple[str, Any]]] = []
    control.fake.on_change(lambda _: early.append(read(feed)))
    task = control.make()
    assert early[0] == []
    assert [(kind, data.get("task_id")) for kind, data in read(feed)] == [
        ("call", task.id),
        ("task", task.id),
    ]


def test_a_client_may_follow_one_account(control: Control) -> None:
    feed = control.api.feed
    control.make()
    other = control.caller.account("sk-mock-b").make()
    control.fake.clock.advance(0.5)
    found = read(feed, account="sk-mock-b")
    assert [kind for kind, _ in found] == ["call", "task", "clock"]
    assert found[1][1]["task_id"] == other.id


def test_a_client_goes_on_after_the_last_event_that_it_received(control: Control) -> None:
    feed = control.api.feed
    control.make()
    ids = [name for name, _, _ in parsed(feed.read(0, None)[0])]
    assert feed.start(None) == 2
    assert feed.start(ids[0]) == 1
    assert feed.start(ids[-1]) == 2
    for unknown in ("0-0", "", "x", f"{ids[0]}9999", f"{ids[0].partition('-')[0]}-\u0661", "-" * 5000):
        assert feed.start(unknown) in (0, 2)
    assert feed.start("0-1") == 0


@pytest.mark.parametrize("connected", [True, False])
def test_the_feed_is_bounded_and_reports_the_number_of_lost_events(
    control: Control, monkeypatch: pytest.MonkeyPatch, *, connected: bool
) -> None:
    """Also of events that no client has read, because none was connected."""
    monkeypatch.setattr(feed_module, "KEPT", 10)
    feed = EventFeed(control.fake, control.api.encode)
    for _ in range(30):
        control.caller.get("/kling/nothing")
        if connected:
            feed.read(0, None)
    found = read(feed)
    assert found[0] == ("lost", {"events": 20})
    assert len(found) == 11


def test_secrets_are_in_no_event() -> None:
    control = Control(keys=["sk-very-secret-key-123456"])
    feed = control.api.feed
    control.caller.account("sk-very-secret-key-123456").create(prompt="sk-very-secret-key-123456")
    content, _ = feed.read(0, None)
    assert b"event: task" in content
    assert b"very-secret" not in content


def stream(fake: Fake, backend: str = "asyncio", **parts: Any) -> bytes:
    """The bytes that a client receives until it has an event, or the server ends the response."""
    app = fake.asgi()
    sent: list[bytes] = []

    async def run() -> None:
        gone = anyio.Event()

        async def receive() -> Any:
            if not sent:
                sent.append(b"")
                return {"type": "http.request", "body": b""}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            body = message.get("body", b"")
            sent.append(body)
            if body.startswith(b": kling-mock"):
                fake.clock.advance(1)
            if b"event:" in body or b"heartbeat" in body:
                gone.set()

        with anyio.fail_after(10):
            await app(SCOPE | parts, receive, send)

    anyio.run(run, backend=backend)
    return b"".join(sent)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_stream_ends_with_its_client(backend: str) -> None:
    fake = Fake(clock=ManualClock())
    fake.clock.freeze()
    content = stream(fake, backend)
    assert content.startswith(b": kling-mock\n\n")
    assert [kind for _, kind, _ in parsed(content)] == ["clock"]


def test_a_quiet_stream_has_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_nothing(*_: object) -> tuple[bytes, int]:
        return b"", 0

    monkeypatch.setattr("kling_mock.doors.control.HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(EventFeed, "read", read_nothing)
    assert stream(Fake()).endswith(b": heartbeat\n\n")


def test_a_reset_forgets_the_events_and_ends_the_streams() -> None:
    control = Control(pace="seconds:1,9")
    feed = control.api.feed
    control.make()
    assert [kind for kind, _ in read(feed)] == ["call", "task"]
    boot = feed.boot
    control.ok("POST", "/reset", {})
    assert feed.boot != boot
    assert read(feed, feed.start(f"{boot}-0")) == []
    control.make()
    assert [kind for kind, _ in read(feed, feed.start(f"{boot}-9"))] == ["call", "task"]


def test_a_stream_has_the_boot_and_ends_with_its_state() -> None:
    fake = Fake()
    app = ControlApp(lambda: fake)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""} if not sent else await anyio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("body") == b": kling-mock\n\n":
            app._current_api().feed.restart()

    async def run() -> None:
        with anyio.fail_after(10):
            await app(SCOPE, receive, send)

    anyio.run(run)
    assert dict(sent[0]["headers"])[b"x-kling-mock-boot"]
    assert sent[-1] == {"type": "http.response.body", "body": b""}
