"""Scripts that end: after some uses or some time, or that apply by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kling_mock.conftest import Caller, Start


def test_a_script_that_lasts_some_seconds(caller: Caller) -> None:
    script = caller.fake.when().refuses(5001).lasting(30)
    assert repr(script) == "<Script #0: every create is refused with 5001, always, for 30 s>"
    assert caller.ask().status == 503
    caller.clock.advance(29.999)
    assert caller.ask().status == 503
    caller.clock.advance(0.001)
    assert caller.ask().status == 200


def test_the_time_of_a_script_begins_with_its_first_outcome(caller: Caller) -> None:
    script = caller.fake.when().lasting(30)
    caller.clock.advance(60)
    script.refuses(5001)
    caller.clock.advance(20)
    script.optional()
    caller.clock.advance(9)
    assert caller.ask().status == 503
    caller.clock.advance(1)
    assert caller.ask().status == 200


def test_a_next_that_has_ended_gives_way_to_the_one_after_it(caller: Caller) -> None:
    caller.fake.next.refuses(5001).lasting(5)
    caller.fake.next.refuses(1301)
    caller.clock.advance(5)
    assert body_of(caller.ask())["code"] == 1301
    assert caller.ask().status == 200


def test_the_first_two_then_fine(caller: Caller) -> None:
    caller.fake.when().refuses(429).times(2)
    assert [caller.ask().status for _ in range(4)] == [429, 429, 200, 200]


@pytest.mark.parametrize("script", ["when", "next"])
def test_a_chance_is_drawn_from_the_seed_for_each_create(script: str, start: Start) -> None:
    def outcomes(seed: int) -> list[int]:
        caller = start(seed=seed)
        rule = caller.fake.when() if script == "when" else caller.fake.next.times(1000)
        rule.refuses(1303).chance(0.3)
        return [caller.ask().status for _ in range(200)]

    first = outcomes(1)
    assert first == outcomes(1)
    assert first != outcomes(2)
    assert 35 <= first.count(429) <= 85


def test_a_create_that_chance_spares_gets_the_next_script(start: Start) -> None:
    caller = start(seed=3)
    caller.fake.when().fails("common")
    caller.fake.when().fails("rare").chance(0.2)
    tasks = [caller.make() for _ in range(50)]
    for task in tasks:
        task.release()
    found = [task.failure for task in tasks]
    assert set(found) == {"common", "rare"}
    assert found.count("rare") < 25


def test_invalid_ends_are_errors(caller: Caller) -> None:
    attempts: tuple[tuple[str, Callable[[], object]], ...] = (
        ("seconds must be a positive number", lambda: caller.fake.next.lasting(0)),
        ("the script already lasts 5 s", lambda: caller.fake.next.lasting(5).lasting(6)),
        ("probability must be above 0", lambda: caller.fake.next.chance(0)),
        ("probability must be above 0", lambda: caller.fake.next.chance(1.5)),
    )
    for error, add in attempts:
        with pytest.raises(ValueError, match=error):
            add()
