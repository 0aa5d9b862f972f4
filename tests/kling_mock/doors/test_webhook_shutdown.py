"""The end of the server is the end of sending: nothing is left behind, nothing sent twice, nothing lost."""

from __future__ import annotations

import threading
from queue import Empty

import pytest

from kling_mock import Fake
from kling_mock.doors.server import Server
from tests.kling_mock.doors.callback_scene import MakeHook, Serve


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
    assert scene.fake._dispatcher._senders == ()
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
        inbox.received.get_nowait()
    scene.server.start()
    assert inbox.statuses(2) == ["processing", "succeed"]


def test_two_servers_of_one_fake_send_each_callback_once(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(), serve(pace="instant")
    with scene.fake.serve():
        for _ in range(5):
            scene.create(inbox.url)
        scene.all_delivered(15)
    received = [inbox.next() for _ in range(15)]
    assert len({each.content for each in received}) == 15
    assert inbox.received.empty()


def test_a_bug_beside_the_server_is_not_lost() -> None:
    """Stopping raises it in the thread of the server."""

    async def broken() -> None:
        raise ZeroDivisionError

    caught: list[object] = []
    server = Server(Fake().asgi(), background=broken)
    hook_before, threading.excepthook = threading.excepthook, lambda args: caught.append(args.exc_type)
    try:
        server.start().stop()
    finally:
        threading.excepthook = hook_before
    assert caught == [ZeroDivisionError]
