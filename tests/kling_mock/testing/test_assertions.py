"""Assertions on tasks and calls, and `within=`, with which they wait for other threads."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Clock
from kling_mock.timing.time_skipping import TimeSkipping

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

# Far longer than anything here takes: a wait of this duration was not woken.
LONG = 60


class Noticing(threading.Condition):
    """A condition that signals when a thread starts waiting on it."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.asleep.set()
        return super().wait(timeout)


class Meanwhile:
    """Runs an action in another thread once this thread waits in an assertion."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def __call__(self, caller: Caller, *actions: Callable[[], object]) -> None:
        condition = Noticing()
        caller.fake._changes._changed = condition

        def act() -> None:
            for action in actions:
                assert condition.asleep.wait(LONG)
                condition.asleep.clear()
                action()

        self._pool.submit(act)


@pytest.fixture
def meanwhile() -> Iterator[Meanwhile]:
    """Fails if an assertion was not woken and only passed after its time was up."""
    began = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        yield Meanwhile(pool)
    assert time.perf_counter() - began < LONG / 2


# -- waiting


def test_assert_created_waits_for_another_thread(caller: Caller, meanwhile: Meanwhile) -> None:
    meanwhile(caller, lambda: caller.ask(prompt="a cat"))
    caller.fake.calls.assert_created(prompt="*cat*", within=LONG)


def test_assert_created_waits_for_the_number_of_tasks(caller: Caller, meanwhile: Meanwhile) -> None:
    """One is not enough for two, and a refused one does not count; it waits again."""
    meanwhile(caller, caller.ask, lambda: caller.ask(n=0), caller.ask)
    caller.fake.calls.assert_created(2, within=LONG)


def test_assert_created_does_not_wait_once_there_are_too_many(caller: Caller) -> None:
    for _ in range(3):
        caller.ask()
    with pytest.raises(AssertionError, match="exactly 2 tasks created; found 3"):
        caller.fake.calls.assert_created(2, within=LONG)
    with pytest.raises(AssertionError, match="exactly 0 tasks created; found 3"):
        caller.fake.calls.assert_created(0, within=LONG)


def test_assert_polled_waits_for_another_thread(caller: Caller, meanwhile: Meanwhile) -> None:
    task = caller.make()
    meanwhile(caller, *[lambda: caller.query(task.id)] * 3)
    task.assert_polled(3, within=LONG)


def test_assert_status_waits_for_queries_of_another_thread(caller: Caller, meanwhile: Meanwhile) -> None:
    task = caller.make()
    meanwhile(caller, *[lambda: caller.query(task.id)] * 2)
    task.assert_status("succeed", within=LONG)


def test_assert_status_waits_until_another_thread_ends_the_task(start: Start, meanwhile: Meanwhile) -> None:
    caller = start(pace="held")
    task = caller.make()
    meanwhile(caller, lambda: task.fail("stopped"))
    task.assert_status("failed", within=LONG)


def test_assert_status_waits_for_the_clock_to_be_advanced(start: Start, meanwhile: Meanwhile) -> None:
    caller = start(pace="seconds:10,10")
    task = caller.make()
    meanwhile(caller, lambda: caller.clock.advance(10), lambda: caller.clock.advance(10))
    task.assert_status("succeed", within=LONG)


def test_assert_status_waits_for_a_clock_that_runs_by_itself(start: Start) -> None:
    """Without any action it wakes when the instant is reached, on a clock of any speed."""
    clock = Clock()
    clock.speed = 1000
    task = start(clock=clock, pace="seconds:5,10").make()
    began = time.perf_counter()
    task.assert_status("succeed", within=LONG)
    assert time.perf_counter() - began < LONG / 2


def test_a_view_of_one_account_waits_too(caller: Caller, meanwhile: Meanwhile) -> None:
    meanwhile(caller, caller.account("sk-mock-b").ask, caller.ask)
    caller.fake.account("sk-mock-a").calls.creates.assert_created(1, within=LONG)


def test_assert_status_does_not_wait_for_a_task_that_has_ended_otherwise(start: Start) -> None:
    caller = start(pace="instant")
    task = caller.make()
    with pytest.raises(AssertionError, match="to be failed, but it is succeed"):
        task.assert_status("failed", within=LONG)


def test_an_assertion_that_holds_does_not_wait(caller: Caller) -> None:
    task = caller.make()
    caller.query(task.id)
    caller.fake._changes._changed = Noticing()
    caller.fake.calls.assert_created(1, within=LONG)
    task.assert_status("processing", within=LONG)
    task.assert_polled(1, within=LONG)
    task.assert_polled(at_most=1, within=LONG)
    assert not caller.fake._changes._changed.asleep.is_set()


@pytest.mark.parametrize("within", [None, 0, 0.01])
def test_a_wait_without_success_ends_with_the_message_of_the_assertion(
    within: float | None, caller: Caller
) -> None:
    task = caller.make()
    with pytest.raises(AssertionError, match="to be succeed, but it is submitted"):
        task.assert_status("succeed", within=within)
    with pytest.raises(AssertionError, match="to be polled at least once, but it was polled 0 times"):
        task.assert_polled(within=within)
    with pytest.raises(AssertionError, match="expected exactly 2 tasks created; found 1"):
        caller.fake.calls.assert_created(2, within=within)


@pytest.mark.parametrize("within", [-1, math.inf, math.nan, "3", True])
def test_within_must_be_a_number_of_seconds(within: Any, caller: Caller) -> None:
    with pytest.raises(ValueError, match=r"^within: must be a finite number of seconds"):
        caller.fake.calls.assert_created(within=within)


def test_within_is_real_time_even_if_sleeping_is_skipped(caller: Caller, meanwhile: Meanwhile) -> None:
    """Another thread's skipped sleep of an hour does not end the wait."""
    with TimeSkipping(caller.clock):
        meanwhile(caller, lambda: (time.sleep(3600), caller.ask()))
        caller.fake.calls.assert_created(within=LONG)


