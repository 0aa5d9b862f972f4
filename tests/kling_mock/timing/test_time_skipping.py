"""Sleeps that move the fake's clock: of one thread, of several, and of event loops."""

from __future__ import annotations

import _thread
import asyncio
import importlib
import multiprocessing
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
import trio
import trio.testing
import uvloop

from kling_contracts.virtual_time.threads import RealTimeThread
from kling_mock import Clock, Fake, ManualClock
from kling_mock.timing.time_skipping import TimeSkipping

START = 1_800_000_000
# How `threading` starts a thread, from Python 3.13 on and before.
STARTERS = ("_start_joinable_thread", "_start_new_thread")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_800_000_000)


def test_sleeping_moves_every_clock(clock: ManualClock) -> None:
    other = ManualClock()
    began = other.now()
    with TimeSkipping(clock, other):
        time.sleep(5)
        time.sleep(0.25)
    assert clock.now() == 1_800_000_005.25
    assert other.now() == began + 5.25


def test_the_fakes_own_clock_agrees_with_the_time_users_see() -> None:
    """A running clock is system time plus what was slept, as is `time.time`."""
    fake = Fake()
    with TimeSkipping(fake.clock):
        time.sleep(1000)
        assert abs(time.time() - fake.clock.now()) < 1
        assert abs(time.time_ns() / 1e9 - fake.clock.now()) < 1


def test_everything_is_put_back(clock: ManualClock) -> None:
    names = ("sleep", "time", "monotonic", "time_ns", "monotonic_ns", "perf_counter")
    before = [*(getattr(time, name) for name in names), asyncio.sleep]
    with TimeSkipping(clock):
        assert time.sleep is not before[0]
    with pytest.raises(ZeroDivisionError), TimeSkipping(clock):
        raise ZeroDivisionError
    assert [*(getattr(time, name) for name in names), asyncio.sleep] == before


@pytest.mark.parametrize("seconds", [-1, float("nan"), "1", None])
def test_what_sleep_refuses_it_still_refuses(clock: ManualClock, seconds: float) -> None:
    with TimeSkipping(clock), pytest.raises((ValueError, TypeError)):
        time.sleep(seconds)
    assert clock.now() == 1_800_000_000


def test_sleeping_for_no_time_is_left_alone(clock: ManualClock) -> None:
    """A zero is how tasks and threads give way to others."""
    with TimeSkipping(clock):
        time.sleep(0)
        asyncio.run(asyncio.sleep(0))
    assert clock.now() == 1_800_000_000


def test_asyncio_sleep_gives_its_result(clock: ManualClock) -> None:
    async def main() -> list[str]:
        return [await asyncio.sleep(3, "a"), await asyncio.sleep(delay=4, result="b")]

    with TimeSkipping(clock):
        assert asyncio.run(main()) == ["a", "b"]
    assert clock.now() == 1_800_000_007


def test_tasks_that_sleep_at_the_same_time_sleep_side_by_side(clock: ManualClock) -> None:
    """Ten pollers take as long as one, not ten times as long."""

    async def poller() -> None:
        for _ in range(5):
            await asyncio.sleep(2)

    async def main() -> None:
        await asyncio.gather(*(poller() for _ in range(10)))

    with TimeSkipping(clock):
        asyncio.run(main())
    assert clock.now() == 1_800_000_010


def test_the_shorter_sleep_ends_first(clock: ManualClock) -> None:
    """In the order of the ends of the sleeps, and not of their beginnings."""
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *pauses: float) -> None:
        for pause in pauses:
            await asyncio.sleep(pause)
            woken.append((name, clock.now() - 1_800_000_000))

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
    assert clock.now() == 1_800_000_100


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


def test_a_thread_in_real_time_keeps_its_own(clock: ManualClock) -> None:
    """Its sleeps are not skipped, and the time it reads has not been moved on."""
    seen: list[float] = []

    def work() -> None:
        time.sleep(0.001)
        asyncio.run(asyncio.sleep(0.001))
        seen.append(time.monotonic())

    with TimeSkipping(clock):
        time.sleep(10**6)
        thread = RealTimeThread(target=work)
        thread.start()
        thread.join()
        assert time.monotonic() - seen[0] >= 10**6
    assert clock.now() == 1_801_000_000


def test_a_clock_of_the_usual_kind_is_advanced() -> None:
    clock = Clock()
    began = clock.now()
    with TimeSkipping(clock):
        time.sleep(30)
    assert 30 <= clock.now() - began < 35


# -- threads


def run_threads(*works: Callable[[], object], daemon: bool = False) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=daemon) for work in works]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def naps(*seconds: float) -> Callable[[], None]:
    def work() -> None:
        for each in seconds:
            time.sleep(each)

    return work


