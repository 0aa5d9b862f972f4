"""`Client` and `AsyncClient` on the wire: one body of each test, run with both."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.messages import TaskMessage
from contracts.vocabulary import TaskStatus
from kling_client import (
    AsyncClient,
    AsyncTask,
    Client,
    ConfigError,
    Conflict,
    InvalidRequest,
    NotFound,
    RateLimited,
    SubmitUncertain,
    Task,
    TaskFailed,
    TransportError,
    UnexpectedReply,
    WaitTimeout,
    parse_callback,
)
from tests.kling_client.conftest import KEY, TASK_ID, Blocking, Body, Service, picture, shown, task

IMAGES = ["https://h/a.png", "https://h/b.png"]
QUERY = f"GET /kling/v1/images/generations/{TASK_ID}"
CREATE = "POST /kling/v1/images/generations"


def test_generate_wait_save_as_the_readme_has_it(service: Service, tmp_path: Path) -> None:
    """Files in, files out."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture())
    service.will(
        shown("submitted"),
        shown("processing"),
        shown("succeed", urls=["https://cdn.klingai.com/0.png"]),
        httpx.Response(200, content=picture(640, 480), headers={"content-type": "image/png"}),
    )
    told: list[str] = []
    kling = service.client()
    task = kling.generate([tmp_path / "a.png", tmp_path / "b.png"], "the two at sea", aspect_ratio="3:2")
    assert (task.id, task.status) == (TASK_ID, "submitted")
    done = task.wait(on_update=lambda state: told.append(state.status))
    (path,) = done.save(tmp_path / "out")
    assert path == tmp_path / "out" / f"{TASK_ID}-0.png"
    assert path.read_bytes() == picture(640, 480)
    assert told == ["processing", "succeed"]
    assert service.calls == [CREATE, QUERY, QUERY, "GET /0.png"]
    assert service.times == [1000, 1000, 1001, 1001], "the first poll comes at once"


def test_the_request_on_the_wire(service: Service) -> None:
    """One JSON object with the key as a bearer token, and no compression asked for."""
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


def test_nothing_is_sent_that_the_contract_refuses_unless_told_to(service: Service) -> None:
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
    """`refresh` and `updates` just show it."""
    service.will(shown("failed", task_status_msg="Image pixel is invalid"))
    handle = service.client().task(TASK_ID)
    assert handle.refresh().status == "failed"
    assert [state.status for state in handle.updates()] == ["failed"]
    told: list[Any] = []
    with pytest.raises(TaskFailed, match="Image pixel is invalid") as caught:
        handle.wait(on_update=told.append)
    assert caught.value.task.id == TASK_ID
    assert [state.status for state in told] == ["failed"]


def test_waiting_for_a_task_that_has_ended_asks_nobody(service: Service) -> None:
    service.will(shown("succeed", urls=["https://h/0.png"]))
    done = service.client().get(TASK_ID)
    told: list[Any] = []
    assert done.wait(on_update=told.append).id == TASK_ID
    assert [state.status for state in done.updates()] == ["succeed"]
    assert len(told) == 1
    assert service.calls == [QUERY]


