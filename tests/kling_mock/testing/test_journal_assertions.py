"""`assert_created`: the tasks that it counts, and its messages with the closest creates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller

PATH = "/kling/v1/images/generations"


def test_assert_created_passes_if_a_create_matches(caller: Caller) -> None:
    caller.create(prompt="two cats", aspect_ratio="1:1")
    caller.create(prompt="a dog", n=2)
    calls = caller.fake.calls
    calls.assert_created()
    calls.assert_created(2)
    calls.assert_created(prompt="*cats", aspect_ratio="1:1", n=1, subjects=2)
    calls.assert_created(1, n=2)
    calls.assert_created(0, prompt="*bird*")


def test_assert_created_shows_the_closest_creates_first(caller: Caller) -> None:
    first = caller.create(prompt="a dog")["task_id"]
    second = caller.create(prompt="a cat")["task_id"]
    caller.ask(n=0)
    with pytest.raises(AssertionError) as caught:
        caller.fake.calls.assert_created(prompt="*cat*", n=2)
    assert str(caught.value) == (
        "expected at least one task created with prompt='*cat*', n=2; found 0. "
        "Create requests, closest match first:\n"
        f"  POST {PATH} -> 200 submitted task {second}\n"
        "    prompt: matches\n"
        "    n: expected 2, got 1\n"
        f"  POST {PATH} -> 200 submitted task {first}\n"
        "    prompt: expected '*cat*', got 'a dog'\n"
        "    n: expected 2, got 1\n"
        f"  POST {PATH} -> 400 (refused by n.minimum)"
    )


def test_assert_created_counts_tasks_not_refusals(caller: Caller) -> None:
    caller.fake.next.refuses(1302)
    caller.ask(prompt="a cat")
    with pytest.raises(AssertionError, match="expected exactly 1 task created with prompt='a cat'; found 0"):
        caller.fake.calls.assert_created(1, prompt="a cat")


def test_assert_created_without_any_create(caller: Caller) -> None:
    with pytest.raises(AssertionError) as caught:
        caller.fake.calls.assert_created()
    assert str(caught.value) == (
        "expected at least one task created; found 0. Create requests, closest match first:\n  none"
    )


def test_assert_created_shows_five_creates_at_most(caller: Caller) -> None:
    for _ in range(7):
        caller.create()
    with pytest.raises(AssertionError, match="exactly 1 task created; found 7") as caught:
        caller.fake.calls.assert_created(1)
    assert str(caught.value).count("POST") == 5
    assert str(caught.value).endswith("  and 2 more")


@pytest.mark.parametrize("criteria", [{"promt": "x"}, {"subject": 2}])
def test_an_unknown_criterion_is_a_type_error(criteria: dict[str, Any], caller: Caller) -> None:
    with pytest.raises(TypeError, match=r"did you mean '(prompt|subjects)'\?"):
        caller.fake.calls.assert_created(**criteria)
