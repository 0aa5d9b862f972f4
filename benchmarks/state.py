"""Cost of a state file, beside the memory store; the start with many tasks. Part of `make bench`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import CREATE, REQUEST, Row, compare
from kling_mock import Fake, Request

TASKS = 100_000
EACH = 500


def state() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        yield from _requests(Path(folder) / "requests.db")
        yield _start(Path(folder) / "start.db")


def _requests(path: Path) -> Iterator[Row]:
    with Fake(state=path) as kept, Fake() as fast:

        def creates(fake: Fake) -> None:
            for _ in range(EACH):
                fake.handle(REQUEST)

        ratio, spent = compare(lambda: creates(kept), lambda: creates(fast), EACH)
        yield Row("state file: a create", "memory", 3.0, ratio, "", f"{spent:.0f} us")
        asked = {
            fake: [
                Request("GET", f"{CREATE}/{task.id}", headers=REQUEST.headers) for task in fake.tasks[-EACH:]
            ]
            for fake in (kept, fast)
        }

        def polls(fake: Fake) -> None:
            for request in asked[fake]:
                fake.handle(request)

        ratio, spent = compare(lambda: polls(kept), lambda: polls(fast), EACH)
        yield Row("state file: a query", "memory", 2.5, ratio, "", f"{spent:.0f} us")


def _start(path: Path) -> Row:
    """The time until a fake can answer; its journal is as large as it may be."""
    with Fake(state=path, pace="polls:2") as fake:
        for _ in range(TASKS):
            fake.handle(REQUEST)
    taken: list[tuple[float, float]] = []
    for _ in range(3):
        began, used = time.perf_counter(), time.process_time()
        with Fake(state=path, pace="polls:2"):
            taken.append((time.perf_counter() - began, time.process_time() - used))
    seconds, cpu = min(taken)
    return Row(f"state file: start with {TASKS:,} tasks", "-", 1500, seconds * 1000, "ms", f"CPU {cpu:.2f} s")
