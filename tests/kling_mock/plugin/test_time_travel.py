"""freezegun and time-machine, to the past and to the future: the fake goes with the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rows import some_rows

Suite = Callable[..., pytest.RunResult]

# Each way to travel, as decorator, fixture set up before and after ours, and inside the test.
TRAVELS = """
import time
from datetime import datetime, timezone

import freezegun
import httpx
import pytest
import time_machine
from poster import make, look

def iso(when):
    return datetime.fromtimestamp(when, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")

class Frozen:
    def __init__(self, when):
        self.freezer = freezegun.freeze_time(iso(when))
    def __enter__(self):
        self.factory = self.freezer.start()
        return self
    def __exit__(self, *_):
        self.freezer.stop()
    def tick(self, seconds):
        self.factory.tick(seconds)

class Travelling:
    def __init__(self, when):
        self.travel = time_machine.travel(when, tick=False)
    def __enter__(self):
        self.traveller = self.travel.start()
        return self
    def __exit__(self, *_):
        self.travel.stop()
    def tick(self, seconds):
        self.traveller.shift(seconds)

LIBRARIES = [Frozen, Travelling]
PAST, FAR_PAST, FUTURE = 1_577_836_800 + 86_400, 1_326_511_294, 2_240_524_800
travels = [pytest.param(library, when, id=f"{library.__name__}-{when}")
           for library in LIBRARIES for when in (PAST, FAR_PAST, FUTURE)]

def progress(tick, when):
    with httpx.Client(verify=False, trust_env=False) as client:
        task = make(client)
        seen = look(client, task)
        assert abs(seen["created_at"] - when * 1000) < 1000
        assert seen["task_status"] == "submitted" and task.isdigit()
        tick(3)
        seen = look(client, task)
        assert seen["task_status"] == "processing"
        assert abs(seen["updated_at"] - (when + 2) * 1000) < 1000
        tick(30)
        seen = look(client, task)
        assert seen["task_status"] == "succeed"
        assert abs(seen["created_at"] - when * 1000) < 1000
        assert abs(seen["updated_at"] - (when + 32) * 1000) < 1000
        return task
"""


@some_rows("fixture", ["kling", "kling_server"], usual=["kling"])
def test_created_at_and_progress_follow(suite: Suite, fixture: str) -> None:
    suite(
        TRAVELS
        + f"""
pytestmark = pytest.mark.kling(pace="seconds:2,30")

@pytest.fixture
def travelled(request):
    with request.param[0](request.param[1]) as travel:
        yield travel, request.param[1]

fixtures = pytest.mark.parametrize("travelled", [each.values for each in travels], indirect=True)

@fixtures
def test_fixture_before(travelled, {fixture}):
    progress(travelled[0].tick, travelled[1])

@fixtures
def test_fixture_after({fixture}, travelled):
    progress(travelled[0].tick, travelled[1])

@pytest.mark.parametrize("library,when", travels)
def test_inside({fixture}, library, when):
    with library(when) as travel:
        progress(travel.tick, when)

@freezegun.freeze_time("2012-01-14 03:21:34")
def test_frozen_decorator({fixture}):
    progress(lambda seconds: freezegun.api.freeze_factories[-1].tick(seconds), FAR_PAST)

@freezegun.freeze_time("2040-12-31 12:00:00", as_kwarg="frozen")
def test_frozen_to_the_future({fixture}, frozen=None):
    progress(frozen.tick, FUTURE + 43_200)

@time_machine.travel(FAR_PAST, tick=True)
def test_travelling_decorator({fixture}):
    with httpx.Client(verify=False, trust_env=False) as client:
        assert abs(look(client, make(client))["created_at"] - FAR_PAST * 1000) < 60_000

def test_plugin_fixture({fixture}, time_machine):
    time_machine.move_to(PAST, tick=False)
    progress(time_machine.shift, PAST)
""",
        "-p",
        "time_machine",
    ).assert_outcomes(passed=22)


@some_rows("fixture", ["kling", "kling_server"], usual=["kling"])
def test_a_task_from_before_the_travel_goes_on(suite: Suite, fixture: str) -> None:
    """The way to the past and back is not time that passes; ticks in the past are."""
    suite(
        TRAVELS
        + f"""
@pytest.mark.kling(pace="seconds:2,30")
@pytest.mark.parametrize("library", LIBRARIES)
def test_it({fixture}, library):
    with httpx.Client(verify=False, trust_env=False) as client:
        task = make(client)
        created = look(client, task)["created_at"]
        with library(PAST) as travel:
            assert look(client, task)["task_status"] == "submitted"
            travel.tick(3)
            assert look(client, task)["task_status"] == "processing"
            second = look(client, make(client))
            assert created + 3000 <= second["created_at"] < created + 30_000
        seen = look(client, task)
        assert seen["task_status"] == "processing" and seen["created_at"] == created
        with library(FUTURE):
            assert abs({fixture}.clock.now() - FUTURE) < 10
        assert abs({fixture}.clock.now() - FUTURE) < 60
"""
    ).assert_outcomes(passed=2)


@some_rows("fixture", ["kling", "kling_server"], usual=["kling"])
def test_travel_inside_a_test_whose_sleeps_are_skipped(suite: Suite, fixture: str) -> None:
    """The sleeps move the clock on from there, and are skipped afterwards as before."""
    suite(
        TRAVELS
        + f"""
@pytest.mark.kling(pace="seconds:2,30", sleep="advance")
@pytest.mark.parametrize("library,when", travels)
def test_it({fixture}, library, when):
    time.sleep(10)
    with library(when) as travel:
        progress(time.sleep, {fixture}.clock.now())
        assert abs({fixture}.clock.now() - when - 43) < 2
    began, monotonic = {fixture}.clock.now(), time.monotonic()
    time.sleep(100)
    assert 100 <= {fixture}.clock.now() - began < 105
    assert 100 <= time.monotonic() - monotonic < 105
"""
    ).assert_outcomes(passed=6)
