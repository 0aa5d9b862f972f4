"""Gateway "kling" with both clients: tokens on the wire, lists, external ids, and its rules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from kling_client import AuthError, ConfigError, InvalidRequest, UnexpectedReply, WaitTimeout
from kling_client.flows import listing
from kling_client.snapshot import TaskSnapshot
from kling_contracts.gateways import KLING
from tests.kling_client.conftest import TASK_ID, Blocking, Service, shown, task
from tests.kling_client.flow_run import Run, answer, config

ACCESS, SECRET = "ak-0123456789", "sc-0123456789-0123456789-0123456789"
ROUTE = "/v1/images/multi-image2image"
EXPIRED = httpx.Response(401, json={"code": 1004, "message": "The token has expired", "request_id": "r"})


def signing(service: Service, **options: Any) -> Any:
    return service.client(gateway="kling", api_key=None, access_key=ACCESS, secret_key=SECRET, **options)


def bearers(service: Service) -> list[str]:
    return [request.headers["authorization"] for request in service.requests]


# --- the gateway ------------------------------------------------------------------------------------------


def test_its_own_host_path_and_rules(service: Service) -> None:
    """One subject image and kling-v2-1 are valid there, and the scene field is `scene_image`."""
    service.will(shown())
    kling = service.client(gateway="kling")
    kling.generate(["https://h/a"], model="kling-v2-1", scene="https://h/s").refresh()
    assert [str(request.url) for request in service.requests] == [
        f"https://api-singapore.klingai.com{ROUTE}",
        f"https://api-singapore.klingai.com{ROUTE}/{TASK_ID}",
    ]
    assert json.loads(service.requests[0].content) == {
        "subject_image_list": [{"subject_image": "https://h/a"}],
        "model_name": "kling-v2-1",
        "scene_image": "https://h/s",
    }
    with pytest.raises(InvalidRequest):
        kling.generate([])
    comet = service.client()
    with pytest.raises(InvalidRequest, match="at least 2"):
        comet.generate(["https://h/a"])
    with pytest.raises(InvalidRequest, match="model"):
        comet.generate(["https://h/a", "https://h/b"], model="kling-v2-1")


def test_an_unknown_gateway_is_refused(service: Service) -> None:
    with pytest.raises(ConfigError, match="gateway: must be 'cometapi' or 'kling', not 'klingon'"):
        service.client(gateway="klingon")


def test_a_client_shows_its_gateway(service: Service) -> None:
    assert "gateway='kling'" in repr(signing(service))


# --- tokens -----------------------------------------------------------------------------------------------


def test_one_token_serves_many_requests(service: Service) -> None:
    service.will(shown())
    kling = signing(service)
    kling.generate(["https://h/a"]).refresh()
    kling.get(TASK_ID)
    assert len(set(bearers(service))) == 1
    assert bearers(service)[0].count(".") == 2


@pytest.mark.parametrize("act", ["generate", "get", "wait", "list"])
def test_an_expired_token_is_renewed_and_the_request_repeated_at_once(service: Service, act: str) -> None:
    """Also for a create: after a 401 no task was created."""
    answer = shown("succeed", urls=["https://h/0"]) if act != "list" else page([1])
    service.will(EXPIRED, answer)
    kling = signing(service)
    calls: dict[str, Any] = {
        "generate": lambda: kling.generate(["https://h/a"]),
        "get": lambda: kling.get(TASK_ID),
        "wait": lambda: kling.task(TASK_ID).wait(),
        "list": lambda: list(kling.list()),
    }
    calls[act]()
    first, second = service.requests
    assert (first.method, first.url, first.content) == (second.method, second.url, second.content)
    assert len(set(bearers(service))) == 2
    assert service.time.sleeps == []


@pytest.mark.parametrize("act", ["generate", "get", "wait"])
def test_a_renewed_token_that_is_refused_too_is_the_end(service: Service, act: str) -> None:
    service.will(EXPIRED)
    kling = signing(service)
    calls: dict[str, Any] = {
        "generate": lambda: kling.generate(["https://h/a"]),
        "get": lambda: kling.get(TASK_ID),
        "wait": lambda: kling.task(TASK_ID).wait(),
    }
    with pytest.raises(AuthError) as caught:
        calls[act]()
    assert caught.value.code == 1004
    assert len(service.requests) == 2


def test_a_long_wait_renews_as_often_as_tokens_expire(service: Service) -> None:
    """At most once for each poll, not once per client."""
    service.will(shown("processing"), EXPIRED, shown("processing"), EXPIRED, shown("failed"))
    assert [state.status for state in signing(service).task(TASK_ID).updates()] == ["processing", "failed"]
    assert len(set(bearers(service))) == 3


def test_the_next_request_goes_on_with_the_renewed_token(service: Service) -> None:
    service.will(EXPIRED, shown())
    kling = signing(service)
    kling.get(TASK_ID)
    kling.get(TASK_ID)
    first, second, third = bearers(service)
    assert first != second == third


@pytest.mark.parametrize(
    ("status", "code"), [(401, 1000), (401, 1002), (401, 1003), (403, 1004), (200, 1004), (401, 1103)]
)
def test_other_refusals_renew_nothing(service: Service, status: int, code: int) -> None:
    service.will(httpx.Response(status, json={"code": code, "message": "no"}))
    with pytest.raises(AuthError):
        signing(service).get(TASK_ID)
    assert len(service.requests) == 1


def test_a_plain_key_is_not_sent_twice(service: Service) -> None:
    service.will(EXPIRED)
    with pytest.raises(AuthError):
        service.client(gateway="kling").get(TASK_ID)
    assert len(service.requests) == 1


def test_a_token_that_ends_during_a_wait_is_replaced_before(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_client.credentials.time.time", lambda: 1_800_000_000 + service.time.now)
    service.will(shown("processing"))
    with pytest.raises(WaitTimeout):
        signing(service).task(TASK_ID).wait(deadline=3600)
    changes = [
        at
        for at, before, after in zip(service.times[1:], bearers(service), bearers(service)[1:], strict=False)
        if before != after
    ]
    assert len(changes) == 2
    assert all(0 <= late < 8 for late in (changes[0] - 1000 - 1740, changes[1] - changes[0] - 1740))


# --- external ids -----------------------------------------------------------------------------------------


def test_a_task_is_found_by_its_external_id_and_goes_on_with_its_own(service: Service) -> None:
    service.will(shown("processing", task_info={"external_task_id": "mine"}))
    kling = service.client(gateway="kling")
    found = kling.get("mine")
    assert (found.id, found.external_id) == (TASK_ID, "mine")
    found.refresh()
    service.will(
        shown("processing", task_info={"external_task_id": "mine"}),
        shown("succeed", urls=["https://h/0"], task_info={"external_task_id": "mine"}),
    )
    assert kling.task("mine").wait().id == TASK_ID
    assert [call.rpartition("/")[2] for call in service.calls] == ["mine", TASK_ID, "mine", TASK_ID]


def test_an_answer_about_another_task_is_refused(service: Service) -> None:
    service.will(shown("processing", task_info={"external_task_id": "yours"}))
    kling = service.client(gateway="kling")
    with pytest.raises(UnexpectedReply, match="not 'mine'"):
        kling.get("mine")
    with pytest.raises(UnexpectedReply):
        kling.task("mine").wait()


def test_where_external_ids_are_not_found_they_excuse_no_other_task(service: Service) -> None:
    service.will(shown("processing", task_info={"external_task_id": "mine"}))
    with pytest.raises(UnexpectedReply):
        service.client().get("mine")


# --- lists ------------------------------------------------------------------------------------------------


def page(numbers: Iterable[int]) -> httpx.Response:
    tasks = [task("succeed", task_id=str(number)) for number in numbers]
    return httpx.Response(200, json={"code": 0, "message": "SUCCEED", "request_id": "r", "data": tasks})


def paged(total: int) -> Any:
    """A service with `total` tasks, newest first."""

    def answer(request: httpx.Request) -> httpx.Response:
        number, size = int(request.url.params["pageNum"]), int(request.url.params["pageSize"])
        return page(range(total, 0, -1)[(number - 1) * size : number * size])

    return answer


@pytest.mark.parametrize(
    ("total", "size", "requests"),
    [(0, 30, 1), (1, 30, 1), (29, 30, 1), (30, 30, 2), (31, 30, 2), (7, 2, 4), (3, 1, 4)],
)
def test_all_tasks_are_listed_however_many_pages_they_take(
    service: Service, total: int, size: int, requests: int
) -> None:
    service.will(paged(total))
    found = list(service.client(gateway="kling").list(page_size=size))
    assert [each.id for each in found] == [str(number) for number in range(total, 0, -1)]
    assert [str(request.url.query, "ascii") for request in service.requests] == [
        f"pageNum={number}&pageSize={size}" for number in range(1, requests + 1)
    ]
    assert {request.url.path for request in service.requests} == {ROUTE}


def test_a_listed_task_is_a_handle(service: Service) -> None:
    service.will(page([7]))
    (found,) = service.client(gateway="kling").list()
    assert (found.id, found.status) == ("7", "succeed")
    service.will(shown("failed", task_id="7"))
    again = Blocking(found) if service.kind == "async" else found
    assert again.refresh().status == "failed"


def test_tasks_created_in_between_are_no_reason_to_list_one_twice(service: Service) -> None:
    """They shift earlier tasks to later pages."""
    service.will(page([4, 3]), page([3, 2]), page([4, 3]), page([1]))
    found = list(service.client(gateway="kling").list(page_size=2))
    assert [each.id for each in found] == ["4", "3", "2", "1"]


def test_a_service_that_ignores_the_page_number_is_not_asked_for_ever() -> None:
    run = Run()
    same = answer(200, {"code": 0, "data": [task()]})
    run.play(listing(config(run, gateway=KLING), TaskSnapshot(id=""), 1), [same])
    assert [each.id for each in run.shown] == [TASK_ID]
    assert len(run.calls) == 1000


def test_pages_are_asked_for_when_the_iterator_gets_there() -> None:
    service = Service("sync")
    service.will(paged(10))
    tasks = service.client(gateway="kling").list(page_size=2)
    assert service.requests == []
    assert [next(tasks).id for _ in range(2)] == ["10", "9"]
    assert len(service.requests) == 1
    next(tasks)
    assert len(service.requests) == 2


def test_a_list_is_repeated_like_any_query(service: Service) -> None:
    service.will(httpx.Response(503), httpx.ReadTimeout("t"), page([1]))
    assert [each.id for each in service.client(gateway="kling").list()] == ["1"]
    assert service.time.sleeps == [0.5, 1.0]


@pytest.mark.parametrize("data", [None, {}, "x", [{}], [None], [{"task_id": "1"}]])
def test_what_is_no_list_of_tasks_is_refused(service: Service, data: object) -> None:
    service.will(httpx.Response(200, json={"code": 0, "message": "SUCCEED", "data": data}))
    with pytest.raises(UnexpectedReply):
        list(service.client(gateway="kling").list())


@pytest.mark.parametrize("size", [0, -1, 501])
def test_a_page_size_out_of_range_is_refused_at_once(service: Service, size: int) -> None:
    with pytest.raises(ConfigError, match="from 1 to 500"):
        service.client(gateway="kling").list(page_size=size)


def test_where_nothing_can_be_listed_that_is_said_at_once(service: Service) -> None:
    with pytest.raises(ConfigError, match="CometAPI has no route that lists tasks"):
        service.client().list()
    assert service.requests == []
