"""Skipped sleeps: they move the fake's clock, and every replaced name is restored."""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trio
import trio.testing

from kling_mock import Clock, Fake, ManualClock
from kling_mock.timing.time_skipping import TimeSkipping
from tests.kling_mock.timing.sleepers import START


def test_sleeping_moves_every_clock(clock: ManualClock) -> None:
    other = ManualClock()
    began = other.now()
    with TimeSkipping(clock, other):
        time.sleep(5)
        time.sleep(0.25)
    assert clock.now() == START + 5.25
    assert other.now() == began + 5.25


def test_the_fakes_own_clock_agrees_with_the_time_users_see() -> None:
    """A running clock is system time plus the skipped sleeps, as is `time.time`."""
    fake = Fake()
    with TimeSkipping(fake.clock):
        time.sleep(1000)
        assert abs(time.time() - fake.clock.now()) < 30
        assert abs(time.time_ns() / 1e9 - fake.clock.now()) < 30


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
    assert clock.now() == START


def test_sleeping_for_no_time_is_left_alone(clock: ManualClock) -> None:
    """A zero is how tasks and threads give way to others."""
    with TimeSkipping(clock):
        time.sleep(0)
        asyncio.run(asyncio.sleep(0))
    assert clock.now() == START


def test_a_clock_of_the_usual_kind_is_advanced() -> None:
    clock = Clock()
    began = clock.now()
    with TimeSkipping(clock):
        time.sleep(30)
    assert 30 <= clock.now() - began < 35


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
