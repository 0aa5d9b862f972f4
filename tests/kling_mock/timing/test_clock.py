"""The clock: system time plus an offset, steered by the test, never backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from kling_mock import Clock, ManualClock

START = 1_767_225_600.0


class SystemTime:
    """Stands for `time.time`."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> SystemTime:
    system = SystemTime()
    monkeypatch.setattr("kling_mock.timing.clock.system_time", system)
    return system


def test_a_clock_runs_with_system_time(system: SystemTime) -> None:
    clock = Clock()
    assert clock.now() == START
    system.now += 12.5
    assert clock.now() == START + 12.5


@pytest.mark.parametrize(
    ("units", "seconds"),
    [
        ({"seconds": 1.5}, 1.5),
        ({"minutes": 2}, 120),
        ({"hours": 3}, 10_800),
        ({"days": 30}, 2_592_000),
        ({"days": 1, "hours": 1, "minutes": 1, "seconds": 1}, 90_061),
        ({"minutes": 1, "seconds": -60}, 0),
        ({}, 0),
    ],
)
@pytest.mark.parametrize("make", [Clock, ManualClock])
def test_advance_adds_up_its_units(
    make: type[Clock], units: dict[str, float], seconds: float, system: SystemTime
) -> None:
    clock = make()
    before = clock.now()
    clock.advance(**units)
    assert clock.now() == before + seconds


