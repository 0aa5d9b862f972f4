"""What the fake costs, as ratios to yardsticks that only answer. Run with `make bench`."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import socket
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import respx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.bare import CONSTANT
from contracts.sample_pictures import png
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

Run = Callable[[], object]


class Row(NamedTuple):
    """What was measured, beside which yardstick; the budget, the figure, and what it is in absolute terms."""

    what: str
    yardstick: str
    budget: str
    figure: str
    absolute: str


def cpu(run: Run) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def compare(ours: Run, yardstick: Run, per: int) -> tuple[str, str]:
    """The median ratio of the two taken in turn, and our median CPU time for one of `per` steps."""
    ours()
    yardstick()
    taken = [(cpu(ours), cpu(yardstick)) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / other for mine, other in taken)
    return f"{ratio:.2f}", f"{statistics.median(mine for mine, _ in taken) / per * 1e6:.0f} us"


def constant(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=CONSTANT)


def talk(client: httpx.Client, base: str = BASE, pairs: int = PAIRS) -> None:
    for _ in range(pairs):
        created = client.post(base + CREATE, json=BODY).json()
        client.get(f"{base}{CREATE}/{created['data']['task_id']}").json()


def async_talk(transport: httpx.AsyncBaseTransport) -> None:
    async def script() -> None:
        async with httpx.AsyncClient(transport=transport, headers=KEY) as client:
            for _ in range(PAIRS):
                created = (await client.post(BASE + CREATE, json=BODY)).json()
                (await client.get(f"{BASE}{CREATE}/{created['data']['task_id']}")).json()

    asyncio.run(script())


@contextmanager
def plain_respx() -> Iterator[None]:
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.cometapi.com").mock(side_effect=constant)
        yield


def in_process() -> Iterator[Row]:
    with ExitStack() as stack:
        ours = stack.enter_context(httpx.Client(transport=Fake().transport(), headers=KEY))
        floor = stack.enter_context(httpx.Client(transport=httpx.MockTransport(constant), headers=KEY))
        figures = compare(lambda: talk(ours), lambda: talk(floor), PAIRS)
        yield Row("transport(), sync: create and poll", "MockTransport", "1.15", *figures)
    figures = compare(
        lambda: async_talk(Fake().transport()), lambda: async_talk(httpx.MockTransport(constant)), PAIRS
    )
    yield Row("transport(), async: create and poll", "MockTransport", "1.15", *figures)
    with httpx.Client(headers=KEY) as client:

        def intercepted(open_door: Callable[[], AbstractContextManager[Any]]) -> None:
            with open_door():
                talk(client)

        figures = compare(
            lambda: intercepted(lambda: Fake().intercept()), lambda: intercepted(plain_respx), PAIRS
        )
        yield Row("intercept(): create and poll", "side_effect", "1.15", *figures)


def fixture() -> Iterator[Row]:
    def opened(open_door: Callable[[], AbstractContextManager[Any]]) -> None:
        for _ in range(50):
            with open_door():
                pass

    ratio, absolute = compare(lambda: opened(lambda: Fake().intercept()), lambda: opened(plain_respx), 50)
    yield Row("fixture: set-up and tear-down", "respx alone", "1000 us", absolute, f"{ratio} x respx")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A server in a process of its own, with the CPU time of its main thread."""

    def __init__(self, *words: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        began = time.perf_counter()
        command = [sys.executable, *(word.replace("PORT", str(self.port)) for word in words)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.cold = self._wait() - began

    def _wait(self) -> float:
        with httpx.Client(headers=KEY, transport=httpx.HTTPTransport(verify=False)) as client:
            while True:
                try:
                    client.post(self.url + CREATE, json=BODY)
                except httpx.ConnectError:
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
    if not Path("/proc/self/schedstat").exists():
        return
    mine, other = Process(*FAKE), Process(*BARE)
    try:
        with httpx.Client(headers=KEY, transport=httpx.HTTPTransport(verify=False)) as client:

            def spent(server: Process) -> float:
                began = server.cpu()
                talk(client, server.url)
                return server.cpu() - began

            spent(mine), spent(other)
            taken = [(spent(mine), spent(other)) for _ in range(ROUNDS)]
    finally:
        mine.stop()
        other.stop()
    ratio = statistics.median(ours / floor for ours, floor in taken)
    absolute = statistics.median(ours for ours, _ in taken) / PAIRS * 1e6
    yield Row("server, its CPU: create and poll", "bare ASGI", "1.30", f"{ratio:.2f}", f"{absolute:.0f} us")


def cold_start() -> Iterator[Row]:
    def cold(*words: str) -> float:
        server = Process(*words)
        server.stop()
        return server.cold

    cold(*FAKE), cold(*BARE)
    taken = [(cold(*FAKE), cold(*BARE)) for _ in range(5)]
    ratio = statistics.median(ours / floor for ours, floor in taken)
    absolute = statistics.median(ours for ours, _ in taken) * 1000
    yield Row("serve: cold to the first answer", "bare ASGI", "1.50", f"{ratio:.2f}", f"{absolute:.0f} ms")


def plugin() -> Iterator[Row]:
    """What everybody pays who has the package installed and does not use it: pytest imports the plugin.

    The import is timed inside the process. Whole runs of pytest differ by more from one to the next than
    what is looked for.
    """

    def spent(module: str) -> float:
        timed = f"began = time.process_time(); import {module}; print(time.process_time() - began)"
        code = f"import pytest, time; {timed}"
        run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return float(run.stdout)

    taken = [(spent("kling_mock.pytest_plugin"), spent("respx.plugin")) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(times) * 1000 for times in zip(*taken, strict=True))
    yield Row("pytest imports our plugin", "-", "10 ms", f"{ours:.1f} ms", f"respx {theirs:.0f} ms")


def memory() -> Iterator[Row]:
    count = 20_000
    many, few = Fake(pace="instant", journal_size=1), Fake(pace="instant")
    gc.collect()
    tracemalloc.start()
    for _ in range(count):
        many.handle(REQUEST)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield Row(
        "memory of a finished task", "-", "1.30 kB", f"{held / count / 1000:.2f} kB", f"{count:,} tasks"
    )
    few.handle(REQUEST)

    def queries(fake: Fake, task_id: str) -> Run:
        request = Request("GET", f"{CREATE}/{task_id}", headers=REQUEST.headers)
        return lambda: [fake.handle(request) for _ in range(1000)]

    figures = compare(queries(many, many.tasks[count // 2].id), queries(few, few.task.id), 1000)
    yield Row(f"a query among {count:,} tasks", "among one", "1.00", *figures)
    collected = cpu(gc.collect) * 1000
    yield Row(f"one full collection beside {count:,} tasks", "-", "-", f"{collected:.0f} ms", "")


def stalls() -> Iterator[Row]:
    """How long others wait in the loop while a create of 80 MB is answered."""
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
        f"longest stall under a create of {len(body) / 1e6:.0f} MB",
        "-",
        "100 ms",
        f"{max(gaps) * 1000:.0f} ms",
        "",
    )


PARTS: tuple[Callable[[], Iterator[Row]], ...] = (
    in_process,
    on_sockets,
    cold_start,
    plugin,
    fixture,
    memory,
    stalls,
)


def main() -> None:
    rows = [row for part in track(PARTS, "measuring", transient=True) for row in part()]
    table = Table(title="medians; ratios of CPU time, both sides in turn", title_justify="left")
    for name in ("what", "beside", "budget", "measured", "absolute"):
        table.add_column(name, justify="left" if name in ("what", "beside") else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    main()
