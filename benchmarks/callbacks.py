"""The time to drain callbacks over HTTP that are all due, to one receiver in another process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import uvloop

from benchmarks.growth import create
from benchmarks.measure import Row
from benchmarks.processes import Process
from kling_mock import Fake, ManualClock
from kling_mock.callbacks.model import Callback
from kling_mock.records import AttemptRecord

DELIVERIES = 10_000
BUDGET = 667.0  # us for each, so 1,500 in a second


def drain() -> Iterator[Row]:
    receiver = Process("-m", "benchmarks.receiver", "PORT")
    try:
        spent, cpu = _spent(f"{receiver.url}/hook")
    finally:
        receiver.stop()
    each = spent / DELIVERIES * 1e6
    beside = f"{1e6 / each:.0f} a second; CPU {cpu / DELIVERIES * 1e6:.0f} us"
    yield Row("callbacks over HTTP: 10,000 due, one receiver", "-", BUDGET, each, "us", beside)


def _spent(url: str) -> tuple[float, float]:
    """The time until all are delivered, and the CPU time of this process, in seconds."""
    fake = Fake(clock=ManualClock(), pace="held:submitted", journal_bytes=1)
    for _ in range(DELIVERIES):
        fake.handle(create(callback_url=url))
    left = DELIVERIES

    async def main() -> None:
        done = asyncio.Event()

        def count(callback: Callback, attempt: AttemptRecord | None) -> None:
            nonlocal left
            if attempt is None or not attempt.delivered:
                raise RuntimeError(f"not delivered: {callback!r}, {attempt!r}")
            left -= 1
            if not left:
                done.set()

        sending = asyncio.create_task(fake.sender(count).run())
        finished = asyncio.create_task(done.wait())
        await asyncio.wait({sending, finished}, return_when=asyncio.FIRST_COMPLETED)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending

    began, cpu = time.perf_counter(), time.process_time()
    uvloop.run(main())
    return time.perf_counter() - began, time.process_time() - cpu
