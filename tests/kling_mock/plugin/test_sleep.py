"""`sleep="advance"`: users' own polling loops, unchanged, in no time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from kling_mock import Clock, Fake, ManualClock
from kling_mock.timing.time_skipping import RealTimeThread, TimeSkipping

Suite = Callable[..., pytest.RunResult]

LOOPS = """
import asyncio, time
import httpx, pytest
from poster import address, headers, make, look, poster

NOTHING = dict(verify=False, trust_env=False)

def plain(limit):
    poster()

def by(now):
    def loop(limit):
        with httpx.Client(**NOTHING) as client:
            task, end = make(client), now() + limit
            while look(client, task)["task_status"] not in ("succeed", "failed"):
                if now() >= end:
                    raise TimeoutError
                time.sleep(2)
    return loop

def awaited(deadline):
    def loop(limit):
        async def main():
            async with httpx.AsyncClient(**NOTHING) as client:
                answer = await client.post(address(), headers=headers(), json={"subject_image_list": [
                    {"subject_image": "https://h.test/a.png"}, {"subject_image": "https://h.test/b.png"}]})
                task = answer.json()["data"]["task_id"]
                async def poll():
                    while True:
                        answer = await client.get(f"{address()}/{task}", headers=headers())
                        if answer.json()["data"]["task_status"] in ("succeed", "failed"):
                            return
                        await asyncio.sleep(2)
                await deadline(poll, limit)
        asyncio.run(main())
    return loop

async def by_timeout(poll, limit):
    async with asyncio.timeout(limit):
        await poll()

async def by_wait_for(poll, limit):
    await asyncio.wait_for(poll(), limit)

WITH_DEADLINE = {
    "time": by(lambda: time.time()),
    "monotonic": by(lambda: time.monotonic()),
    "time_ns": by(lambda: time.time_ns() / 1e9),
    "monotonic_ns": by(lambda: time.monotonic_ns() / 1e9),
    "asyncio.timeout": awaited(by_timeout),
    "asyncio.wait_for": awaited(by_wait_for),
}
LOOPS = {"plain": plain, **WITH_DEADLINE}
"""


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
def test_polling_loops_of_all_kinds_end_in_no_time(suite: Suite, fixture: str) -> None:
    """A task of half a minute, at the pace of the real service; the clock has gone on, the wall has not."""
    suite(
        LOOPS
        + f"""
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
@pytest.mark.kling(sleep="advance", pace="realistic", seed=4)
def test_it({fixture}, loop):
    began, wall = {fixture}.clock.now(), time.perf_counter()
    loop(3600)
    task, = {fixture}.tasks
    assert task.status == "succeed"
    assert task.polls >= 3
    assert 8 <= {fixture}.clock.now() - began < 60
    assert time.perf_counter() - wall < 5
"""
    ).assert_outcomes(passed=7)


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
def test_a_loop_with_a_deadline_gives_up_on_a_task_that_is_held(suite: Suite, fixture: str) -> None:
    """After as many polls as its deadline has room for."""
    suite(
        LOOPS
        + f"""
@pytest.mark.parametrize("loop", WITH_DEADLINE.values(), ids=WITH_DEADLINE)
@pytest.mark.kling(sleep="advance", pace="held")
def test_it({fixture}, loop):
    with pytest.raises(TimeoutError):
        loop(120)
    task, = {fixture}.tasks
    assert task.status == "processing"
    assert 59 <= task.polls <= 61
    task.release()
    assert task.status == "succeed"
"""
    ).assert_outcomes(passed=6)


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
def test_without_a_sleep_the_clock_keeps_to_the_wall(suite: Suite, fixture: str) -> None:
    """Servers look round ten times a second, ours and one that a test starts: no sleep of the user's."""
    suite(
        f"""
        import threading, time
        import httpx, pytest

        @pytest.mark.kling(sleep="advance")
        def test_it({fixture}):
            began, wall = {fixture}.clock.now(), time.perf_counter()
            with {fixture}.serve() as server, httpx.Client(verify=False, trust_env=False) as client:
                for _ in range(50):
                    assert client.get(server.url + "/_mock/health").status_code == 200
                threading.Event().wait(0.25)
            wall = time.perf_counter() - wall
            assert {fixture}.clock.now() - began < wall + 0.05
        """
    ).assert_outcomes(passed=1)


def test_both_clocks_go_on_where_both_fixtures_are_used(suite: Suite) -> None:
    suite(
        """
        import time
        import pytest
        from kling_mock import ManualClock

        @pytest.mark.kling(sleep="advance", clock=ManualClock)
        def test_it(kling, kling_server):
            began = kling.clock.now()
            real = time.monotonic()
            time.sleep(90)
            assert kling.clock.now() == kling_server.clock.now() == began + 90
            assert 90 <= time.monotonic() - real < 95
        """
    ).assert_outcomes(passed=1)


# -- the thing itself


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


def test_who_sleeps_less_wakes_first(clock: ManualClock) -> None:
    """In the order of the ends of their sleeps, whoever began first."""
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


def test_a_sleep_that_is_cancelled_holds_up_nobody(clock: ManualClock) -> None:
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


def test_threads_count_every_sleep(clock: ManualClock) -> None:
    """None is lost between two threads that sleep at the same moment."""
    together = threading.Barrier(4)

    def work() -> None:
        together.wait(10)
        for _ in range(250):
            time.sleep(1)

    with TimeSkipping(clock) as skipped:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert skipped._skipped == 1000
    assert clock.now() == 1_800_001_000


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
