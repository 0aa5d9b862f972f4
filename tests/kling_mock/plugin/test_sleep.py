"""`sleep="advance"`: users' own polling loops, unchanged, in no time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rows import some_rows

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


@some_rows("fixture", ["kling", "kling_server"], usual=["kling"])
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
            wall = time.perf_counter()
            began = {fixture}.clock.now()
            with {fixture}.serve() as server, httpx.Client(verify=False, trust_env=False) as client:
                for _ in range(50):
                    assert client.get(server.url + "/_mock/health").status_code == 200
                threading.Event().wait(0.25)
            passed = {fixture}.clock.now() - began
            assert passed < time.perf_counter() - wall + 0.05
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


@some_rows("fixture", ["kling", "kling_server"], usual=["kling"])
def test_ten_pollers_with_deadlines(suite: Suite, fixture: str) -> None:
    """None of them times out, and the clock goes on by the sleeps of one of them."""
    suite(
        f"""
        import threading, time
        from concurrent.futures import ThreadPoolExecutor
        import pytest
        from kling_client import Client

        over = threading.Event()

        def heartbeat():
            while not over.is_set():
                time.sleep(60)

        @pytest.mark.kling(sleep="advance", pace="seconds:2,30")
        def test_it({fixture}):
            threading.Thread(target=heartbeat, daemon=True).start()
            began = {fixture}.clock.now()
            with Client() as client, ThreadPoolExecutor(10) as pool:
                def generate(number):
                    urls = [f"https://h.test/{{number}}.png", "https://h.test/b.png"]
                    return client.generate(urls).wait(deadline=60).status
                assert set(pool.map(generate, range(10))) == {{"succeed"}}
            assert 30 <= {fixture}.clock.now() - began < 60
            over.set()
        """
    ).assert_outcomes(passed=1)


def test_asynchronous_tests(suite: Suite) -> None:
    """With any runner of event loops."""
    suite(
        """
        import asyncio, time, unittest
        import anyio, pytest
        from kling_mock import ManualClock

        skipped = pytest.mark.kling(sleep="advance", clock=ManualClock)

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        @pytest.fixture
        async def napping(anyio_backend, kling):
            await anyio.sleep(1000)

        @skipped
        @pytest.mark.anyio
        async def test_anyio(kling, napping):
            began = kling.clock.now()
            async with anyio.create_task_group() as group:
                for seconds in (5, 6, 7):
                    group.start_soon(anyio.sleep, seconds)
            assert kling.clock.now() == began + 7

        class TestUnittest(unittest.IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def fake(self, kling):
                self.kling = kling

            @skipped
            async def test_it(self):
                began = self.kling.clock.now()
                await asyncio.gather(asyncio.sleep(5), asyncio.to_thread(time.sleep, 7))
                assert self.kling.clock.now() == began + 7
        """,
        "-p",
        "anyio",
    ).assert_outcomes(passed=3)


def test_a_real_sleep_is_a_warning_with_its_place(suite: Suite) -> None:
    """And an error where warnings are errors."""
    tests = """
        from time import sleep
        import pytest

        @pytest.mark.kling(sleep="advance")
        def test_it(kling):
            sleep(1.2)
        """
    run = suite(tests, "-W", "default")
    run.assert_outcomes(passed=1, warnings=1)
    run.stdout.fnmatch_lines(["*test_users.py:6: RealSleepWarning: sleep=*got a sleep of 1.? s here*"])
    suite(tests).assert_outcomes(passed=1, errors=1)
