"""Sleeps and timers of event loops: asyncio, uvloop, anyio and trio."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
import trio
import trio.testing
import uvloop

from kling_mock import ManualClock
from kling_mock.timing.time_skipping import TimeSkipping
from tests.kling_mock.timing.sleepers import START, join, naps, run_threads


def test_asyncio_sleep_gives_its_result(clock: ManualClock) -> None:
    async def main() -> list[str]:
        return [await asyncio.sleep(3, "a"), await asyncio.sleep(delay=4, result="b")]

    with TimeSkipping(clock):
        assert asyncio.run(main()) == ["a", "b"]
    assert clock.now() == START + 7


def test_tasks_that_sleep_at_the_same_time_sleep_side_by_side(clock: ManualClock) -> None:
    """Ten pollers take as long as one, not ten times as long."""

    async def poller() -> None:
        for _ in range(5):
            await asyncio.sleep(2)

    async def main() -> None:
        await asyncio.gather(*(poller() for _ in range(10)))

    with TimeSkipping(clock):
        asyncio.run(main())
    assert clock.now() == START + 10


def test_the_shorter_sleep_ends_first(clock: ManualClock) -> None:
    """In the order of the ends of the sleeps, and not of their beginnings."""
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *pauses: float) -> None:
        for pause in pauses:
            await asyncio.sleep(pause)
            woken.append((name, clock.now() - START))

    async def main() -> None:
        await asyncio.gather(sleeper("long", 10), sleeper("short", 1, 2, 3), sleeper("middle", 4, 5))

    with TimeSkipping(clock):
        asyncio.run(main())
    assert woken == [("short", 1), ("short", 3), ("middle", 4), ("short", 6), ("middle", 9), ("long", 10)]


def test_a_cancelled_sleep_delays_no_other(clock: ManualClock) -> None:
    async def main() -> None:
        short = asyncio.create_task(asyncio.sleep(1))
        long = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(0)
        short.cancel()
        await long

    with TimeSkipping(clock):
        asyncio.run(main())
    assert clock.now() == START + 100


def test_other_tasks_get_their_turn(clock: ManualClock) -> None:
    """As they would during a real sleep."""
    steps: list[str] = []

    async def other() -> None:
        steps.append("other")

    async def main() -> None:
        task = asyncio.create_task(other())
        await asyncio.sleep(60)
        steps.append("slept")
        await task

    with TimeSkipping(clock):
        asyncio.run(main())
    assert steps == ["other", "slept"]


@pytest.mark.parametrize("deadline", ["timeout", "wait_for", "anyio", "call_later"])
def test_timers_of_a_loop_come_before_later_sleeps(clock: ManualClock, deadline: str) -> None:
    async def main() -> None:
        match deadline:
            case "timeout":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(100):
                        await asyncio.sleep(10_000)
            case "wait_for":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(10_000), 100)
            case "anyio":
                with anyio.move_on_after(100) as scope:
                    await anyio.sleep(10_000)
                assert scope.cancelled_caught
            case _:
                task = asyncio.create_task(asyncio.sleep(10_000))
                asyncio.get_running_loop().call_later(100, task.cancel)
                with pytest.raises(asyncio.CancelledError):
                    await task

    with TimeSkipping(clock):
        asyncio.run(main())
    assert clock.now() == pytest.approx(START + 100, abs=50)


@pytest.mark.parametrize("wait", [lambda: asyncio.Event().wait(), lambda: asyncio.sleep(math.inf)])
def test_timers_take_real_time_while_nothing_sleeps(
    clock: ManualClock, wait: Callable[[], Awaitable[object]]
) -> None:
    """Otherwise the timeout of a request over a socket would end it at once."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(), 0.02)

    with TimeSkipping(clock):
        asyncio.run(main())
    assert clock.now() == START


def test_a_timer_of_a_loop_comes_before_a_later_sleep_of_a_thread(clock: ManualClock) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(pool, time.sleep, 900), 500)
        assert clock.now() == pytest.approx(START + 500, abs=100)

    with TimeSkipping(clock), ThreadPoolExecutor(1) as pool:
        asyncio.run(main())