def test_wait_tells_each_status_once_and_updates_each_change(service: Service) -> None:
    states = [shown("processing", updated_at=1774805076000 + at // 2) for at in range(6)]
    service.will(shown("submitted"), *states, shown("succeed", urls=["https://h/0.png"]))
    told: list[str] = []
    service.client().task(TASK_ID).wait(on_update=lambda state: told.append(str(state.status)))
    assert told == ["submitted", "processing", "succeed"]
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
    """The key would go along."""
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


def test_an_injected_http_client_keeps_its_headers_but_not_its_auth(service: Service) -> None:
    """Its own credentials would replace the key."""
    service.will(shown())
    http = service.http(headers={"X-Org": "o", "Authorization": "Bearer other"}, auth=("user", "pass"))
    service.client(http_client=http).get(TASK_ID)
    (request,) = service.requests
    assert request.headers["x-org"] == "o"
    assert request.headers.get_list("authorization") == [f"Bearer {KEY}"]


def test_closing_leaves_an_injected_http_client_open(service: Service) -> None:
    http = service.http()
    kling = service.client(http_client=http)
    kling.close()
    kling.close()
    assert not http.is_closed
    service.will(shown())
    assert kling.get(TASK_ID).id == TASK_ID


def test_an_own_http_client_is_closed_with_the_client_and_closing_twice_is_harmless() -> None:
    with Client(KEY) as kling:
        pass
    kling.close()
    with pytest.raises(ConfigError, match="closed"):
        kling.get(TASK_ID)

    async def session() -> None:
        async with AsyncClient(KEY) as kling:
            pass
        await kling.close()
        with pytest.raises(ConfigError, match="closed"):
            await kling.get(TASK_ID)

    asyncio.run(session())


def test_an_http_client_of_the_wrong_kind_is_refused() -> None:
    asynchronous: Any = httpx.AsyncClient()
    with pytest.raises(ConfigError, match=r"httpx\.Client"):
        Client(KEY, http_client=asynchronous)
    with httpx.Client() as blocking, pytest.raises(ConfigError, match=r"httpx\.AsyncClient"):
        AsyncClient(KEY, http_client=blocking)  # type: ignore[arg-type]  # the point


def test_a_client_is_shown_without_its_key_and_cannot_be_pickled(service: Service) -> None:
    kling = service.client()
    assert KEY not in repr(kling)
    assert "base_url='https://api.cometapi.com'" in repr(kling)
    with pytest.raises(TypeError, match="key"):
        pickle.dumps(kling.inner if isinstance(kling, Blocking) else kling)


def test_time_is_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that patches `time` or `asyncio` reaches clients made before."""
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
        if threading.get_ident() != here:  # the server of another test lives in this process, and ticks
            return await real(seconds)
        return slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", asleep)
    asyncio.run(asynchronous.task(TASK_ID).wait())
    assert slept == [1.0, 1.0]


# --- two kinds, one behaviour -----------------------------------------------------------------------------


def _public(kind: type) -> dict[str, object]:
    """Signatures without annotations: those differ in the kind of task and in being awaitable."""
    found: dict[str, object] = {}
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__init__"):
            parameters = inspect.signature(member).parameters.values()
            ours = [(each.name, each.kind, each.default) for each in parameters]
            # The default sleeps differ by nature.
            found[name] = [each[:2] if each[0] in ("sleep", "driver") else each for each in ours]
    return found


@pytest.mark.parametrize(("blocking", "awaitable"), [(Client, AsyncClient), (Task, AsyncTask)])
def test_both_kinds_have_the_same_public_signatures(blocking: type, awaitable: type) -> None:
    assert _public(blocking) == _public(awaitable)
    assert len(_public(blocking)) > 4


def test_both_kinds_do_the_same_on_the_wire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Same script, same requests byte for byte, same pauses, same results."""
    monkeypatch.delenv("KLING_BASE_URL", raising=False)

    def run(kind: str) -> object:
        service = Service(kind)
        service.will(
            httpx.ConnectError("c"),
            shown("submitted"),
            httpx.ReadTimeout("t"),
            httpx.Response(429, json={"code": 1302, "message": "slow"}, headers={"retry-after": "4"}),
            shown("processing"),
            shown("succeed", urls=["https://h/0", "https://h/1"]),
            httpx.Response(503),
            httpx.Response(200, content=picture()),
        )
        paths = service.client().generate(IMAGES, "p").wait().save(tmp_path / kind)
        asked = [
            (request.method, str(request.url), sorted(request.headers.items()), request.content)
            for request in service.requests
        ]
        return asked, service.time.sleeps, [(path.name, path.read_bytes()) for path in paths]

    assert run("sync") == run("async")


def test_an_awaitable_on_update_is_awaited() -> None:
    service = Service("async")
    service.will(shown("submitted"), shown("succeed", urls=["https://h/0.png"]))
    told: list[object] = []

    async def tell(state: AsyncTask) -> None:
        await asyncio.sleep(0)
        told.append(state.status)

    service.client().task(TASK_ID).wait(on_update=tell)
    assert told == ["submitted", "succeed"]


def _numbered(request: httpx.Request) -> httpx.Response:
    task_id = request.url.path.rpartition("/")[2]
    return httpx.Response(
        200, json={"code": 0, "data": task("succeed", task_id=task_id, urls=["https://h/0"])}
    )


def test_a_thousand_waits_on_one_loop_do_not_meet() -> None:
    async def all_of_them() -> list[AsyncTask]:
        polls: dict[str, int] = {}

        def answer(request: httpx.Request) -> httpx.Response:
            path = request.url.path
            polls[path] = polls.get(path, 0) + 1
            task_id = path.rpartition("/")[2]
            state = "succeed" if polls[path] == 2 else "processing"
            return httpx.Response(200, json={"code": 0, "data": task(state, task_id=task_id)})

        async def asleep(_: float) -> None:
            await asyncio.sleep(0)

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            kling = AsyncClient(KEY, http_client=http, sleep=asleep)
            return await asyncio.gather(*(kling.task(str(number)).wait() for number in range(1000)))

    assert [state.id for state in asyncio.run(all_of_them())] == [str(number) for number in range(1000)]


def test_threads_may_share_a_client() -> None:
    found: dict[int, str] = {}
    with httpx.Client(transport=httpx.MockTransport(_numbered)) as http:
        kling = Client(KEY, http_client=http)

        def ask(number: int) -> None:
            found[number] = kling.get(str(number)).id

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {number: str(number) for number in range(20)}


def test_a_cancelled_wait_asks_nothing_more_and_leaves_no_task_behind() -> None:
    service = Service("async")
    asked = asyncio.Event()

    def answer(_: httpx.Request) -> httpx.Response:
        asked.set()
        return shown("processing")

    service.will(answer)

    async def session() -> None:
        kling = AsyncClient(KEY, http_client=service.http())
        waiting = asyncio.create_task(kling.task(TASK_ID).wait())
        await asyncio.wait_for(asked.wait(), 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(session())
    assert len(service.requests) == 1


# --- callbacks ----------------------------------------------------------------------------------------------


def test_a_callback_is_a_bare_task() -> None:
    wire = task("succeed", urls=["https://h/0.png"], final_unit_deduction="16")
    message = parse_callback(json.dumps(wire))
    assert message == parse_callback(json.dumps(wire).encode()) == TaskMessage.from_wire(wire)


@pytest.mark.parametrize("body", [b"", b"\xff", "<html>", "[]", '{"code": 0, "data": {}}', b"[" * 100_000])
def test_what_is_no_callback_is_refused(body: bytes | str) -> None:
    with pytest.raises(UnexpectedReply):
        parse_callback(body)
