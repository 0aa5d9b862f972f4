"""Units and concurrency of an account over time."""

from __future__ import annotations

from typing import Any

from kling_mock import ManualClock
from tests.kling_mock.control_api.conftest import Control

START = 1_750_000_000.0


def points(control: Control, query: str = "") -> list[tuple[float, int, int]]:
    shown: Any = control.ok("GET", f"/accounts/{query or 'sk-mock-a'}")
    return [(round(each["at"] - START, 3), each["spend"], each["unfinished"]) for each in shown["points"]]


def test_each_create_and_each_end_is_a_step() -> None:
    control = Control(pace="seconds:1,9", clock=ManualClock(START))
    assert points(control, "sk-mock-a/history") == []
    control.make(n=2)
    control.fake.clock.advance(5)
    control.fake.next.fails("no")
    control.make(n=1)
    control.caller.account("sk-mock-b").make(n=4)
    control.fake.clock.advance(6)
    assert points(control, "sk-mock-a/history") == [(0, 32, 2), (5, 48, 3), (10, 48, 1)]
    control.fake.clock.advance(10)
    assert points(control, "sk-mock-a/history")[-1] == (15, 32, 0)
    assert control.fake.account("sk-mock-a").spend == 32
    assert points(control, "*/history")[-1] == (15, 96, 0)
    assert max(each[2] for each in points(control, "*/history")) == control.fake.peak_concurrency


def test_the_number_of_points_is_limited_and_keeps_the_peak() -> None:
    control = Control(pace="seconds:1,9", clock=ManualClock(START))
    for _ in range(30):
        control.make()
        control.fake.clock.advance(1)
    control.fake.clock.advance(60)
    whole = points(control, "sk-mock-a/history")
    thin = points(control, "sk-mock-a/history?points=7")
    assert (len(whole), len(thin)) == (40, 7)
    assert max(each[2] for each in thin) == control.fake.peak_concurrency
    assert thin[-1][1] == control.fake.spend
    assert control.refused(422, "GET", "/accounts/a/history?points=0")["pointer"] == "?points"


def test_units_of_dropped_tasks_are_spent_before_the_first_point() -> None:
    control = Control(pace="instant", retention_days=1, clock=ManualClock(START))
    control.make(n=2)
    control.fake.clock.advance(days=2)
    control.make(n=1)
    assert [each[1] for each in points(control, "sk-mock-a/history")] == [48]
