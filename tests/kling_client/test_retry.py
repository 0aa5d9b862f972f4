"""Pauses, deadlines and Retry-After as numbers."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_client import ConfigError, Poll, Retry
from kling_client.retry import LAST_POLL_SECONDS, Timer, monotonic, read_retry_after


def test_the_default_pauses() -> None:
    assert list(Retry().pauses()) == [0.5, 1.0, 2.0]
    assert list(islice(Poll().pauses(), 7)) == pytest.approx([1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 8])


def test_one_attempt_means_no_pause() -> None:
    assert list(Retry(attempts=1).pauses()) == []


@given(
    first=st.floats(0.01, 10),
    factor=st.floats(1, 1e300),
    above=st.floats(0, 100),
)
def test_poll_pauses_never_shrink_and_stay_between_first_and_cap(
    first: float, factor: float, above: float
) -> None:
    """Large factors cause no overflow."""
    pauses = list(islice(Poll(first=first, factor=factor, cap=first + above).pauses(), 30))
    assert pauses[0] == first
    assert all(before <= after <= first + above for before, after in pairwise(pauses))


@pytest.mark.parametrize(
    "bad", [{"first": 0}, {"first": -1}, {"factor": 0.5}, {"cap": 0.5}, {"first": math.nan}]
)
def test_a_poll_that_would_be_a_tight_loop_cannot_be_made(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Poll(**bad)


@pytest.mark.parametrize("bad", [{"attempts": 0}, {"first": -1}, {"cap": 0.1}, {"max_retry_after": math.inf}])
def test_a_retry_that_makes_no_sense_cannot_be_made(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Retry(**bad)  # type: ignore[arg-type]  # attempts is an int


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 99 Nov 2026 00:00:00 GMT"}, None),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 10:00:30 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            30,
        ),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 09:00:00 -0000",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            0,
        ),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    """A date is relative to the Date header of the response."""
    assert read_retry_after(headers) == seconds


def test_retry_after_as_a_date_counts_from_our_clock_without_the_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_795_341_600.0)  # 2026-11-22 10:00:00 UTC
    assert read_retry_after({"retry-after": "Sun, 22 Nov 2026 10:00:12 GMT"}) == 12


@given(st.text())
def test_no_retry_after_header_is_ever_an_error(text: str) -> None:
    seconds = read_retry_after({"retry-after": text, "date": text})
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


def test_the_clock_is_looked_up_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 42.0)
    assert monotonic() == 42.0


def test_a_deadline_counts_what_was_slept_even_if_the_clock_stands_still() -> None:
    timer = Timer(lambda: 5.0, 10)
    timer.slept += 4
    assert (timer.spent, timer.remaining) == (4, 6)


def test_a_deadline_clips_the_timeout_of_a_request_but_leaves_the_last_poll_a_chance() -> None:
    now = 0.0
    timer = Timer(lambda: now, 20)
    assert timer.clip(30) == 20
    now = 19.0
    assert timer.clip(30) == LAST_POLL_SECONDS
    assert timer.clip(2) == 2


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf])
def test_a_wait_without_end_cannot_be_asked_for(bad: float) -> None:
    with pytest.raises(ConfigError, match="deadline"):
        Timer(monotonic, bad)
