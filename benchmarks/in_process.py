"""Cost of the mock inside the process of a test: transports, interception, fixture, memory and stalls."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

import httpx
import httpx2
import respx
from pytest_httpx import HTTPXMock
from pytest_httpx._options import _HTTPXMockOptions

from benchmarks.bare import CONSTANT
from benchmarks.measure import BASE, BODY, CREATE, KEY, PAIRS, REQUEST, Row, Run, compare, cpu, query_path
from kling_contracts.image_files import png
from kling_mock import Fake, Request


def constant(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=CONSTANT)


def constant2(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "application/json"}, content=CONSTANT)


def talk(client: httpx.Client | httpx2.Client, base: str = BASE, pairs: int = PAIRS) -> None:
    for _ in range(pairs):
        created = client.post(base + CREATE, json=BODY).json()
        client.get(base + query_path(created)).json()


def async_talk(transport: httpx.AsyncBaseTransport) -> None:
    async def script() -> None:
        async with httpx.AsyncClient(transport=transport, headers=KEY) as client:
            for _ in range(PAIRS):
                created = (await client.post(BASE + CREATE, json=BODY)).json()
                (await client.get(BASE + query_path(created))).json()

    asyncio.run(script())


@contextmanager
def plain_pytest_httpx() -> Iterator[None]:
    """The effect of its fixture, outside of a test."""
    theirs = HTTPXMock(_HTTPXMockOptions())
    theirs.add_callback(constant, is_reusable=True)

    def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        return theirs._handle_request(transport, request)  # noqa: SLF001 -- only its fixture is public

    with mock.patch.object(httpx.HTTPTransport, "handle_request", handle_request):
        yield


@contextmanager
def plain_respx() -> Iterator[None]:
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.cometapi.com").mock(side_effect=constant)
        yield


def in_process() -> Iterator[Row]:
    for library, answer in ((httpx, constant), (httpx2, constant2)):
        name = library.__name__
        with ExitStack() as stack:
            ours = stack.enter_context(library.Client(transport=Fake().transport(), headers=KEY))
            floor = stack.enter_context(library.Client(transport=library.MockTransport(answer), headers=KEY))
            plain = stack.enter_context(library.Client(headers=KEY))

            def direct(floor: httpx.Client | httpx2.Client = floor) -> None:
                talk(floor)

            def opened(
                open_door: Callable[[], AbstractContextManager[Any]],
                client: httpx.Client | httpx2.Client = plain,
            ) -> None:
                with open_door():
                    talk(client)

            ratio, spent = compare(lambda client=ours: talk(client), direct, PAIRS)
            yield Row(
                f"{name}, transport(): create and poll", "MockTransport", 1.20, ratio, "", f"{spent:.0f} us"
            )
            ratio, spent = compare(lambda run=opened: run(lambda: Fake().intercept()), direct, PAIRS)
            yield Row(
                f"{name}, intercept(): create and poll", "MockTransport", 1.25, ratio, "", f"{spent:.0f} us"
            )
            if library is httpx:
                for other, mocked in (("pytest-httpx", plain_pytest_httpx), ("respx", plain_respx)):
                    ratio, spent = compare(lambda run=opened, door=mocked: run(door), direct, PAIRS)
                    yield Row(
                        f"{other}, a constant answer", "MockTransport", None, ratio, "", f"{spent:.0f} us"
                    )
    ratio, spent = compare(
        lambda: async_talk(Fake().transport()), lambda: async_talk(httpx.MockTransport(constant)), PAIRS
    )
    yield Row("httpx, transport(), async", "MockTransport", 1.20, ratio, "", f"{spent:.0f} us")


def fixture() -> Iterator[Row]:
    def opened(open_door: Callable[[], AbstractContextManager[Any]]) -> None:
        for _ in range(50):
            with open_door():
                pass

    ratio, spent = compare(lambda: opened(lambda: Fake().intercept()), lambda: opened(plain_respx), 50)
    yield Row("fixture: set-up and tear-down", "respx alone", 1000, spent, "us", f"{ratio:.2f} x respx")


def memory() -> Iterator[Row]:
    count = 20_000
    many, few = Fake(pace="instant", journal_bytes=1), Fake(pace="instant")
    gc.collect()
    tracemalloc.start()
    for _ in range(count):
        many.handle(REQUEST)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield Row("memory of a finished task", "-", 1.30, held / count / 1000, "kB", f"{count:,} tasks")
    few.handle(REQUEST)

    def queries(fake: Fake, task_id: str) -> Run:
        request = Request("GET", f"{CREATE}/{task_id}", headers=REQUEST.headers)
        return lambda: [fake.handle(request) for _ in range(1000)]

    ratio, spent = compare(queries(many, many.tasks[count // 2].id), queries(few, few.task.id), 1000)
    yield Row(f"a query among {count:,} tasks", "among one", 1.10, ratio, "", f"{spent:.0f} us")
    collected = cpu(gc.collect) * 1000
    yield Row(f"a full collection beside {count:,} tasks", "-", None, collected, "ms", "")


def stalls() -> Iterator[Row]:
    """The longest stall of the event loop during a create request of 80 MB."""
    large = base64.b64encode(png(300, 300, size=10 * 1024 * 1024)).decode()
    subjects = [{"subject_image": large}] * 4
    body = json.dumps({"subject_image_list": subjects, "scence_image": large, "style_image": large}).encode()
    app = Fake().asgi()
    gaps: list[float] = []

    async def beat() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - began)

    async def script() -> None:
        pulse = asyncio.create_task(beat())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), headers=KEY, base_url=BASE
        ) as client:
            answer = await client.post(CREATE, content=body)
            answer.raise_for_status()
        pulse.cancel()

    asyncio.run(script())
    yield Row(
        f"longest stall under a create of {len(body) / 1e6:.0f} MB", "-", 100, max(gaps) * 1000, "ms", ""
    )
