"""Sleeps that take real time while a test's sleeps are skipped are reported with their places."""

from __future__ import annotations

import asyncio
import threading
import time
from asyncio import sleep as bound_nap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import sleep as bound

import pytest

from kling_mock import ManualClock
from kling_mock.timing import real_sleeps, time_skipping
from kling_mock.timing.real_sleeps import RealSleepWarning
from kling_mock.timing.time_skipping import TimeSkipping


@pytest.fixture(autouse=True)
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is long for a test: the reports begin at a part of it, and threads are watched closely.

    The sleeps are ten times as long, since a busy machine may leave the watching thread waiting.
    """
    _set_least(0.06, monkeypatch)
    monkeypatch.setattr(real_sleeps, "_LOOK_EVERY", 0.01)


def _set_least(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_sleeps, "LEAST", seconds)
    monkeypatch.setattr(time_skipping, "LEAST", seconds)


WHOLE = partial(bound, 0.6)


class Poller:
    pause = staticmethod(bound)

    def __init__(self) -> None:
        self.nap = bound

    def by_class(self) -> None:
        self.pause(0.6)

    def by_instance(self) -> None:
        self.nap(0.6)


def by_name() -> None:
    bound(0.6)


def by_default(pause: Callable[[float], None] = bound) -> None:
    pause(0.6)


def by_closure() -> None:
    pause = bound

    def inner() -> None:
        pause(0.6)

    inner()


def by_partial(pause: Callable[[], None] = WHOLE) -> None:
    pause()


async def by_coroutine() -> None:
    async def inner() -> None:
        await bound_nap(0.6)

    await asyncio.create_task(inner())


@pytest.fixture
def old() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        yield pool


BOUND_BEFORE: dict[str, Callable[[], object]] = {
    "name": by_name,
    "default": by_default,
    "closure": by_closure,
    "partial": by_partial,
    "class": Poller().by_class,
    "instance": Poller().by_instance,
    "coroutine": lambda: asyncio.run(by_coroutine()),
}


@pytest.mark.parametrize("start", ["thread", "executor", "to_thread"])
def test_a_function_that_is_handed_to_a_thread_is_reported(start: str) -> None:
    with TimeSkipping(ManualClock()) as skipping, ThreadPoolExecutor(1) as pool:
        match start:
            case "thread":
                thread = threading.Thread(target=bound, args=(0.6,))
                thread.start()
                thread.join()
            case "executor":
                pool.submit(bound, 0.6).result()
            case _:
                asyncio.run(asyncio.to_thread(bound, 0.6))
    assert len(skipping.real_sleeps.found) == 1


@pytest.mark.parametrize("sleep", BOUND_BEFORE.values(), ids=BOUND_BEFORE)
@pytest.mark.parametrize("threaded", [False, True])
def test_a_name_that_was_bound_before_is_reported(sleep: Callable[[], object], threaded: bool) -> None:
    with TimeSkipping(ManualClock()) as skipping:
        if threaded:
            thread = threading.Thread(target=sleep)
            thread.start()
            thread.join()
        else:
            sleep()
    with pytest.warns(RealSleepWarning, match=r"got a sleep of \d+\.\d s here") as warned:
        skipping.real_sleeps.warn()
    (warning,) = warned
    assert warning.filename == __file__
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123 -- one line of it
        line = file.read().splitlines()[warning.lineno - 1]
    assert "(0.6)" in line or line.strip() == "pause()"


def test_a_sleep_of_an_older_thread_is_reported(old: ThreadPoolExecutor) -> None:
    def nap() -> None:
        time.sleep(0.6)

    async def asynchronous() -> None:
        await asyncio.sleep(0.6)

    with TimeSkipping(ManualClock()) as skipping:
        old.submit(nap).result()
        old.submit(lambda: asyncio.run(asynchronous())).result()
    first = nap.__code__.co_firstlineno + 1
    assert [(place.file, place.line) for place in skipping.real_sleeps.found] == [
        (__file__, first),
        (__file__, first + 3),
    ]


def test_a_sleep_of_an_older_thread_that_outlasts_the_test_is_not_reported(old: ThreadPoolExecutor) -> None:
    """The test has not waited for it: programs have threads that sleep all the time."""
    with TimeSkipping(ManualClock()) as skipping:
        future = old.submit(lambda: time.sleep(1.2))
        assert not threading.Event().wait(0.3)
    future.result()
    assert not skipping.real_sleeps.found


def test_a_sleep_that_another_thread_at_work_made_real_is_reported() -> None:
    over = threading.Event()
    thread = threading.Thread(target=lambda: [None for _ in iter(over.is_set, True)])
    with TimeSkipping(ManualClock()) as skipping:
        thread.start()
        time.sleep(0.6)
        over.set()
        thread.join()
    assert [place.file for place in skipping.real_sleeps.found] == [__file__]


def test_what_is_no_real_sleep_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped sleeps, work, and waiting for something, also in functions that could sleep."""
    _set_least(0.2, monkeypatch)  # a busy machine makes the sleep of a millisecond longer
    lock = threading.Lock()
    lock.acquire()

    def work(pause: Callable[[float], None] = bound) -> None:
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end:
            sum(range(100))
        assert not lock.acquire(timeout=0.3)
        pause(0.001)

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.3)
        await asyncio.sleep(100)

    with TimeSkipping(ManualClock()) as skipping:
        work()
        asyncio.run(wait())
        for _ in range(100):
            time.sleep(100)
    assert not skipping.real_sleeps.found
