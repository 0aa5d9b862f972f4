"""Retries of failed callbacks, and their independence from the task."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from kling_mock.plan import NEVER
from tests.kling_mock.doors.callback_scene import MakeHook, Serve


@pytest.mark.parametrize("status", [500, 404, 302])
def test_without_a_2xx_it_is_retried_after_each_pause(status: int, hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(*[status] * 5), serve(pace="held:submitted")
    scene.create(inbox.url)
    born = scene.fake.callbacks[0].due
    for number, pause in enumerate((1, 10, 60, 600), 1):
        scene.attempts(number)
        assert inbox.next().status == "submitted"
        assert inbox.received.empty()
        scene.fake.clock.advance(pause)
    attempts = scene.attempts(5)
    assert [each.at - born for each in attempts] == [0, 1, 11, 71, 671]
    assert {(each.status, each.error) for each in attempts} == {(status, f"the receiver answered {status}")}
    assert scene.fake._dispatcher.next_due() == NEVER  # given up
    assert scene.fake.task.status == "submitted"


@pytest.mark.parametrize("status", [200, 299])
def test_any_2xx_accepts_it(status: int, hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(status), serve(pace="held:submitted")
    scene.create(inbox.url)
    assert [(each.status, each.error) for each in scene.attempts(1)] == [(status, None)]
    scene.fake.clock.advance(days=1)
    scene.create(inbox.url)
    assert inbox.next().body["task_id"] != inbox.next().body["task_id"]


def test_a_receiver_that_is_not_there_yet_gets_it_later(hook: MakeHook, serve: Serve) -> None:
    scene = serve(pace="held:submitted")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        scene.create(f"http://127.0.0.1:{port}/hook")
        (attempt,) = scene.attempts(1)
    assert attempt.status is None
    assert str(attempt.error).startswith("cannot connect to ")
    inbox = hook(port=port)
    scene.fake.clock.advance(1)
    assert inbox.next().status == "submitted"
    scene.all_delivered(1)


def test_failure_never_changes_the_task(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(*[500] * 99), serve(pace="polls:2")
    statuses = []
    for url in (None, inbox.url):
        task_id = scene.create(url)
        statuses.append([scene.query(task_id)["task_status"] for _ in range(3)])
    assert statuses[0] == statuses[1] == ["processing", "succeed", "succeed"]


def test_the_test_may_redeliver(hook: MakeHook, serve: Serve) -> None:
    inbox, scene = hook(200, 503), serve(pace="held:submitted")
    scene.create(inbox.url)
    scene.all_delivered(1)
    assert scene.fake.callbacks[0].redeliver().status == 503
    assert scene.fake.callbacks[0].redeliver(task_status="x").status == 200
    assert inbox.statuses(3) == ["submitted", "submitted", "x"]
    assert [each.kind for each in scene.fake.callbacks[0].attempts] == ["sent", "redelivered", "edited"]
    assert all(each.duration > 0 for each in scene.fake.callbacks[0].attempts)
    scene.create("https://my.example/hook")
    with pytest.raises(ValueError, match=r"^redeliver: https://my\.example/hook is not allowed: its host"):
        scene.fake.callbacks[-1].redeliver()
