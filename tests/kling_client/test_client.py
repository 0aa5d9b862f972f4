"""`Client` and `AsyncClient` on the wire; each test runs with both."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_client import (
    AsyncClient,
    Client,
    ConfigError,
    Conflict,
    InvalidRequest,
    NotFound,
    RateLimited,
    SubmitUncertain,
    TaskFailed,
    TransportError,
    UnexpectedReply,
    WaitTimeout,
)
from kling_contracts.vocabulary import TaskStatus
from tests.kling_client.conftest import KEY, TASK_ID, Body, Service, picture, shown

IMAGES = ["https://h/a.png", "https://h/b.png"]
QUERY = f"GET /kling/v1/images/generations/{TASK_ID}"
CREATE = "POST /kling/v1/images/generations"


def test_generate_wait_save_as_the_readme_has_it(service: Service, tmp_path: Path) -> None:
    """From image files to result files."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture())
    service.will(
        shown("submitted"),
        shown("processing"),
        shown("succeed", urls=["https://cdn.klingai.com/0.png"]),
        httpx.Response(200, content=picture(640, 480), headers={"content-type": "image/png"}),
    )
    updates: list[str] = []
    kling = service.client()
    task = kling.generate([tmp_path / "a.png", tmp_path / "b.png"], "the two at sea", aspect_ratio="3:2")
    assert (task.id, task.status) == (TASK_ID, "submitted")
    done = task.wait(on_update=lambda state: updates.append(state.status))
    (path,) = done.save(tmp_path / "out")
    assert path == tmp_path / "out" / f"{TASK_ID}-0.png"
    assert path.read_bytes() == picture(640, 480)
    assert updates == ["processing", "succeed"]
    assert service.calls == [CREATE, QUERY, QUERY, "GET /0.png"]
    assert service.times == [1000, 1000, 1001, 1001], "the first poll is immediate"


def test_the_request_on_the_wire(service: Service) -> None:
    """One JSON object, the key as a bearer token, and no request for compression."""
    service.will(shown())
    service.client().generate(IMAGES, "é", n=2)
    (request,) = service.requests
    assert json.loads(request.content) == {
        "subject_image_list": [{"subject_image": url} for url in IMAGES],
        "prompt": "é",
        "n": 2,
    }
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert int(request.headers["content-length"]) == len(request.content)


def test_an_invalid_request_is_sent_only_with_check_false(service: Service) -> None:
    service.will(shown())
    kling = service.client()
    with pytest.raises(InvalidRequest) as caught:
        kling.generate(["https://h/a.png"], n=10)
    assert [violation.rule.id for violation in caught.value.violations] == [
        "subject_image_list.min_items",
        "n.maximum",
    ]
    assert service.requests == []
    kling.generate(["https://h/a.png"], n=10, check=False)
    assert json.loads(service.requests[0].content)["n"] == 10


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000", "https://gw.example/mounted/"])
def test_the_base_url_leads_to_both_routes(service: Service, base_url: str) -> None:
    service.will(shown())
    service.client(base_url=base_url).generate(IMAGES).refresh()
    root = base_url.rstrip("/")
    assert [str(request.url) for request in service.requests] == [
        f"{root}/kling/v1/images/generations",
        f"{root}/kling/v1/images/generations/{TASK_ID}",
    ]


def test_key_and_address_come_from_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMETAPI_KEY", "sk-from-environment")
    monkeypatch.setenv("KLING_BASE_URL", "http://127.0.0.1:8000")
    service.will(shown())
    service.client(api_key=None).get(TASK_ID)
    (request,) = service.requests
    assert request.headers["authorization"] == "Bearer sk-from-environment"
    assert request.url.host == "127.0.0.1"


def test_without_a_key_there_is_no_client(service: Service) -> None:
    with pytest.raises(ConfigError, match="COMETAPI_KEY"):
        service.client(api_key=None)


def test_get_is_one_query(service: Service) -> None:
    service.will(shown("failed", task_status_msg="Image pixel is invalid"))
    found = service.client().get(TASK_ID)
    assert (found.status, found.failure) == (TaskStatus.FAILED, "Image pixel is invalid")
    assert service.calls == [QUERY]


def test_task_makes_no_request_and_knows_no_status(service: Service) -> None:
    handle = service.client().task(TASK_ID)
    assert (handle.id, handle.status, handle.images, handle.created_at) == (TASK_ID, None, (), None)
    assert service.requests == []
    with pytest.raises(ConfigError):
        service.client().task("")


def test_refresh_returns_a_new_snapshot_and_leaves_the_old_one_alone(service: Service) -> None:
    service.will(shown("submitted"), shown("processing"))
    first = service.client().generate(IMAGES)
    second = first.refresh()
    assert (first.status, second.status) == ("submitted", "processing")


def test_a_failed_task_is_an_error_of_wait_only(service: Service) -> None:
    """`refresh` and `updates` return it."""
    service.will(shown("failed", task_status_msg="Image pixel is invalid"))
    handle = service.client().task(TASK_ID)
    assert handle.refresh().status == "failed"
    assert [state.status for state in handle.updates()] == ["failed"]
    updates: list[Any] = []
    with pytest.raises(TaskFailed, match="Image pixel is invalid") as caught:
        handle.wait(on_update=updates.append)
    assert caught.value.task.id == TASK_ID
    assert [state.status for state in updates] == ["failed"]


def test_waiting_for_a_terminal_task_makes_no_request(service: Service) -> None:
    service.will(shown("succeed", urls=["https://h/0.png"]))
    done = service.client().get(TASK_ID)
    updates: list[Any] = []
    assert done.wait(on_update=updates.append).id == TASK_ID
    assert [state.status for state in done.updates()] == ["succeed"]
    assert len(updates) == 1
    assert service.calls == [QUERY]