def test_notifying_takes_no_lock_while_no_thread_waits(caller: Caller) -> None:
    """So that waiting costs other requests nothing."""

    class Never(threading.Condition):
        def __enter__(self) -> bool:
            raise AssertionError("the lock was taken")

    caller.fake._changes._changed = Never()
    task = caller.make()
    caller.query(task.id)
    caller.clock.advance(1)
    task.succeed()
    assert task.status == "succeed"
    caller.fake.check()


def test_several_threads_can_wait_at_once_and_all_are_woken(caller: Caller) -> None:
    ready = threading.Barrier(5, timeout=LONG)

    def wait() -> None:
        ready.wait()
        caller.fake.calls.assert_created(3, within=LONG)

    with ThreadPoolExecutor(4) as pool:
        waiters = [pool.submit(wait) for _ in range(4)]
        ready.wait()
        for _ in range(3):
            caller.ask()
        assert [waiter.result(LONG) for waiter in waiters] == [None] * 4
    assert caller.fake._changes._waiting == 0


# -- the assertions of a task


@pytest.mark.parametrize(
    ("queries", "times", "at_most", "holds"),
    [
        (0, None, None, False),
        (1, None, None, True),
        (0, 0, None, True),
        (1, 0, None, False),
        (2, 2, None, True),
        (3, 2, None, False),
        (0, None, 2, False),
        (2, None, 2, True),
        (3, None, 2, False),
    ],
)
def test_assert_polled(
    queries: int, times: int | None, at_most: int | None, caller: Caller, *, holds: bool
) -> None:
    """Exactly `times`; 1 to `at_most`; by default at least once."""
    task = caller.make()
    for _ in range(queries):
        caller.query(task.id)
    if holds:
        task.assert_polled(times, at_most=at_most)
    else:
        with pytest.raises(AssertionError, match=f"but it was polled {queries} times"):
            task.assert_polled(times, at_most=at_most)


def test_assert_polled_takes_one_number(caller: Caller) -> None:
    with pytest.raises(TypeError, match="times and at_most: give only one of them"):
        caller.make().assert_polled(1, at_most=2)


def test_assert_status_refuses_unknown_statuses(caller: Caller) -> None:
    """`succeeded` is the word of newer APIs: the assertion could never hold."""
    with pytest.raises(ValueError, match=r"^unknown status 'succeeded'; did you mean 'succeed'\?$"):
        caller.make().assert_status("succeeded")
    with pytest.raises(
        ValueError, match=r"^unknown status 'done'; known: submitted, processing, succeed, failed$"
    ):
        caller.make().assert_status("done")


def test_the_message_shows_history_and_queries(caller: Caller) -> None:
    task = caller.make()
    path = f"/kling/v1/images/generations/{task.id}"
    caller.clock.advance(1.5)
    caller.query(task.id)
    caller.account("sk-mock-b").get(path)
    with pytest.raises(AssertionError) as caught:
        task.assert_polled(3)
    assert str(caught.value) == (
        f"expected task {task.id} to be polled exactly 3 times, but it was polled 1 times\n"
        "  history: submitted +0.000s, processing +1.500s\n"
        "  queries:\n"
        f"    +1.500s GET {path} -> 200 processing task {task.id}"
    )


def test_the_message_shows_why_a_task_failed_and_the_last_queries(caller: Caller) -> None:
    caller.fake.next.fails("Image pixel is invalid")
    task = caller.make()
    for _ in range(7):
        caller.query(task.id)
    with pytest.raises(AssertionError) as caught:
        task.assert_status("succeed")
    first, history, *rest = str(caught.value).splitlines()
    assert first == f"expected task {task.id} to be succeed, but it is failed (Image pixel is invalid)"
    assert history == "  history: submitted +0.000s, processing +0.000s, failed +0.000s"
    assert rest[:2] == ["  queries:", "    2 earlier ones"]
    assert len(rest) == 7


def test_the_message_without_any_query(caller: Caller) -> None:
    task = caller.make()
    with pytest.raises(AssertionError, match="polled at least once") as caught:
        task.assert_polled()
    assert str(caught.value).splitlines()[-1] == "  queries: none"


def test_asserting_changes_nothing(caller: Caller) -> None:
    task = caller.make()
    task.assert_status("submitted")
    task.assert_polled(0)
    assert (task.polls, len(caller.fake.calls), task.status) == (0, 1, "submitted")
