"""Lines that type checkers report: each marked one, with this code by mypy, by pyright too. Not executed."""

from __future__ import annotations

from pathlib import Path

from kling_client import AsyncClient, AsyncTask, Client, Image, Poll, Retry, Task, parse_callback
from kling_contracts import MULTI_IMAGE, TaskMessage, TaskStatus, check_lifecycle, validate
from kling_contracts.strategies import InvalidRequest, invalid_requests, valid_requests
from kling_mock import Clock, Fake, ManualClock, Pace, Request, Settings, TaskHandle
from kling_mock.callbacks.model import Callback
from kling_mock.faker import KlingProvider
from kling_mock.shared_server import ServedFake
from kling_mock.testing.timeline import timeline


def the_fake(fake: Fake) -> None:
    Fake(ManualClock())  # error: call-arg
    Fake(clock=ManualClock)  # error: arg-type
    fake.handle("GET /")  # error: arg-type
    fake.handle(Request("GET", "/", headers={"accept": "*/*"}))  # error: arg-type
    fake.intercept(True)  # error: call-arg
    fake.serve(port="8000")  # error: arg-type
    fake.account()  # error: call-arg
    fake.task = None  # error: assignment
    _ = fake.url  # error: attr-defined
    timeline(fake.calls)  # error: arg-type


def clock_and_pace(clock: Clock) -> None:
    clock.advance("30s")  # error: arg-type
    clock.advance(1, 2)  # error: call-arg
    clock.advance(weeks=1)  # error: call-arg
    clock.jumps.append(1)  # error: attr-defined
    Pace.polls("2")  # error: arg-type
    Pace.polls()  # error: call-arg
    Pace.seconds(1)  # error: call-arg
    Pace("sometimes")  # error: arg-type
    Pace.instant().kind = "polls"  # error: misc
    Settings(pace="polls:2")  # error: arg-type
    Settings(sead=1)  # error: call-arg


def scripts(fake: Fake) -> None:
    fake.next.fails()  # error: call-arg
    fake.next.refuses("1303")  # error: arg-type
    fake.next.pace(3)  # error: arg-type
    fake.next.times("2")  # error: arg-type
    fake.next.succeed()  # error: attr-defined
    fake.next("fails")  # error: operator
    fake.when("*cat*")  # error: call-arg


def tasks(task: TaskHandle) -> None:
    task.fail()  # error: call-arg
    task.status = TaskStatus.SUCCEED  # error: misc
    task.polls()  # error: operator
    task.assert_status(2)  # error: arg-type
    task.assert_status("succeed", 2.0)  # error: call-arg
    task.assert_polled("3")  # error: arg-type
    task.assert_polled(1, 5)  # error: call-arg
    task.assert_polled(at_least=1)  # error: call-arg


def calls_and_callbacks(fake: Fake) -> None:
    fake.calls.assert_created("1")  # error: arg-type
    fake.calls.assert_created(within="2")  # error: arg-type
    _ = fake.calls.refused.rule  # error: attr-defined
    fake.callbacks.deliver_to(200)  # error: arg-type
    fake.callbacks.deliver_to(b"https://me.test/hook")  # error: arg-type
    fake.callbacks.deliver_to(text_is_the_answer)  # error: arg-type


def text_is_the_answer(callback: Callback) -> str:
    return callback.task_id


def text_is_no_status(callback: Callback) -> int:
    return callback.status  # error: return-value


def test_fixtures(kling: Fake, kling_server: ServedFake) -> None:
    _ = kling.api_key  # error: attr-defined
    kling_server.url = None  # error: assignment


def made_up(provider: KlingProvider) -> None:
    provider.kling_prompt("40")  # error: arg-type
    provider.kling_request("multi-image")  # error: arg-type
    provider.kling_task(status=3)  # error: arg-type
    provider.kling_pictures()  # error: attr-defined


def the_client(kling: Client) -> None:
    Client(3)  # error: arg-type
    Client("sk-key", "https://proxy.test")  # error: call-arg
    Client(retry=3)  # error: arg-type
    Client(gateway=3)  # error: arg-type
    Client(operation=3)  # error: arg-type
    Client().create(["a.png"])  # error: arg-type
    Client().create({"prompt": "a"}, check="no")  # error: arg-type
    Client(poll=Retry())  # error: arg-type
    Client(retry=Poll())  # error: arg-type
    kling.generate()  # error: call-arg
    kling.generate(Path("a.png"))  # error: arg-type
    kling.generate([3, 4])  # error: list-item
    kling.generate([], "a cat", "3:2")  # error: call-arg
    kling.generate([], n="2")  # error: arg-type
    kling.generate([], ratio="3:2")  # error: call-arg
    kling.task(835493114551853674)  # error: arg-type
    Image()  # error: call-arg
    Image.from_bytes("text")  # error: arg-type
    Image.from_url("https://a.test/1.png").wire = ""  # error: misc
    parse_callback({})  # error: arg-type


def its_tasks(task: Task) -> int:
    task.wait(60)  # error: call-arg
    task.wait(deadline="60")  # error: arg-type
    task.wait(on_update=lambda: None)  # error: arg-type
    task.save()  # error: call-arg
    task.save("out", "name")  # error: call-arg
    task.status = "succeed"  # error: misc
    return task.refresh()  # error: return-value


async def awaiting(kling: AsyncClient, task: AsyncTask) -> AsyncTask:
    with kling:  # error: attr-defined
        pass
    kling.generate([]).wait()  # error: attr-defined
    for update in task.updates():  # error: attr-defined
        assert update
    return task.refresh()  # error: return-value


def the_contract() -> list[str]:
    validate()  # error: call-arg
    validate({}, "multi-image")  # error: arg-type
    validate({}, MULTI_IMAGE, True)  # error: call-arg
    check_lifecycle(None)  # error: arg-type
    check_lifecycle([{"task_id": "1"}])  # error: list-item
    TaskMessage("1", "succeed")  # error: call-arg
    TaskMessage(task_id="1", task_status=TaskStatus.SUCCEED).images = ()  # error: misc
    valid_requests("multi-image")  # error: arg-type
    invalid_requests(rules=1)  # error: arg-type
    InvalidRequest(body={}, rule_id="", tag="", status="400", code=1201)  # error: arg-type
    return validate({})  # error: return-value
