"""The stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from kling_mock import Fake, ManualClock
from kling_mock.control_api import feed as feed_module
from kling_mock.control_api.feed import EventFeed
from tests.kling_mock.control_api.conftest import Control


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


def test_of_many_tasks_some_are_read_in_turn(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that change by time, at once; those that are ended by hand, after some rounds."""
    monkeypatch.setattr(feed_module, "SWEPT", 1)
    tasks = [control.make() for _ in range(4)]
    feed = control.api.feed
    control.fake.clock.advance(1)
    assert [kind for kind, _ in read(feed)] == ["clock", *["task"] * 4]
    tasks[1].succeed()
    assert "succeed" in [data.get("status") for _ in range(4) for _, data in read(feed, 5)]


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

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/_mock/events",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"last-event-id", b"0-0")],
            "client": ("127.0.0.1", 1),
        } | parts
        with anyio.fail_after(10):
            await app(scope, receive, send)

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
