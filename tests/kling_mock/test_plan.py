"""The five paces: the status of a task at every instant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mock import Pace, TaskHandle

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

SPELLINGS = ("instant", "polls:N", "seconds:A,B", "realistic", "held")


def ms(caller: Caller) -> int:
    return int(caller.clock.now() * 1000)


def instants(task: TaskHandle) -> dict[str, float]:
    return {change.status.value: change.at for change in task.history}


# -- instant


def test_instant_tasks_end_right_after_the_create_reply_with_status_submitted(start: Start) -> None:
    caller = start(pace="instant")
    created = caller.create()
    assert created["task_status"] == "submitted"
    assert "task_result" not in created
    seen = caller.query(created["task_id"])
    assert seen["task_status"] == "succeed"
    assert seen["updated_at"] == seen["created_at"] == created["created_at"]


def test_instant_failures_end_at_once_too(start: Start) -> None:
    caller = start(pace="instant")
    caller.fake.next.fails("no such luck")
    seen = caller.query(caller.create()["task_id"])
    assert (seen["task_status"], seen["task_status_msg"]) == ("failed", "no such luck")


# -- polls


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_nth_counted_query_is_the_first_with_the_terminal_status(n: int, start: Start) -> None:
    """Earlier queries get `processing`, later ones the end; time alone changes nothing."""
    caller = start(pace=Pace.polls(n))
    task = caller.make()
    caller.clock.advance(days=1)
    assert task.status == "submitted"
    seen = [caller.status(task.id) for _ in range(n + 2)]
    assert seen == ["processing"] * (n - 1) + ["succeed"] * 3
    assert task.polls == n + 2


def test_under_polls_updated_at_is_the_instant_of_the_query_that_changed_the_state(start: Start) -> None:
    caller = start(pace="polls:3")
    task = caller.make()
    born = ms(caller)
    seen: list[tuple[str, int]] = []
    for _ in range(5):
        caller.clock.advance(10)
        data = caller.query(task.id)
        seen.append((data["task_status"], data["updated_at"] - born))
    assert seen == [
        ("processing", 10_000),
        ("processing", 10_000),
        ("succeed", 30_000),
        ("succeed", 30_000),
        ("succeed", 30_000),
    ]


@pytest.mark.parametrize("n", [0, -1, 1.0, 2.5, True, "2", None])
def test_polls_must_be_an_integer_of_at_least_1(n: int) -> None:
    with pytest.raises(ValueError, match="polls must be an integer of at least 1, not"):
        Pace.polls(n)


# -- seconds


@pytest.mark.parametrize("outcome", ["succeed", "failed"])
def test_seconds_changes_state_at_its_two_instants_exactly(outcome: str, start: Start) -> None:
    caller = start(pace="seconds:2,3")
    if outcome == "failed":
        caller.fake.next.fails("no such luck")
    task = caller.make()
    born = ms(caller)
    course: list[tuple[float, str, int]] = []
    for step in (0, 1.999, 0.001, 2.999, 0.001, 1000):
        caller.clock.advance(step)
        seen = caller.query(task.id)
        course.append((caller.clock.now() - born / 1000, seen["task_status"], seen["updated_at"] - born))
    assert [(round(at, 6), *rest) for at, *rest in course] == [
        (0, "submitted", 0),
        (1.999, "submitted", 0),
        (2, "processing", 2000),
        (4.999, "processing", 2000),
        (5, outcome, 5000),
        (1005, outcome, 5000),
    ]


def test_advancing_by_the_sum_of_both_durations_reaches_the_end(start: Start) -> None:
    """Decimal fractions cause no rounding error: after 0.1 s and 0.2 s the clock has reached 0.3 s."""
    for tenths in range(1, 40):
        first, second = tenths / 10, (tenths * 7 % 40) / 10
        caller = start(pace=Pace.seconds(first, second))
        task = caller.make()
        caller.clock.advance(first)
        assert task.status != "submitted"
        caller.clock.advance(second)
        assert task.status == "succeed"
        caller = start(pace=Pace.seconds(first, second))
        task = caller.make()
        caller.clock.advance((tenths + tenths * 7 % 40) / 10)
        assert task.status == "succeed"


def test_zero_seconds_end_at_once(start: Start) -> None:
    caller = start(pace=Pace.seconds(0, 0))
    assert caller.make().status == "succeed"


@pytest.mark.parametrize("value", [-1, math.inf, math.nan])
def test_seconds_are_durations(value: float) -> None:
    with pytest.raises(ValueError, match="a duration in seconds must be from 0 to 3200000000, not"):
        Pace.seconds(value, 1)
    with pytest.raises(ValueError, match="a duration in seconds must be from 0 to 3200000000, not"):
        Pace.seconds(1, value)


# -- realistic


def test_realistic_durations_are_within_the_documented_bounds_and_tasks_never_fail(start: Start) -> None:
    """1 to 3 s to `processing`, 8 to 40 s to the end: drawn for each task; 2,000 tasks all succeed."""
    caller = start(pace="realistic")
    for _ in range(2000):
        assert caller.ask().status == 200
    born = caller.clock.now()
    caller.clock.advance(40)
    starts, ends = set[float](), set[float]()
    for task in caller.fake.tasks:
        assert task.status == "succeed"
        seen = instants(task)
        starts.add(seen["processing"] - born)
        ends.add(seen["succeed"] - born)
    assert 1 <= min(starts) < 1.1
    assert 2.9 < max(starts) <= 3
    assert 8 <= min(ends) < 8.5
    assert 39.5 < max(ends) <= 40
    assert min(len(starts), len(ends)) > 1900


def test_realistic_failures_are_quick_and_skip_processing(start: Start) -> None:
    caller = start(pace="realistic")
    caller.fake.when().fails("no such luck")
    for _ in range(300):
        caller.ask()
    born = caller.clock.now()
    caller.clock.advance(2)
    ends = [instants(task)["failed"] - born for task in caller.fake.tasks]
    assert 1.4 <= min(ends) < 1.45
    assert 1.95 < max(ends) <= 2
    assert all("processing" not in instants(task) for task in caller.fake.tasks)


@pytest.mark.parametrize("speed", [0.5, 10, 1000])
def test_speed_divides_realistic_durations(speed: float, start: Start) -> None:
    plain, fast = start(pace="realistic"), start(pace=Pace.realistic(speed))
    slow_task, fast_task = plain.make(), fast.make()
    plain.clock.advance(40)
    fast.clock.advance(40 / speed)
    born = plain.clock.now() - 40
    for status in ("processing", "succeed"):
        assert instants(fast_task)[status] - born == pytest.approx(
            (instants(slow_task)[status] - born) / speed, abs=1e-5
        )


def test_realistic_durations_of_a_seed_are_the_same_in_every_version() -> None:
    """Users' tests may depend on them: no version may change the durations of a task."""
    pace = Pace.realistic()
    plan = pace.plan(0, None, seed=7, what=("a", 1))
    assert (plan.starts, plan.ends) == pytest.approx((1.868684129812143, 37.78419531102339))
    plan = pace.plan(0, "no such luck", seed=7, what=("a", 1))
    assert (plan.starts, plan.ends) == pytest.approx((math.inf, 1.5146425975844917))


