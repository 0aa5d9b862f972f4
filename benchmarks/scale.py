"""The cost of requests among many tasks, accounts and scripts, in each state: `python -m benchmarks.scale`.

Each size has a process of its own, which sends requests in turn with the process of the smallest size. Costs
are the CPU time of that process and of its Redis server. Prints a table, and writes docs/images/scale.svg.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import redis

from benchmarks import scale_plot
from benchmarks.processes import cpu_of
from benchmarks.scale_plot import Point
from kling_mock import Clock, Fake, Request
from kling_mock.plan import NEVER, Plan
from kling_mock.records import NewTask, TaskRecord
from kling_mock.stores import Change, Store
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.redis.store import RedisStore
from kling_mock.stores.sqlite import SqliteStore
from kling_mock.task_request import TaskRequest
from tests.kling_mock.stores.redis_server import redis_server

STATES: Final = ("memory", "SQLite", "Redis")
PATH: Final = "/kling/v1/images/generations"
LIST: Final = "/v1/images/multi-image2image"
BODY: Final = json.dumps(
    {"subject_image_list": [{"subject_image": f"https://pictures.test/{name}.png"} for name in "ab"]}
).encode()
KEY: Final = (("authorization", "Bearer sk-mock-a"),)
RETENTION: Final = 30 * 86_400.0
JOURNAL: Final = 2**20
REPEATED: Final = 200
ROUNDS: Final = 11
TOGETHER: Final = 500  # records of one commit


class Size(NamedTuple):
    tasks: int
    accounts: int = 1
    scripts: int = 1


# Each series begins with the size to which the others are compared.
SERIES: Final = {
    "tasks": [Size(1_000), Size(1_000), Size(10_000), Size(100_000), Size(1_000_000)],
    "accounts": [Size(10_000, 1), Size(10_000, 1), Size(10_000, 100), Size(10_000, 10_000)],
    "scripts": [Size(1_000, 1, 1), Size(1_000, 1, 1), Size(1_000, 1, 100), Size(1_000, 1, 1_000)],
}


# -- in the process of a size


def new_store(state: str, folder: str) -> Store:
    if state == "Redis":
        return RedisStore(redis_server().url(), retention=RETENTION, journal_bytes=JOURNAL)
    if state == "SQLite":
        return SqliteStore(f"{folder}/state.db", Clock(), retention=RETENTION, journal_bytes=JOURNAL)
    return MemoryStore(Clock(), retention=RETENTION, journal_bytes=JOURNAL)


def fill(store: Store, size: Size) -> None:
    """Create tasks: every second one is of the measured account, and one in a hundred is unfinished."""
    now = store.clock.now()
    records: list[NewTask] = []
    for number in range(1, size.tasks + 1):
        account = "sk-mock-a" if number % 2 else f"sk-mock-{number % size.accounts}"
        request = TaskRequest(("n", "external_task_id"), (1, f"id {number}"), ())
        record = TaskRecord(f"t{number}", account, number, "multi-image2image", request, now, "", 16)
        ends = NEVER if number % 100 == 0 else now
        records.append(NewTask(record, Plan(now, ends, counted=False, failure=None)))
        if len(records) == TOGETHER or number == size.tasks:
            store.commit(Change((), tuple(records)))
            records = []


def requests(size: Size) -> dict[str, Request]:
    task = size.tasks // 2 | 1
    last = min(size.tasks // 2 // 30, 1_000)
    return {
        "create": Request("POST", PATH, headers=KEY, body=BODY),
        "query": Request("GET", f"{PATH}/t{task}", headers=KEY),
        "first page": Request("GET", LIST, "pageSize=30", KEY),
        "last page": Request("GET", LIST, f"pageNum={last}&pageSize=30", KEY),
    }


def run(state: str, size: Size, orders: Connection) -> None:
    """Send the bytes of memory for a task, then for each order, a kind of request, its CPU time in us."""
    with TemporaryDirectory() as folder:
        client = redis.Redis(unix_socket_path=redis_server().socket) if state == "Redis" else None
        pid = 0 if client is None else client.info("server")["process_id"]
        store = new_store(state, folder)
        empty = _memory(client)
        fill(store, size)
        orders.send((_memory(client) - empty) / size.tasks)
        fake = Fake(store=store, slots=10**9, balance=10**9, pace="held", unused_scripts="ignore")
        for number in range(size.scripts):
            fake.when(prompt=f"dog {number}").fails("no luck")
        kinds = requests(size)
        gc.collect()
        while (kind := orders.recv()) is not None:
            began = time.process_time() + (cpu_of(pid) if pid else 0)
            for _ in range(REPEATED):
                reply = fake.handle(kinds[kind])
                if reply.status != 200:
                    raise RuntimeError(f"{kind}: {reply.body!r}")
            spent = time.process_time() + (cpu_of(pid) if pid else 0) - began
            orders.send(spent / REPEATED * 1e6)


def _memory(client: redis.Redis | None) -> int:
    if client is not None:
        used: int = client.info("memory")["used_memory"]
        return used
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


# -- in the process that compares


class Sized:
    """A process with a state of one size; `memory` is in bytes for each task."""

    def __init__(self, state: str, size: Size) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(state, size, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.memory: float = self._orders.recv()

    def spent(self, kind: str) -> float:
        """CPU time in us of a request of this kind."""
        self._orders.send(kind)
        found: float = self._orders.recv()
        return found

    def stop(self) -> None:
        self._orders.send(None)
        self._process.join()


@contextmanager
def sized(state: str, size: Size) -> Generator[Sized]:
    process = Sized(state, size)
    try:
        yield process
    finally:
        process.stop()


def compare(state: str, series: str, largest: int) -> Generator[Point]:
    """The points of one state in a series, each with the ratio to the first size."""
    first, *sizes = SERIES[series]
    with sized(state, first) as few:
        for size in sizes:
            if size.tasks > largest:
                continue
            with sized(state, size) as many:
                pairs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in requests(size)}
                for _ in range(ROUNDS):
                    for kind, found in pairs.items():
                        found.append((many.spent(kind), few.spent(kind)))
                for kind, found in pairs.items():
                    ratio = statistics.median(mine / other for mine, other in found)
                    cost = statistics.median(mine for mine, _ in found)
                    number: int = getattr(size, series)
                    yield Point(state, series, number, kind, ratio, cost, many.memory)


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(options: argparse.Namespace) -> None:
    points: list[Point] = []
    for series in SERIES:
        for state in options.states:
            found = list(compare(state, series, options.largest))
            points += found
            for number in sorted({each.number for each in found}):
                cells = [
                    f"{each.kind} {each.cost:.0f} us x{each.ratio:.2f}"
                    for each in found
                    if each.number == number
                ]
                memory = next(each.memory for each in found if each.number == number)
                _show(f"{state:7} {number:8} {series:9} {'   '.join(cells)}   {memory:.0f} bytes a task")
    if not options.no_plot:
        scale_plot.write(points)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("states", nargs="*", default=STATES)
    parser.add_argument("--largest", type=int, default=1_000_000, help="number of tasks")
    parser.add_argument("--no-plot", action="store_true")
    return parser


if __name__ == "__main__":
    main(options().parse_args())