def test_threads_sleep_side_by_side(clock: ManualClock) -> None:
    """Ten pollers take as long as one; `join` holds no time back."""
    with TimeSkipping(clock):
        join(run_threads(*[naps(*[2] * 10)] * 10))
    assert clock.now() == START + 20


def test_threads_wake_in_the_order_of_their_ends_and_then_of_their_calls(clock: ManualClock) -> None:
    woken: list[str] = []
    gates = [threading.Event() for _ in range(4)]

    def sleeper(number: int, seconds: float) -> Callable[[], None]:
        def work() -> None:
            gates[number].wait()
            if number:
                gates[number - 1].set()
            time.sleep(seconds)
            woken.append(f"{number} at {clock.now() - START:g}")

        return work

    with TimeSkipping(clock):
        threads = run_threads(*(sleeper(number, 5 if number % 2 else 3) for number in range(4)))
        gates[3].set()
        join(threads)
    assert woken == ["2 at 3", "0 at 3", "3 at 5", "1 at 5"]


def test_a_thread_that_works_holds_time_back(clock: ManualClock) -> None:
    seen: list[float] = []

    def work() -> None:
        deadline = time.perf_counter() + 0.1
        while time.perf_counter() < deadline:
            seen.append(clock.now())

    with TimeSkipping(clock):
        threads = run_threads(work)
        time.sleep(10)
        join(threads)
    assert set(seen) == {START}
    assert clock.now() == START + 10


def test_a_thread_that_never_stops_working_delays_a_sleep_by_its_own_length_at_most(
    clock: ManualClock,
) -> None:
    """It may wait for the sleeping thread to stop it."""
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            pass

    began = time.perf_counter()
    with TimeSkipping(clock):
        threads = run_threads(spin)
        time.sleep(0.1)
        over.set()
        join(threads)
    assert 0.1 <= time.perf_counter() - began < 5
    assert clock.now() == pytest.approx(START + 0.1)


def test_a_daemon_that_sleeps_long_does_not_run_the_clock_ahead(clock: ManualClock) -> None:
    """Its sleeps do not move time while the test is at work, or sleeps less."""

    over = threading.Event()

    def heartbeat() -> None:
        while not over.is_set():
            time.sleep(60)

    with TimeSkipping(clock):
        run_threads(heartbeat, daemon=True)
        for _ in range(200):
            time.sleep(0.5)
            sum(range(1000))
        assert clock.now() == START + 100
        over.set()


def test_a_daemon_goes_on_in_real_time_after_the_test(clock: ManualClock) -> None:
    over, woken = threading.Event(), threading.Event()

    def work() -> None:
        time.sleep(0.05)
        over.wait()
        time.sleep(0.05)
        woken.set()

    with TimeSkipping(clock) as skipping:
        threads = run_threads(work, daemon=True)
        while not skipping.elapsed:
            time.sleep(0.01)
    moved = skipping.elapsed
    over.set()
    assert woken.wait(10)
    join(threads)
    assert skipping.elapsed == moved


def test_a_sleep_under_way_at_the_end_takes_the_rest_of_its_seconds(clock: ManualClock) -> None:
    asleep = threading.Event()
    took: list[float] = []

    def work() -> None:
        began = time.perf_counter()
        asleep.set()
        time.sleep(0.2)
        took.append(time.perf_counter() - began)

    with TimeSkipping(clock):
        threads = run_threads(work, daemon=True)
        asleep.wait()
        end = time.perf_counter() + 0.01
        while time.perf_counter() < end:  # at work: time does not move
            pass
    join(threads)
    assert took[0] >= 0.19