def test_speed_divides_realistic_failures(start: Start) -> None:
    caller = start(pace=Pace.realistic(10))
    caller.fake.next.fails("no such luck")
    task = caller.make()
    caller.clock.advance(0.139)
    assert task.status == "submitted"
    caller.clock.advance(0.062)
    assert task.status == "failed"


@pytest.mark.parametrize("speed", [0, -1, math.inf, math.nan])
def test_a_speed_is_positive(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be a positive number, not"):
        Pace.realistic(speed)


# -- held


@pytest.mark.parametrize("at", ["submitted", "processing"])
def test_held_tasks_stay_until_they_are_released(at: str, start: Start) -> None:
    caller = start(pace=Pace.held(at), retention_days=1000)
    task = caller.make()
    for _ in range(3):
        caller.clock.advance(days=100)
        assert caller.status(task.id) == at
    task.release()
    seen = caller.query(task.id)
    assert (seen["task_status"], seen["updated_at"]) == ("succeed", ms(caller))


def test_a_held_task_that_is_to_fail_fails_when_it_is_released(start: Start) -> None:
    caller = start(pace="held")
    caller.fake.next.fails("no such luck")
    task = caller.make()
    assert task.status == "processing"
    task.release()
    assert (task.status, task.failure) == ("failed", "no such luck")


@pytest.mark.parametrize("at", ["succeed", "failed", "", "held"])
def test_tasks_are_held_in_unfinished_states_only(at: str) -> None:
    with pytest.raises(ValueError, match="held at 'submitted' or 'processing'"):
        Pace.held(at)


# -- text forms

durations = st.floats(0, 1e9, allow_nan=False) | st.integers(0, 10**9)
paces = st.one_of(
    st.just(Pace.instant()),
    st.builds(Pace.polls, st.integers(1, 10**12)),
    st.builds(Pace.seconds, durations, durations),
    st.builds(Pace.realistic, st.floats(1e-6, 1e9) | st.integers(1, 10**6)),
    st.builds(Pace.held, st.sampled_from(["submitted", "processing"])),
)


@given(pace=paces)
def test_a_pace_can_be_parsed_from_its_text_form(pace: Pace) -> None:
    assert Pace.parse(str(pace)) == pace


@pytest.mark.parametrize(
    ("text", "pace"),
    [
        ("instant", Pace.instant()),
        ("polls:2", Pace.polls(2)),
        ("polls:1234567", Pace.polls(1_234_567)),
        ("seconds:1,10.5", Pace.seconds(1, 10.5)),
        ("seconds:0.1234567,0", Pace.seconds(0.1234567, 0)),
        ("seconds:1,2", Pace.seconds(1.0, 2.0)),
        ("realistic:10", Pace.realistic(10)),
        ("held:submitted", Pace.held("submitted")),
    ],
)
def test_text_forms_are_short_and_exact(text: str, pace: Pace) -> None:
    assert str(pace) == text
    assert Pace.parse(text) == pace


def test_realistic_and_held_have_short_text_forms() -> None:
    assert Pace.parse("realistic") == Pace.realistic(1)
    assert Pace.parse("held") == Pace.held("processing")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fast", "unknown format"),
        ("polls:1,2", "unknown format"),
        ("polls:two", "'two' is not an integer"),
        ("polls:0", "polls must be an integer of at least 1, not 0"),
        ("seconds:a,2", "'a' is not a number"),
        ("seconds:-1,2", "a duration in seconds must be from 0 to 3200000000, not -1.0"),
        ("realistic:0", "speed must be a positive number, not 0.0"),
    ],
)
def test_the_error_for_an_invalid_text_form_gives_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^pace") as caught:
        Pace.parse(text)
    assert str(caught.value).startswith(f"pace {text!r}: {reason}; use instant")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "Instant",
        "instant:1",
        "polls",
        "polls:",
        "polls:0",
        "polls:1.5",
        "polls:two",
        "polls:1,2",
        "seconds",
        "seconds:1",
        "seconds:1,2,3",
        "seconds:-1,2",
        "seconds:nan,1",
        "realistic:0",
        "realistic:x",
        "held:succeed",
        "held:processing,submitted",
    ],
)
def test_the_error_for_an_invalid_text_form_lists_the_five_formats(text: str) -> None:
    with pytest.raises(ValueError, match=r"^pace ") as caught:
        Pace.parse(text)
    assert repr(text) in str(caught.value)
    assert all(spelling in str(caught.value) for spelling in SPELLINGS)
