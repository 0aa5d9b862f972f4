"""`sleep="advance"`: users' own polling loops, unchanged, in no time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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