@pytest.mark.parametrize("seconds", [-1, -1e-9, float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("make", [Clock, ManualClock])
def test_a_clock_is_not_advanced_backwards_or_for_ever(
    make: type[Clock], seconds: float, system: SystemTime
) -> None:
    clock = make()
    before = clock.now()
    with pytest.raises(ValueError, match="time never goes backwards"):
        clock.advance(seconds)
    with pytest.raises(ValueError, match="time never goes backwards"):
        clock.advance(days=seconds)
    assert clock.now() == before


def test_steps_of_a_tenth_add_up_to_the_bit() -> None:
    """Ten steps of 0.1 s are one second: small steps meet a boundary as one large step does."""
    small, large = ManualClock(), ManualClock()
    for _ in range(10):
        small.advance(0.1)
    large.advance(1)
    assert small.now() == large.now()


def test_a_running_clock_never_goes_back_over_an_advance(system: SystemTime) -> None:
    """Advancing rounds to the microsecond; not even that may show as a step back."""
    clock = Clock()
    for fraction in (0.0, 0.000_000_4, 0.000_000_6, 0.123_456_49):
        system.now = START + fraction
        before = clock.now()
        clock.advance(0)
        assert clock.now() >= before


def test_a_frozen_clock_stands_still_until_it_is_resumed(system: SystemTime) -> None:
    clock = Clock()
    clock.freeze()
    system.now += 100
    assert (clock.now(), clock.speed) == (START, 0)
    clock.advance(5)
    system.now += 100
    assert clock.now() == START + 5
    clock.resume()
    assert clock.speed == 1
    system.now += 2
    assert clock.now() == START + 7


def test_speed_is_seconds_of_the_clock_per_second_of_the_system(system: SystemTime) -> None:
    clock = Clock()
    clock.speed = 60
    system.now += 2
    assert clock.now() == START + 120
    clock.speed = 0.5
    system.now += 2
    assert clock.now() == START + 121


@pytest.mark.parametrize("speed", [-1, 1_000_001, float("inf"), float("nan")])
def test_a_speed_is_limited_and_not_negative(speed: float) -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="speed must be from 0 to 1000000; got"):
        clock.speed = speed
    assert clock.speed == 1


def test_a_clock_ends_with_the_year_9999() -> None:
    clock = ManualClock()
    clock.advance(days=365 * 7900)
    before = clock.now()
    with pytest.raises(ValueError, match="it would be later than the year 9999"):
        clock.advance(days=365 * 100)
    assert clock.now() == before


@pytest.mark.parametrize("back", [0.25, 3600, 10 * 365 * 86_400])
def test_a_clock_goes_on_from_its_last_reading_when_system_time_is_set_back(
    system: SystemTime, back: float
) -> None:
    clock = Clock()
    system.now += 10
    assert clock.now() == START + 10
    system.now -= back
    assert clock.now() == START + 10
    system.now += 60
    assert clock.now() == pytest.approx(START + 70)
    clock.advance(1)
    assert clock.now() == pytest.approx(START + 71)
    system.now -= back
    clock.now()
    system.now += 5
    assert clock.now() == pytest.approx(START + 76)


def test_system_time_that_is_set_forth_again_is_no_time_that_passes(system: SystemTime) -> None:
    """A library goes to the past for a while, and back to the present at its end."""
    clock = Clock()
    system.now -= 5 * 365 * 86_400
    clock.now()
    system.now += 30
    assert clock.now() == START + 30
    system.now = START + 0.5
    assert clock.now() == START + 30
    system.now += 2
    assert clock.now() == START + 32


@pytest.mark.parametrize("recorded", [False, True])
def test_a_clock_follows_a_test_to_the_past_until_an_instant_is_recorded(recorded: bool) -> None:
    clock = Clock()
    clock.advance(100)
    before = clock.now()
    clock.recorded = recorded
    with time_machine.travel(START, tick=False) as traveller:
        began = clock.now()
        assert began == pytest.approx(before if recorded else START + 100, abs=5)
        traveller.shift(60)
        assert clock.now() == began + 60
    assert clock.now() == pytest.approx(began + 60 if recorded else before, abs=5)


def test_a_clock_that_stands_still_follows_nothing() -> None:
    clock, manual = Clock(), ManualClock()
    clock.freeze()
    before = clock.now()
    for instant in (START, 2 * START):
        with time_machine.travel(instant):
            assert (clock.now(), manual.now()) == (before, START)


def test_a_manual_clock_moves_by_advance_alone(system: SystemTime) -> None:
    clock = ManualClock()
    system.now += 1000
    assert clock.now() == START
    clock.advance(minutes=1)
    assert clock.now() == START + 60
    clock.freeze()
    clock.speed = 0
    with pytest.raises(ValueError, match="moves by advance"):
        clock.resume()
    with pytest.raises(ValueError, match="moves by advance"):
        clock.speed = 2
    assert clock.now() == START + 60


def test_a_manual_clock_starts_in_2020_or_later() -> None:
    assert ManualClock(1_577_836_800).now() == 1_577_836_800
    for start in (0, 1_577_836_799.9, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="start"):
            ManualClock(start)


@pytest.mark.parametrize(
    ("factor", "unit"), [(1_000, "milliseconds"), (1_000_000, "microseconds"), (1_000_000_000, "nanoseconds")]
)
def test_a_start_in_another_unit_is_recognised(factor: int, unit: str) -> None:
    for start in (1_767_225_600 * factor, START * factor):
        with pytest.raises(
            ValueError,
            match=rf"^start: .*got .*, which looks like {unit} \(2026-01-01\): divide by {factor}$",
        ):
            ManualClock(start)


@pytest.mark.parametrize("start", [True, None, "1767225600", datetime(2026, 1, 1, tzinfo=UTC)])
def test_a_start_is_a_number(start: float) -> None:
    with pytest.raises(TypeError, match=r"^start: must be a number of Unix seconds; got"):
        ManualClock(start)


def test_a_clock_shows_its_reading_and_speed() -> None:
    assert repr(ManualClock(START + 0.25)) == "<ManualClock now=1767225600.250 speed=0>"
    assert repr(Clock()).startswith("<Clock now=")


def test_listeners_hear_of_each_change_after_it_happened(system: SystemTime) -> None:
    clock = Clock()
    heard: list[tuple[float, float]] = []
    clock.subscribe(lambda: heard.append((clock.now(), clock.speed)))
    clock.advance(5)
    clock.speed = 3
    clock.freeze()
    clock.resume()
    assert heard == [(START + 5, 1), (START + 5, 3), (START + 5, 0), (START + 5, 1)]


def test_a_listener_may_steer_the_clock() -> None:
    clock = ManualClock()

    def hurry() -> None:
        if clock.now() < START + 10:
            clock.advance(4)

    clock.subscribe(hurry)
    clock.advance(1)
    assert clock.now() == START + 13


@pytest.mark.parametrize("value", ["3", None, True, timedelta(seconds=3)])
def test_advance_accepts_numbers_only(value: Any) -> None:
    clock = ManualClock()
    with pytest.raises(TypeError, match=r"^minutes must be a number, not "):
        clock.advance(minutes=value)
    assert clock.jumps == ()
