"""Sleeps of several threads: they end in order; threads at work, or outside of the test, hold their time."""

from __future__ import annotations

import _thread
import asyncio
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kling_contracts.virtual_time.threads import SILENCE, RealTimeThread
from kling_mock import ManualClock
from kling_mock.timing.real_sleeps import RealSleeps
from kling_mock.timing.time_skipping import TimeSkipping
from tests.kling_mock.timing.sleepers import START, join, naps, run_threads

# How `threading` starts a thread, from Python 3.13 on and before.
STARTERS = ("_start_joinable_thread", "_start_new_thread")


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
    assert clock.now() == START + 10**6


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


def test_time_does_not_move_while_the_context_waits_for_its_own_thread(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_slowly(real_sleeps: RealSleeps) -> None:
        threading.Event().wait(10 * SILENCE)
        stop(real_sleeps)

    stop = RealSleeps.stop
    monkeypatch.setattr(RealSleeps, "stop", stop_slowly)
    with TimeSkipping(clock):
        threads = run_threads(lambda: time.sleep(0.1))
    join(threads)
    assert clock.now() == START


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
        await asyncio.to_thread(time.sleep, 50)
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
        await asyncio.gather(asyncio.to_thread(time.sleep, 70), asyncio.sleep(80))

    with TimeSkipping(clock), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(time.sleep, [30, 40])) == [None, None]
        assert clock.now() == START + 40
        asyncio.run(main())
    assert clock.now() == pytest.approx(START + 230, abs=10)


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
