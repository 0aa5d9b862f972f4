"""What a soak run reports as a problem."""

from __future__ import annotations

from tests.kling_mock.soak import Load, Sizes, percentile, problems


def test_errors_and_growth_after_the_warm_up_are_problems() -> None:
    load = Load("127.0.0.1", 1, 0)
    warm_up = [Sizes(memory, 1, 5) for memory in range(100, 900, 100)]
    steady = [Sizes(1_000 + 10 * (number % 3), 2 + number % 2, 10) for number in range(12)]
    assert problems(load, warm_up + steady) == []
    last = steady[-1]
    for grown, message in (
        (Sizes(1_072, 2, 10), "memory grew from 1020 to 1072"),
        (Sizes(1_000, 4, 10), "threads grew from 3 to 4"),
        (Sizes(1_000, 2, 11), "files grew from 10 to 11"),
    ):
        assert problems(load, [*warm_up, *steady[:-3], *[grown] * 3]) == [message]
        # A peak that goes back is not growth.
        assert problems(load, [*warm_up, *steady[:-3], grown, grown, last]) == []
    load.errors["query: 500 instead of 200"] += 2
    assert problems(load, steady) == ["2 x query: 500 instead of 200"]


def test_percentiles_are_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, part) for part in (0.5, 0.99, 1)] == [51, 100, 100]
    assert percentile([3.0], 0.5) == 3