def test_wait_reports_each_status_once_and_updates_each_change(service: Service) -> None:
    states = [shown("processing", updated_at=1774805076000 + at // 2) for at in range(6)]
    service.will(shown("submitted"), *states, shown("succeed", urls=["https://h/0.png"]))
    statuses: list[str] = []
    service.client().task(TASK_ID).wait(on_update=lambda state: statuses.append(str(state.status)))
    assert statuses == ["submitted", "processing", "succeed"]
    service.will(shown("submitted"), *states, shown("succeed", urls=["https://h/0.png"]))
    changes = [state.status for state in service.client().task(TASK_ID).updates()]
    assert changes == ["submitted", "processing", "processing", "processing", "succeed"]


def test_a_timeout_carries_the_task_and_says_how_to_resume(service: Service) -> None:
    service.will(shown("processing"))
    kling = service.client()
    with pytest.raises(TimeoutError) as caught:
        kling.generate(IMAGES).wait(deadline=20)
    error = caught.value
    assert isinstance(error, WaitTimeout)
    assert (error.task.id, error.task.status, error.waited) == (TASK_ID, "processing", 20)
    assert f"resume with client.task('{TASK_ID}').wait()" in str(error)
    service.will(shown("succeed", urls=["https://h/0.png"]))
    assert kling.task(error.task.id).wait().status == "succeed"


def test_updates_end_with_the_deadline_too(service: Service) -> None:
    service.will(shown("processing"))
    updates = service.client().task(TASK_ID).updates(deadline=20)
    assert next(updates).status == "processing"
    with pytest.raises(WaitTimeout):
        next(updates)


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("t"), httpx.RemoteProtocolError("p"), httpx.WriteError("w")]
)
def test_a_create_without_an_answer_is_uncertain_and_not_repeated(service: Service, error: Exception) -> None:
    service.will(error, shown())
    with pytest.raises(SubmitUncertain) as caught:
        service.client().generate(IMAGES, external_task_id="mine")
    assert caught.value.external_task_id == "mine"
    assert caught.value.__cause__ is error
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("c"), httpx.ConnectTimeout("t"), httpx.PoolTimeout("p")]
)
def test_a_create_that_found_no_connection_is_repeated(service: Service, error: Exception) -> None:
    service.will(error, error, shown())
    assert service.client().generate(IMAGES).id == TASK_ID
    assert service.time.sleeps == [0.5, 1.0]
    service.will(error)
    with pytest.raises(TransportError, match="nothing was sent"):
        service.client().generate(IMAGES)


def test_a_create_that_was_cut_in_its_answer_is_uncertain(service: Service) -> None:
    service.will(httpx.Response(200, headers={"content-length": "900"}, stream=Body(b'{"code": 0, "da')))
    with pytest.raises(SubmitUncertain, match="15 of 900 bytes"):
        service.client().generate(IMAGES)


def test_refusals_arrive_as_their_errors(service: Service) -> None:
    kling = service.client()
    service.will(
        httpx.Response(400, json={"code": "task_not_exist", "message": "task_not_exist", "data": None})
    )
    with pytest.raises(NotFound):
        kling.get("1")
    service.will(
        httpx.Response(
            400, json={"code": 1201, "message": "External_task_id a already exists", "request_id": "c"}
        )
    )
    with pytest.raises(Conflict) as conflict:
        kling.generate(IMAGES, external_task_id="a")
    assert conflict.value.request_id == "c"
    service.will(httpx.Response(429, json={"code": 1303, "message": "limit"}, headers={"retry-after": "2"}))
    with pytest.raises(RateLimited) as limited:
        kling.generate(IMAGES)
    assert limited.value.retry_after == 2
    assert service.time.sleeps == [2, 2, 2]


def test_redirects_of_the_service_are_not_followed(service: Service) -> None:
    """The key would be sent to another host."""
    service.will(httpx.Response(307, headers={"location": "https://elsewhere/"}))
    http = service.http(follow_redirects=True)
    with pytest.raises(UnexpectedReply, match="redirect to 'https://elsewhere/'"):
        service.client(http_client=http).get(TASK_ID)
    assert len(service.requests) == 1


def test_an_unknown_status_and_unknown_fields_survive(service: Service) -> None:
    service.will(shown("paused", brand_new={"a": 1}))
    found = service.client().get(TASK_ID)
    assert found.status == "paused"
    assert found.raw["brand_new"] == {"a": 1}
    assert not found.terminal


def test_the_timeout_of_a_request_is_clipped_by_what_is_left(service: Service) -> None:
    seen: list[float] = []

    def late(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        service.time.now += 14
        return shown("processing")

    service.will(late)
    with pytest.raises(WaitTimeout) as caught:
        service.client(timeout=30).task(TASK_ID).wait(deadline=40)
    assert seen == [30, 25, pytest.approx(9.5)]
    assert caught.value.waited == pytest.approx(44.5)


def test_time_is_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch of `time` or `asyncio` also affects clients created before it."""
    answers = Service("sync")
    answers.will(shown("processing"), shown("succeed", urls=["https://h/0.png"]))
    kling = Client(KEY, http_client=answers.http())
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert kling.task(TASK_ID).wait().status == "succeed"
    answers = Service("async")
    answers.will(shown("processing"), shown("succeed", urls=["https://h/0.png"]))
    asynchronous = AsyncClient(KEY, http_client=answers.http())

    real, here = asyncio.sleep, threading.get_ident()

    async def asleep(seconds: float) -> None:
        if threading.get_ident() != here:  # a server of another test, in a thread of this process
            return await real(seconds)
        return slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", asleep)
    asyncio.run(asynchronous.task(TASK_ID).wait())
    assert slept == [1.0, 1.0]
