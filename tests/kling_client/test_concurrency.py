"""`Client` and `AsyncClient` behave alike; concurrent waits, threads and cancellation are independent."""

from __future__ import annotations

import asyncio
import inspect
import threading
from pathlib import Path

import httpx
import pytest

from kling_client import (
    AsyncClient,
    AsyncTask,
    Client,
    Task,
)
from tests.kling_client.conftest import KEY, TASK_ID, Service, picture, shown, task

IMAGES = ["https://h/a.png", "https://h/b.png"]


def _public(kind: type) -> dict[str, object]:
    """Signatures without annotations, which differ in the kind of task and in awaitables."""
    found: dict[str, object] = {}
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__init__"):
            parameters = inspect.signature(member).parameters.values()
            ours = [(each.name, each.kind, each.default) for each in parameters]
            # The defaults of `sleep` and `driver` differ between the two kinds.
            found[name] = [each[:2] if each[0] in ("sleep", "driver") else each for each in ours]
    return found


@pytest.mark.parametrize(("blocking", "awaitable"), [(Client, AsyncClient), (Task, AsyncTask)])
def test_both_kinds_have_the_same_public_signatures(blocking: type, awaitable: type) -> None:
    assert _public(blocking) == _public(awaitable)
    assert len(_public(blocking)) > 4


def test_both_kinds_do_the_same_on_the_wire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same script leads to identical requests, pauses and results."""
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
    statuses: list[object] = []

    async def record(state: AsyncTask) -> None:
        await asyncio.sleep(0)
        statuses.append(state.status)

    service.client().task(TASK_ID).wait(on_update=record)
    assert statuses == ["submitted", "succeed"]


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