def test_threads_older_than_the_test_sleep_really(clock: ManualClock) -> None:
    """And the threads that they start meanwhile, and the coroutines that a test hands to their loops."""
    took: dict[str, float] = {}

    def nap(name: str) -> None:
        began = time.perf_counter(), time.monotonic()
        time.sleep(0.05)
        took[name] = time.perf_counter() - began[0]
        assert time.monotonic() - began[1] < 5

    async def asynchronous() -> None:
        began = time.perf_counter()
        await asyncio.sleep(0.05)
        took["coroutine"] = time.perf_counter() - began

    loop = asyncio.new_event_loop()
    looping = threading.Thread(target=loop.run_forever)
    looping.start()
    with ThreadPoolExecutor(1) as old:
        old.submit(int).result()
        with TimeSkipping(clock):
            time.sleep(1000)
            old.submit(nap, "old").result()
            old.submit(lambda: join(run_threads(lambda: nap("child")))).result()
            asyncio.run_coroutine_threadsafe(asynchronous(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    looping.join()
    loop.close()
    assert min(took.values()) >= 0.049
    assert set(took) == {"old", "child", "coroutine"}
    assert clock.now() == START + 1000


@pytest.mark.parametrize("blocked", ["join", "result", "lock", "queue", "socket", "event"])
def test_a_thread_that_waits_for_another_holds_no_time_back(clock: ManualClock, blocked: str) -> None:
    """Neither the test's own nor another one; a lock may be held by the one that sleeps."""
    held, filled, done = threading.Lock(), queue.Queue[int](), threading.Event()
    ours, theirs = socket.socketpair()

    def poll() -> None:
        with held:
            for _ in range(5):
                time.sleep(2)
        filled.put(1)
        theirs.send(b"1")
        done.set()

    with TimeSkipping(clock), ThreadPoolExecutor(2) as pool, ours, theirs:
        future = pool.submit(poll)
        while not held.locked():
            pass
        match blocked:
            case "join":
                join(run_threads(future.result))
            case "result":
                future.result()
            case "lock":
                held.acquire()
            case "queue":
                filled.get()
            case "socket":
                ours.recv(1)
            case _:
                done.wait()
        assert clock.now() == START + 10
        future.result()


def test_timed_waits_are_real(clock: ManualClock) -> None:
    began = time.perf_counter()
    with TimeSkipping(clock):
        time.sleep(5)
        assert not threading.Event().wait(0.05)
        with pytest.raises(queue.Empty):
            queue.Queue[int]().get(timeout=0.05)
    assert time.perf_counter() - began >= 0.1
    assert clock.now() == START + 5


def test_executors_of_all_kinds(clock: ManualClock) -> None:
    async def main() -> None:
        await asyncio.to_thread(time.sleep, 5)
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 6)
        await asyncio.gather(asyncio.to_thread(time.sleep, 7), asyncio.sleep(8))

    with TimeSkipping(clock), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(time.sleep, [3, 4])) == [None, None]
        assert clock.now() == START + 4
        asyncio.run(main())
    assert clock.now() == pytest.approx(START + 23, abs=0.5)


def test_a_sleep_that_is_interrupted_leaves_nothing_behind(clock: ManualClock) -> None:
    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    over = threading.Event()
    try:
        with TimeSkipping(clock):
            threads = run_threads(lambda: [None for _ in iter(over.is_set, True)])
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(Stop):
                time.sleep(1000)
            over.set()
            join(threads)
            time.sleep(3)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert clock.now() == START + 3


# -- event loops


@pytest.mark.parametrize("deadline", ["timeout", "wait_for", "anyio", "call_later"])
def test_timers_of_a_loop_come_before_later_sleeps(clock: ManualClock, deadline: str) -> None:
    async def main() -> None:
        match deadline:
            case "timeout":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await asyncio.sleep(100)
            case "wait_for":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(100), 1)
            case "anyio":
                with anyio.move_on_after(1) as scope:
                    await anyio.sleep(100)
                assert scope.cancelled_caught
            case _:
                task = asyncio.create_task(asyncio.sleep(100))
                asyncio.get_running_loop().call_later(1, task.cancel)
                with pytest.raises(asyncio.CancelledError):
                    await task

    with TimeSkipping(clock):
        asyncio.run(main())
    assert clock.now() == pytest.approx(START + 1, abs=0.5)


def test_a_timer_of_a_loop_comes_before_a_later_sleep_of_a_thread(clock: ManualClock) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(pool, time.sleep, 10), 5)
        assert clock.now() == pytest.approx(START + 5, abs=0.5)

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
    assert clock.now() == pytest.approx(START + (35 if backend == "uvloop" else 75), abs=0.5)
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
        await trio.sleep(3)
        with trio.move_on_after(5) as scope:
            await trio.sleep(100)
        assert scope.cancelled_caught
        await trio.sleep_until(trio.current_time() + 10)
        with trio.move_on_after(20) as scope:
            while True:  # noqa: ASYNC110 -- users do
                await trio.sleep(2)
        assert scope.cancelled_caught

    real = trio.sleep
    with TimeSkipping(clock):
        trio.run(main)
    assert trio.sleep is real
    assert clock.now() == pytest.approx(START + 38, abs=0.5)


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


# -- names


