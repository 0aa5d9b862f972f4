"""Cost of the mock, as ratios to reference servers with constant responses: `make bench`."""

from __future__ import annotations

import asyncio
import atexit
import base64
import gc
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import httpx
import httpx2
import respx
from pytest_httpx import HTTPXMock
from pytest_httpx._options import _HTTPXMockOptions
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import growth
from benchmarks.bare import CONSTANT
from kling_contracts.image_files import png
from kling_mock import Fake, Request

BASE = "https://api.cometapi.com"
CREATE = "/kling/v1/images/generations"
KEY = {"authorization": "Bearer sk-mock"}
BODY = {
    "subject_image_list": [{"subject_image": f"https://example.com/pictures/{name}.png"} for name in "abcd"],
    "prompt": "the two of them at sea, watercolour, late afternoon light, a lighthouse far away",
    "aspect_ratio": "3:2",
    "n": 1,
}
REQUEST = Request(
    "POST", CREATE, headers=(("authorization", "Bearer sk-mock"),), body=json.dumps(BODY).encode()
)
ROUNDS = 11
PAIRS = 150
# A time limit that no measured process reaches, even under load.
PATIENCE = 30.0

_queries = itertools.count()

Run = Callable[[], object]


class Row(NamedTuple):
    """One measurement: its value, unit ("" for a ratio) and budget, if any."""

    what: str
    yardstick: str
    budget: float | None
    figure: float
    unit: str
    beside: str

    def cells(self) -> tuple[str, ...]:
        """The cells of the table. Whether the budget is met depends on the rounded value."""
        digits = {"us": 0 if self.figure >= 10 else 2, "ms": 1}.get(self.unit, 2)
        measured = f"{self.figure:.{digits}f}"
        budget, met = "-", "-"
        if self.budget is not None:
            budget = f"{self.budget:.{digits}f} {self.unit}"
            met = "yes" if float(measured) <= self.budget else "no"
        return self.what, self.yardstick, budget, f"{measured} {self.unit}", met, self.beside


def cpu(run: Run) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def compare(ours: Run, yardstick: Run, per: int) -> tuple[float, float]:
    """Interleaved runs of both: the median ratio, and the median CPU time of `ours` in us per step."""
    ours()
    yardstick()
    taken = [(cpu(ours), cpu(yardstick)) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / other for mine, other in taken)
    return ratio, statistics.median(mine for mine, _ in taken) / per * 1e6


def constant(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=CONSTANT)


def constant2(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "application/json"}, content=CONSTANT)


def query_path(created: dict[str, Any]) -> str:
    """The query path of a task. URLs must differ, since clients cache parsed URLs."""
    return f"{CREATE}/{created['data']['task_id']}?{next(_queries)}"


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
    """What its fixture does, outside of a test."""
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


