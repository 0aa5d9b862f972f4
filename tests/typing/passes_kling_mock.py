"""Tests as users of the mock write them, and the types that they see. Not executed."""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_type

import fastapi
import flask
import httpx
import httpx2
import pytest
import requests
from faker import Faker
from starlette.applications import Starlette
from starlette.responses import Response

from kling_contracts import MULTI_IMAGE2IMAGE, TaskStatus
from kling_mock import (
    Clock,
    Fake,
    ManualClock,
    Pace,
    Remote,
    Reply,
    Request,
    Settings,
    TaskHandle,
    read_picture,
)
from kling_mock.callbacks.model import Callback
from kling_mock.callbacks.outbox import Outbox, OutboxCallback
from kling_mock.faker import KlingProvider
from kling_mock.images.urls import PictureInfo
from kling_mock.plan import Transition
from kling_mock.records import AttemptRecord, CallRecord, RuleRecord, TaskRequest
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.request_script import RequestScript
from kling_mock.shared_server import ServedFake
from kling_mock.testing.journal import Calls
from kling_mock.testing.timeline import timeline
from kling_mock.testing.view import FakeView


def making_one() -> None:
    assert_type(Fake(), Fake)
    fake = Fake(clock=ManualClock(1_767_225_600), pace="polls:3", keys=["sk-one"], seed=7)
    Fake(pace=Pace.seconds(1, 2.5), base_url=None)
    assert_type(fake.settings, Settings)
    assert_type(fake.clock, Clock)
    assert_type(fake.account("sk-one"), FakeView)


def its_limits_money_and_faults(fake: Fake) -> None:
    Fake(rate="10/60", retry_after="seconds", packs=[1000], credit=0, slots_total=4)
    assert_type(fake.spend, int)
    assert_type(fake.account("sk-one").peak_concurrency, int)
    fake.assert_paid(images=1)
    assert_type(fake.next.sticks(polls=2).omits_index().lasting(5).chance(0.5), Script)
    assert_type(fake.task.goes_back("processing", seconds=1), TaskHandle)
    assert_type(fake.task.shown[0].faults, tuple[str, ...])


def its_faults_of_requests(fake: Fake) -> None:
    assert_type(fake.next_query.answers(429, headers={"Retry-After": "2"}).delays(3), RequestScript)
    assert_type(fake.account("sk-one").when_query(task=fake.task, nth=2, status="succeed"), RequestScript)
    assert_type(fake.when_picture(index=0, account="sk-one").cuts(at=10, by="reset").times(2), RequestScript)
    fake.when_request(method="POST", path="/kling/*", header={"x-a": None}, body={"n": 2}).resets().lasting(5)
    assert_type(fake.next.fails("no").loses_reply("timeout").pads(10, compressed=True), Script)


def its_doors(fake: Fake) -> None:
    assert_type(fake.handle(Request("GET", "/", headers=(("accept", "*/*"),))), Reply)
    with httpx.Client(transport=fake.transport()) as client:
        client.get("https://api.cometapi.com")
    httpx.AsyncClient(transport=fake.transport())
    with fake.intercept(), fake.intercept(only=True):
        pass
    with fake.serve() as server, fake.serve("::1", port=0):
        assert_type(server.url, str)
    fake.asgi()
    assert_type(read_picture(b""), PictureInfo)


async def its_async_doors(fake: Fake) -> None:
    async with httpx.AsyncClient(transport=fake.transport()) as client:
        await client.get("https://api.cometapi.com")


def its_clock(clock: Clock) -> None:
    assert_type(clock.now(), float)
    clock.advance(1)
    clock.advance(minutes=1, hours=2.5, days=30)
    clock.speed = 10
    clock.freeze()
    clock.resume()
    for jump in clock.jumps:
        assert_type(jump.seconds, float)


def paces() -> Sequence[Pace]:
    return [
        assert_type(Pace.instant(), Pace),
        assert_type(Pace.polls(2), Pace),
        assert_type(Pace.seconds(1, 10), Pace),
        assert_type(Pace.realistic(speed=10), Pace),
        assert_type(Pace.held(at="submitted"), Pace),
        assert_type(Pace.parse("polls:2"), Pace),
    ]