def test_a_name_that_was_bound_meanwhile_calls_the_real_function_afterwards(clock: ManualClock) -> None:
    with TimeSkipping(clock):
        sleep, now, ticks, nap, trio_nap = time.sleep, time.time, time.monotonic_ns, asyncio.sleep, trio.sleep

        class Poller:
            pause: ClassVar[Any] = time.sleep

        time.sleep(10**6)
        Poller().pause(10**6)
    began = time.perf_counter()
    sleep(0.02)
    Poller().pause(0.02)
    assert asyncio.run(nap(0.02, "result")) == "result"
    trio.run(trio_nap, 0.02)
    assert time.perf_counter() - began >= 0.08
    assert abs(now() - time.time()) < 5
    assert abs(ticks() - time.monotonic_ns()) < 5e9
    assert clock.now() == START + 2 * 10**6
    with TimeSkipping(clock):  # and moves the clock of the next test
        sleep(5)
        asyncio.run(nap(6))
    assert clock.now() == START + 2 * 10**6 + 11


def test_a_module_first_imported_meanwhile_sleeps_really_afterwards(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first_imported.py").write_text(
        "from asyncio import sleep as nap\nfrom time import monotonic, sleep, time\n"
        "class Timer:\n    clock = monotonic\n    def __init__(self, pause=sleep): self.pause = pause\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with TimeSkipping(clock):
        module = importlib.import_module("first_imported")
        module.sleep(100)
        asyncio.run(module.nap(100))
        module.Timer().pause(100)
        assert abs(module.time() - time.time()) < 5
        assert abs(module.Timer().clock() - time.monotonic()) < 5
    assert clock.now() == START + 300
    began = time.perf_counter()
    module.sleep(0.02)
    module.Timer().pause(0.02)
    asyncio.run(module.nap(0.02))
    assert time.perf_counter() - began >= 0.06
    assert abs(module.Timer().clock() - time.monotonic()) < 5
    assert clock.now() == START + 300


def test_a_clock_first_made_meanwhile_is_right_afterwards(clock: ManualClock) -> None:
    with TimeSkipping(clock):
        time.sleep(10**6)
        assert Clock().now() == pytest.approx(time.time() - 10**6, abs=5)
    assert Clock().now() == pytest.approx(time.time(), abs=5)


def test_a_replacement_of_the_users_own_is_not_undone(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TimeSkipping(clock):
        monkeypatch.setattr(time, "sleep", print)
    assert time.sleep is print
    monkeypatch.undo()
    began = time.perf_counter()
    time.sleep(0.02)
    assert time.perf_counter() - began >= 0.02
    with TimeSkipping(clock):
        time.sleep(50)
    assert clock.now() == START + 50
    time.sleep(0.001)


def test_waiting_for_a_child_process_is_no_sleep(clock: ManualClock) -> None:
    """Python's library does it by short sleeps."""
    with (
        TimeSkipping(clock),
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.1)"]) as child,
    ):
        child.wait(timeout=30)
    assert clock.now() == START


def test_a_listener_may_sleep(clock: ManualClock) -> None:
    """A clock that is moved delivers callbacks, and their receiver may sleep: time moves on from there."""
    woken: list[float] = []

    def receive() -> None:
        if not woken:
            woken.append(clock.now() - START)
            time.sleep(5)
            woken.append(clock.now() - START)

    clock.subscribe(receive)
    with TimeSkipping(clock):
        threads = run_threads(naps(3, 3, 3))
        time.sleep(1)
        join(threads)
    assert woken == [1, 6]
    assert clock.now() == START + 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_process_sleeps_really(clock: ManualClock) -> None:
    with TimeSkipping(clock):
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=time.sleep, args=(0.1,)), context.Process(target=_nap)]
        began = time.perf_counter()
        for child in children:
            child.start()
            child.join()
            assert child.exitcode == 0
    assert time.perf_counter() - began >= 0.2


def _nap() -> None:
    time.sleep(0.1)


def test_one_time_inside_another(clock: ManualClock) -> None:
    other = ManualClock(START)
    began = time.monotonic()
    with TimeSkipping(clock):
        time.sleep(100)
        with TimeSkipping(other):
            time.sleep(10)
            assert 110 <= time.monotonic() - began < 115
        time.sleep(1)
    assert (clock.now(), other.now()) == (START + 101, START + 10)


def test_a_thread_that_has_not_run_yet_holds_time_back(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine this takes long, and the thread that starts it waits for it without using the CPU."""
    name = next(each for each in STARTERS if hasattr(threading, each))
    start = getattr(threading, name)

    def start_late(*arguments: Any, **named: Any) -> None:
        later = threading.Event()
        _thread.start_new_thread(lambda: (real_wait(later), start(*arguments, **named)), ())

    def real_wait(later: threading.Event) -> None:
        later.wait(0.05)

    with TimeSkipping(clock):
        threads = run_threads(naps(5))
        monkeypatch.setattr(threading, name, start_late)
        threads += run_threads(naps(5))
        join(threads)
    assert clock.now() == START + 5
