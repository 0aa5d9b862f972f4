"""Cost of the core alone: `Fake.handle` in a loop, with the headers of httpx; part of `make bench`."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import CREATE, REQUEST, ROUNDS, Row, cpu
from kling_mock import Fake, Request

TIMES = 1000
HEADERS = (
    ("host", "api.cometapi.com"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip, deflate"),
    ("connection", "keep-alive"),
    ("user-agent", "python-httpx/0.28.1"),
    *REQUEST.headers,
    ("content-length", str(len(REQUEST.body))),
    ("content-type", "application/json"),
)


def core() -> Iterator[Row]:
    """The fastest round counts, since other programs on the machine only slow the others down."""
    create = Request("POST", CREATE, headers=HEADERS, body=REQUEST.body)
    taken: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        fake = Fake()

        def creates(fake: Fake = fake) -> None:
            for _ in range(TIMES):
                fake.handle(create)

        spent = cpu(creates)
        polls = [Request("GET", f"{CREATE}/{task.id}", headers=HEADERS) for task in fake.tasks]

        def asks(fake: Fake = fake, polls: list[Request] = polls) -> None:
            for poll in polls:
                fake.handle(poll)

        taken.append((spent, cpu(asks)))
    for what, budget, times in zip(("create", "query"), (15, 7), zip(*taken, strict=True), strict=True):
        yield Row(
            f"the core in a loop: a {what}", "-", budget, min(times) / TIMES * 1e6, "us", "fastest round"
        )