def test_an_answer_that_is_under_way_comes_before_a_timeout(clock: ManualClock) -> None:
    """A loop that waits for a socket is not idle, while another of its tasks sleeps."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"answer")
        await writer.drain()
        writer.close()

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = await reader.read()
        writer.close()
        return answer

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        sleeper = asyncio.create_task(asyncio.sleep(1000))
        for _ in range(20):
            assert await asyncio.wait_for(ask(port), 5) == b"answer"
        assert clock.now() == START
        sleeper.cancel()
        server.close()

    with TimeSkipping(clock):
        asyncio.run(main())


def test_a_task_that_waits_in_a_loop_of_its_own_holds_no_time_back(clock: ManualClock) -> None:
    async def main() -> None:
        for sleeping in (asyncio.sleep(1000), asyncio.to_thread(naps(*[100] * 10))):
            task = asyncio.create_task(sleeping)
            while not task.done():  # noqa: ASYNC110 -- users do
                await asyncio.sleep(0)

    began = time.perf_counter()
    with TimeSkipping(clock):
        asyncio.run(main())
    assert clock.now() == START + 2000
    assert time.perf_counter() - began < 5


def test_loops_in_several_threads_sleep_side_by_side(clock: ManualClock) -> None:
    woken: list[float] = []

    async def poll(seconds: float) -> None:
        for _ in range(3):
            await asyncio.sleep(seconds)
            woken.append(clock.now() - START)

    with TimeSkipping(clock):
        join(run_threads(lambda: asyncio.run(poll(2)), lambda: asyncio.run(poll(3))))
    assert woken == [2, 3, 4, 6, 6, 9]


def test_a_loop_that_outlives_the_test_goes_on_in_real_time(clock: ManualClock) -> None:
    woken = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0.2)
        woken.set()

    began = time.perf_counter()
    with TimeSkipping(clock):
        threads = run_threads(lambda: asyncio.run(main()))
        end = time.perf_counter() + 0.02
        while not loops or time.perf_counter() < end:
            pass
    assert woken.wait(10)
    join(threads)
    assert time.perf_counter() - began >= 0.19


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_anyio_sleeps_in_every_loop(clock: ManualClock, backend: str) -> None:
    began = time.perf_counter()

    async def nap(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append((seconds, clock.now() - START))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for seconds in (30, 10, 20):
                group.start_soon(nap, seconds)
        await anyio.sleep_until(anyio.current_time() + (0 if backend == "uvloop" else 40))
        await anyio.to_thread.run_sync(time.sleep, 5)

    woken: list[tuple[float, float]] = []
    name, options = ("asyncio", {"use_uvloop": True}) if backend == "uvloop" else (backend, {})
    with TimeSkipping(clock):
        anyio.run(main, backend=name, backend_options=options)
    assert woken == [(10, 10), (20, 20), (30, 30)]
    assert clock.now() == pytest.approx(START + (35 if backend == "uvloop" else 75), abs=20)
    assert time.perf_counter() - began < 5


def test_uvloop_sleeps(clock: ManualClock) -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.sleep(seconds) for seconds in (3, 1, 2)))
        await asyncio.to_thread(time.sleep, 5)
        task = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(1)
        task.cancel()

    with TimeSkipping(clock):
        uvloop.run(main())
    assert clock.now() == START + 9


def test_trio_sleeps(clock: ManualClock) -> None:
    async def main() -> None:
        await trio.sleep(30)
        with trio.move_on_after(50) as scope:
            await trio.sleep(1000)
        assert scope.cancelled_caught
        await trio.sleep_until(trio.current_time() + 100)
        with trio.move_on_after(200) as scope:
            while True:  # noqa: ASYNC110 -- users do
                await trio.sleep(20)
        assert scope.cancelled_caught

    real = trio.sleep
    with TimeSkipping(clock):
        trio.run(main)
    assert trio.sleep is real
    assert clock.now() == pytest.approx(START + 380, abs=20)


def test_trio_uses_no_idle_thread_of_an_earlier_run(clock: ManualClock) -> None:
    async def main() -> None:
        with trio.fail_after(60):
            await trio.to_thread.run_sync(time.sleep, 30)

    async def start_a_thread() -> None:
        await trio.to_thread.run_sync(int)

    trio.run(start_a_thread)
    for round_ in (1, 2):
        with TimeSkipping(clock):
            trio.run(main)
        assert clock.now() == START + 30 * round_


def test_a_clock_of_trios_own_tests_is_left_alone(clock: ManualClock) -> None:
    async def main() -> None:
        await trio.sleep(1000)

    with TimeSkipping(clock):
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert clock.now() == START


def test_a_loop_that_is_running_when_a_test_begins_to_skip(clock: ManualClock) -> None:
    async def main() -> None:
        with TimeSkipping(clock):
            await asyncio.sleep(1000)
        began = time.perf_counter()
        await asyncio.sleep(0.05)
        assert time.perf_counter() - began >= 0.049

    asyncio.run(main())
    assert clock.now() == START + 1000