@cache
def environment() -> dict[str, str]:
    """Environment variables that let all processes use cached bytecode."""
    folder = tempfile.TemporaryDirectory(prefix="kling-mock-bench-")
    atexit.register(folder.cleanup)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | {"PYTHONPYCACHEPREFIX": folder.name}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A server process, with the CPU time of its main thread."""

    def __init__(self, *words: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        began = time.perf_counter()
        command = [sys.executable, *(word.replace("PORT", str(self.port)) for word in words)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
        try:
            self.cold = self._wait(began + PATIENCE) - began
        except BaseException:
            self.stop()
            raise

    def _wait(self, deadline: float) -> float:
        with httpx.Client(headers=KEY, transport=httpx.HTTPTransport(verify=False)) as client:
            while True:
                try:
                    client.post(self.url + CREATE, json=BODY).raise_for_status()
                except httpx.ConnectError as error:
                    if self.process.poll() is not None or time.perf_counter() > deadline:
                        raise RuntimeError(f"no response from {self.process.args!r}") from error
                    time.sleep(0.002)
                else:
                    return time.perf_counter()

    def cpu(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


FAKE = ("-m", "kling_mock", "serve", "--quiet", "--port", "PORT")
BARE = ("-m", "benchmarks.bare", "PORT")


def on_sockets() -> Iterator[Row]:
    """CPU time of the server for creates and for polls, each beside a bare ASGI callable under uvicorn."""
    if not Path("/proc/self/schedstat").exists():
        return
    mine, other = Process(*FAKE), Process(*BARE)
    try:
        with httpx.Client(headers=KEY, transport=httpx.HTTPTransport(verify=False)) as client:

            def create(server: Process) -> str:
                return query_path(client.post(server.url + CREATE, json=BODY).json())

            def spent(server: Process, path: str | None) -> float:
                began = server.cpu()
                for _ in range(PAIRS * 2):
                    if path is None:
                        create(server)
                    else:
                        client.get(f"{server.url}{path}{next(_queries)}")
                return server.cpu() - began

            ours, theirs = create(mine), create(other)
            for what, budget, paths in (("create", 1.30, (None, None)), ("poll", 1.10, (ours, theirs))):
                spent(mine, paths[0]), spent(other, paths[1])
                taken = [(spent(mine, paths[0]), spent(other, paths[1])) for _ in range(ROUNDS)]
                ratio = statistics.median(mine_spent / floor for mine_spent, floor in taken)
                each, floor = (
                    statistics.median(times) / PAIRS / 2 * 1e6 for times in zip(*taken, strict=True)
                )
                beside = f"{each:.0f} us; {floor:.0f} us"
                yield Row(f"server, its CPU: {what}", "bare ASGI", budget, ratio, "", beside)
    finally:
        mine.stop()
        other.stop()


def cold_start() -> Iterator[Row]:
    def cold(*words: str) -> float:
        server = Process(*words)
        server.stop()
        return server.cold

    cold(*FAKE), cold(*BARE)  # for the bytecode
    taken = [(cold(*FAKE), cold(*BARE)) for _ in range(ROUNDS)]
    ratio = statistics.median(ours / floor for ours, floor in taken)
    each = statistics.median(ours for ours, _ in taken) * 1000
    yield Row("serve: cold to the first answer", "bare ASGI", 1.50, ratio, "", f"{each:.0f} ms")


def plugin() -> Iterator[Row]:
    """Cost of an installed but unused plugin: the time of its import by pytest.

    The import is timed inside the process, since whole runs of pytest vary by more than the import takes.
    """

    def spent(module: str) -> float:
        timed = f"began = time.process_time(); import {module}; print(time.process_time() - began)"
        code = f"import pytest, time; {timed}"
        command = [sys.executable, "-c", code]
        run = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment(), timeout=PATIENCE
        )
        return float(run.stdout)

    spent("kling_mock.pytest_plugin, respx.plugin")  # for the bytecode
    taken = [(spent("kling_mock.pytest_plugin"), spent("respx.plugin")) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(times) * 1000 for times in zip(*taken, strict=True))
    yield Row("pytest imports our plugin", "-", 10, ours, "ms", f"respx {theirs:.0f} ms")


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


def costs_that_do_not_grow() -> Iterator[Row]:
    for each in growth.rows():
        beside = "-" if each.unit else f"{growth.FEW}"
        yield Row(each.what, beside, each.budget, each.figure, each.unit, f"{each.spent:.0f} us")


PARTS: tuple[Callable[[], Iterator[Row]], ...] = (
    in_process,
    on_sockets,
    cold_start,
    plugin,
    fixture,
    memory,
    stalls,
    costs_that_do_not_grow,
)


def main() -> None:
    rows = [row for part in track(PARTS, "measuring", transient=True) for row in part()]
    table = Table(title="medians; ratios of CPU time, both sides in turn", title_justify="left")
    for name in ("what", "beside", "budget", "measured", "met", "absolute"):
        table.add_column(name, justify="left" if name in ("what", "beside") else "right")
    for row in rows:
        table.add_row(*row.cells())
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    main()