def scripts(fake: Fake) -> None:
    assert_type(fake.next, Script)
    assert_type(fake.next.fails("Image pixel is invalid").pace(Pace.polls(4)), Script)
    assert_type(fake.when(prompt="*cat*", aspect_ratio="1:1", n=2, subjects=3), Script)
    fake.when(prompt="*").succeeds().pace("instant").times(2)
    fake.account("sk-one").next.refuses(1303)
    fake.next.refuses(1303, "too many").times(3)
    fake.next.holds()
    fake.next.holds(at="submitted")
    assert_type(fake.scripts, Sequence[RuleRecord])


def tasks(fake: Fake) -> None:
    assert_type(fake.tasks, Sequence[TaskHandle])
    task = fake.task
    assert_type(task, TaskHandle)
    assert_type(task.id, str)
    assert_type(task.status, TaskStatus)
    assert_type(task.failure, str | None)
    assert_type(task.polls, int)
    assert_type(task.request, TaskRequest)
    assert_type(task.request.prompt, str)
    assert_type(task.images, tuple[str, ...])
    assert_type(task.history, tuple[Transition, ...])
    task.release()
    task.succeed()
    task.fail("stopped")
    task.assert_status("succeed")
    task.assert_status(TaskStatus.FAILED, within=2)
    task.assert_polled()
    task.assert_polled(3, within=0.5)
    task.assert_polled(at_most=5)


def calls(fake: Fake) -> None:
    assert_type(fake.calls, Calls)
    assert_type(fake.calls.creates.refused, Calls)
    assert_type(fake.calls.polls[0], CallRecord)
    assert_type(fake.calls[-1].rule, str | None)
    fake.calls.assert_created()
    fake.calls.assert_created(2, within=2.0, prompt="*cat*", n=1)
    assert_type(timeline(fake), str)
    assert_type(timeline(fake.account("sk-one")), str)


def returns_a_response(callback: Callback) -> httpx.Response | requests.Response | Response:
    return httpx.Response(204)


async def is_awaited(callback: Callback) -> httpx2.Response | None:
    return None


def callbacks(fake: Fake) -> None:
    assert_type(fake.callbacks, Outbox)
    assert_type(fake.callbacks[0], OutboxCallback)
    assert_type(fake.callbacks[0].redeliver({"task_id": "1"}, task_status="failed"), AttemptRecord)
    received: list[Callback] = []
    fake.callbacks.deliver_to(received.append)
    fake.callbacks.deliver_to(lambda callback: 200 if callback.delivered else 500)
    fake.callbacks.deliver_to(None)
    fake.callbacks.deliver_to("http://127.0.0.1:8000/hook")
    fake.callbacks.deliver_to(returns_a_response)
    fake.callbacks.deliver_to(is_awaited)
    fake.callbacks.deliver_to(flask.Flask("app"))
    fake.callbacks.deliver_to(fastapi.FastAPI())
    fake.callbacks.deliver_to(Starlette())
    assert_type(received[0].content, bytes)
    assert_type(received[0].status, TaskStatus)


@pytest.mark.kling(pace="polls:2", sleep="advance")
def test_with_fixtures(kling: Fake, kling_server: ServedFake) -> None:
    assert_type(kling_server.url, str)
    assert_type(kling_server.api_key, str)
    assert_type(kling_server.task, TaskHandle)
    either: list[Fake] = [kling, kling_server]
    assert either


def made_up(faker: Faker) -> None:
    faker.add_provider(KlingProvider)
    provider = KlingProvider(faker)
    assert_type(provider.kling_task_id(), str)
    assert_type(provider.kling_request_id(), str)
    assert_type(provider.kling_prompt(max_length=40), str)
    assert_type(provider.kling_image_url(), str)
    assert_type(provider.kling_aspect_ratio(), str)
    assert_type(provider.kling_external_task_id(), str)
    assert_type(provider.kling_request(), dict[str, object])
    assert_type(provider.kling_request(MULTI_IMAGE2IMAGE, prompt="a cat", n=2), dict[str, object])
    assert_type(provider.kling_task(), dict[str, object])
    assert_type(provider.kling_task(status=TaskStatus.FAILED), dict[str, object])
    assert_type(provider.kling_callback("succeed").headers, dict[str, str])
    body: Mapping[str, object] = provider.kling_callback().body
    assert body


def on_a_server(remote: Remote) -> None:
    script: Script = remote.account("sk-mock-mine").next.fails("no").times(2)
    handle: TaskHandle = remote.task
    assert_type(handle.images, tuple[str, ...])
    assert_type(remote.clock.now(), float)
    assert_type(remote.spend, int)
    remote.calls.assert_created(times=1, prompt="*cat*")
    assert script
