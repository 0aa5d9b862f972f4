"""Costs that must not grow with the number of tasks or scripts, measured on the core; part of `make bench`.

Each row times one kind of request in two fakes in turn: one has 100,000 tasks (or 1,000 scripts), the other
100.
"""

from __future__ import annotations

import gc
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks import measure
from benchmarks.measure import Run
from kling_mock import Fake, ManualClock, Request

MANY = 100_000
FEW = 100
SCRIPTS_MANY = 1_000
SCRIPTS_FEW = 100
EXPIRED_MANY = 20_000
BUDGET = 1.20
GLOB_BUDGET = 0.2

CREATE = "/v1/images/multi-image2image"
KEY = (("authorization", "Bearer sk-mock"), ("host", "api.klingai.com"))
URLS = [{"subject_image": f"https://example.com/pictures/{name}.png"} for name in "ab"]

_numbers = itertools.count()


class Growth(NamedTuple):
    """One measurement: budget, the ratio many / few (or a value in `unit`), and the cost among many in us."""

    what: str
    budget: float
    figure: float
    spent: float
    unit: str = ""


def create(prompt: str = "two at sea", **fields: object) -> Request:
    body = {"subject_image_list": URLS, "prompt": prompt, **fields}
    return Request("POST", CREATE, headers=KEY, body=json.dumps(body).encode())


def filled(count: int, **switches: Any) -> Fake:
    """A fake with `count` tasks in one account; its journal keeps one call."""
    fake = Fake(clock=ManualClock(), journal_bytes=1, **switches)
    request = create()
    for _ in range(count):
        succeed(fake, request)
    return fake


def succeed(fake: Fake, request: Request) -> None:
    reply = fake.handle(request)
    if reply.status != 200:
        raise RuntimeError(f"the timed request was refused: {reply.body!r}")


def compare(many: Run, few: Run, times: int = 300) -> tuple[float, float]:
    """The median ratio of the costs of one call, and the median cost of `many` in us."""

    def repeated(call: Run) -> Run:
        return lambda: [call() for _ in range(times)]

    return measure.compare(repeated(many), repeated(few), times)


def asking(fake: Fake, make: Callable[[], Request]) -> Run:
    return lambda: succeed(fake, make())


def among_tasks() -> Iterator[Growth]:
    many, few = filled(MANY, pace="instant"), filled(FEW, pace="instant")

    def row(what: str, make: Callable[[Fake], Callable[[], Request]], times: int = 300) -> Growth:
        return Growth(
            f"{what} among {MANY:,} tasks",
            BUDGET,
            *compare(asking(many, make(many)), asking(few, make(few)), times),
        )

    def query(fake: Fake) -> Callable[[], Request]:
        task_id = fake.tasks[len(fake.tasks) // 2].id
        return lambda: Request("GET", f"{CREATE}/{task_id}", headers=KEY)

    yield row("a query", query)
    pages = {"the first page of 30": 1, "the last page of 30": 3}
    for what, number in pages.items():
        page = {many: len(many.tasks) // 30 if number > 1 else 1, few: number}
        yield row(
            what,
            lambda fake, page=page: (
                lambda: Request("GET", CREATE, f"pageNum={min(page[fake], 1000)}&pageSize=30", headers=KEY)
            ),
            30,
        )
    rates = dict.fromkeys(("rate", "rate_total"), f"{10**9}/60")
    limits: dict[str, dict[str, Any]] = {
        "slots": {"slots": 10**9},
        "balance": {"balance": 10**9},
        "all limits": {
            "slots": 10**9,
            "slots_total": 10**9,
            "packs": [10**9],
            "balance_total": 10**9,
            **rates,
        },
    }
    for setting, limit in limits.items():
        crowded, empty = filled(MANY, pace="held", **limit), filled(FEW, pace="held", **limit)
        figures = compare(asking(crowded, create), asking(empty, create))
        yield Growth(f"a create with {setting} among {MANY:,} unfinished tasks", BUDGET, *figures)


def among_scripts() -> Iterator[Growth]:
    def scripted(count: int, pattern: str) -> Fake:
        fake = Fake(clock=ManualClock(), journal_bytes=1, pace="instant")
        for number in range(count):
            fake.when(prompt=pattern.format(number)).fails("Image pixel is invalid")
        return fake

    def fresh() -> Request:
        return create(prompt=f"picture {next(_numbers)} of two at sea, watercolour, soft light, dawn " * 4)

    many, few = (scripted(count, "exactly {}") for count in (SCRIPTS_MANY, SCRIPTS_FEW))
    figures = compare(asking(many, fresh), asking(few, fresh))
    yield Growth(f"a create with {SCRIPTS_MANY:,} scripts, exact criteria", BUDGET, *figures)
    many, few = (scripted(count, "*lighthouse {} *") for count in (SCRIPTS_MANY, SCRIPTS_FEW))
    _, large = compare(asking(many, fresh), asking(few, fresh), 100)
    _, small = compare(asking(few, fresh), asking(few, fresh), 100)
    each = (large - small) / (SCRIPTS_MANY - SCRIPTS_FEW)
    yield Growth(f"each of {SCRIPTS_MANY:,} scripts with a glob", GLOB_BUDGET, each, large, "us")


def after_expiry() -> Iterator[Growth]:
    """The first create request after many tasks have expired, compared with few."""

    def first(count: int, **fields: object) -> float:
        fake = Fake(clock=ManualClock(), journal_bytes=1, pace="instant")
        if fields:
            fake.callbacks.deliver_to(lambda _: 200)
        for _ in range(count):
            fake.handle(create(**fields))
        fake.clock.advance(days=31)
        request = create()
        gc.collect()  # so that the timed code does not collect 20,000 tasks
        began = time.process_time()
        fake.handle(request)
        return time.process_time() - began

    for what, fields in (
        ("tasks", {}),
        ("tasks with callbacks", {"callback_url": "https://example.com/hook"}),
    ):
        few = statistics.median(first(FEW, **fields) for _ in range(5))
        many = statistics.median(first(EXPIRED_MANY, **fields) for _ in range(3))
        yield Growth(
            f"the first create after {EXPIRED_MANY:,} {what} expired", BUDGET, many / few, many * 1e6
        )


def rows() -> Iterator[Growth]:
    yield from among_tasks()
    yield from among_scripts()
    yield from after_expiry()
