"""Callbacks over HTTP, to receivers on this machine. No test sleeps: each wait ends with an event."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import Clock, Fake, ManualClock, __version__
from kling_mock.doors.webhook_sender import CallbackSender
from tests.kling_mock.doors.callback_scene import KEY, LONG, MakeHook, Serve

# -- content and order


def test_every_change_arrives_in_order_with_the_body_of_a_query(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="seconds:2,3")
    task_id = scene.create(inbox.url, n=3, external_task_id="mine")
    asked, received = [], []
    for step in (0, 2, 3):
        scene.fake.clock.advance(step)
        asked.append(scene.query(task_id))
        received.append(inbox.next())
    assert [each.body for each in received] == asked
    assert [each.status for each in received] == ["submitted", "processing", "succeed"]
    assert {each.path for each in received} == {"/hook"}
    assert [each.content for each in received] == [each.content for each in scene.fake.callbacks]
    scene.all_delivered(3)


def test_a_failed_task_is_sent_with_its_message(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="instant")
    scene.fake.next.fails("Bild ungültig 图")
    task_id = scene.create(inbox.url)
    last = [inbox.next() for _ in range(3)][-1]
    assert last.body == scene.query(task_id)
    assert last.body["task_status_msg"] == "Bild ungültig 图"


def test_queries_and_methods_of_a_task_call_back_at_once(hook: MakeHook, serve: Serve) -> None:
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
    """Without any request the server wakes at the next due time, and sooner if the clock is set faster."""
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

    async def observed_sleep(self: CallbackSender, changed: asyncio.Event) -> None:
        for _ in range(5):  # wake-ups in progress happen now
            await asyncio.sleep(0)
        busy = [task for task in asyncio.all_tasks() if "_deliver" in repr(task)]
        if self._dispatcher.next_due() and not busy and not changed.is_set():
            asleep.set()
        await sleep(self, changed)

    monkeypatch.setattr(CallbackSender, "_sleep", observed_sleep)
    inbox, scene = hook(), serve(pace="seconds:20,30")
    scene.create(inbox.url)
    assert inbox.next().status == "submitted"
    scene.all_delivered(1)
    asleep.clear()
    scene.fake._dispatcher.wake()  # it looks once more, finds nothing to do, and sleeps
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
    assert first.received.empty()
    scene.fake.clock.advance(1)
    assert first.statuses(2) == second.statuses(2) == ["processing", "succeed"]


def test_it_serves_what_was_created_before_it_served(hook: MakeHook, good_body: bytes) -> None:
    inbox, fake = hook(), Fake(pace="instant", clock=ManualClock())
    with httpx.Client(transport=fake.transport(), headers={"authorization": f"Bearer {KEY}"}) as client:
        body = json.loads(good_body) | {"callback_url": inbox.url}
        client.post(f"{COMETAPI.base_url}{COMETAPI.create_path}", json=body)
    assert inbox.received.empty()
    with fake.serve():
        assert inbox.statuses(3) == ["submitted", "processing", "succeed"]


# -- receivers do not wait for each other


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
    assert slow.received.empty()
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
    assert slow.received.empty()
    slow.gate.set()
    assert slow.statuses(2) == ["processing", "succeed"]


def test_who_has_nothing_to_send_is_not_woken(hook: MakeHook, serve: Serve) -> None:
    """No loop that looks: not at each call, nor while all that is due has been sent."""
    inbox, scene = hook(), serve(pace="held")
    looks: list[float] = []
    take = scene.fake._dispatcher.take

    def counted() -> Any:
        looks.append(scene.fake.clock.now())
        return take()

    scene.fake._dispatcher.take = counted  # type: ignore[method-assign]  # counted
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


# -- credentials


def test_no_key_and_no_credential_is_sent(
    hook: MakeHook, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the account's key, nor user and password of the URL, nor a cookie; no proxy is used."""
    proxy = hook()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    inbox = hook((200, {"set-cookie": "crumb=1; Path=/"}), (204, {"set-cookie": "crumb=2"}))
    scene = serve(pace="instant")
    scene.create(inbox.url.replace("//", "//me:word@") + "?token=theirs")
    received = [inbox.next() for _ in range(3)]
    for each in received:
        assert each.path == "/hook?token=theirs"
        assert list(each.headers) == ["host", "user-agent", "content-length", "content-type"]
        assert each.headers["user-agent"] == f"kling-mock/{__version__}"
        assert each.headers["content-type"] == "application/json; charset=utf-8"
        assert KEY not in f"{each}"
        assert "word" not in f"{each}"
    assert proxy.received.empty()
