"""Money: units spent, the peak of concurrency, and the explanation of a double payment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start


def message_of(caller: Caller, images: int) -> str:
    with pytest.raises(AssertionError) as caught:
        caller.fake.assert_paid(images=images)
    return str(caught.value)


def test_units_are_spent_at_creation_and_returned_by_a_failure(start: Start) -> None:
    caller = start(pace="held")
    assert caller.fake.spend == 0
    task = caller.make(n=3)
    assert caller.fake.spend == 48
    task.fail("no luck")
    assert caller.fake.spend == 0
    caller.make().succeed()
    assert caller.fake.spend == 16
    caller.ask(n=0)
    assert caller.fake.spend == 16


@pytest.mark.parametrize("number", ["1", 1.0, True, -1])
def test_numbers_are_checked(number: Any, caller: Caller) -> None:
    """Of all assertions: a wrong type would be a failed comparison, or an error of Python."""
    task, calls = caller.make(), caller.fake.calls
    for name, given in (
        ("images", caller.fake.assert_paid),
        ("times", calls.assert_created),
        ("times", task.assert_polled),
        ("at_most", task.assert_polled),
    ):
        with pytest.raises(ValueError, match=f"{name} must be an integer of at least 0, not {number!r}"):
            given(**{name: number})


def test_each_account_spends_its_own_units(start: Start) -> None:
    caller = start(pace="held")
    for key, n in (("sk-a", 1), ("sk-b", 2)):
        caller.account(key).create(n=n, external_task_id="mine")
    fake = caller.fake
    assert (fake.account("sk-a").spend, fake.account("sk-b").spend, fake.spend) == (16, 32, 48)
    assert (fake.account("sk-a").peak_concurrency, fake.peak_concurrency) == (1, 3)
    fake.account("sk-b").assert_paid(images=2)
    assert fake.account("sk-c").spend == 0


def test_the_peak_counts_images_that_were_unfinished_at_once(start: Start) -> None:
    """At one instant too: a task that ended before the next was created is not counted with it."""
    caller = start(pace="polls:1")
    for n in (1, 3, 2):
        caller.query(caller.create(n=n)["task_id"])
    assert caller.fake.peak_concurrency == 3
    caller.create(n=2)
    caller.create(n=2)
    assert caller.fake.peak_concurrency == 4


def test_the_peak_of_tasks_that_end_by_the_clock(start: Start) -> None:
    caller = start(pace="seconds:1,9")
    for _ in range(4):
        caller.create()
        caller.clock.advance(5)
    assert caller.fake.peak_concurrency == 2


def test_paid_images_are_those_of_tasks_that_have_not_failed(start: Start) -> None:
    caller = start(pace="held")
    caller.fake.assert_paid(images=0)
    caller.make().fail("no luck")
    caller.fake.assert_paid(images=0)
    caller.make(n=2)
    caller.fake.assert_paid(images=2)


def test_a_double_payment_is_named_with_both_requests_and_the_time_between(caller: Caller) -> None:
    first = caller.make(prompt="a cat")
    caller.clock.advance(2.5)
    second = caller.make(prompt="a cat")
    caller.make(prompt="a dog")
    lines = message_of(caller, 2).splitlines()
    assert lines[0] == "expected 2 images to be paid; found 3, of 3 tasks:"
    assert "two equal requests were paid, 2.500 s apart:" in lines
    at = lines.index("two equal requests were paid, 2.500 s apart:")
    assert re.fullmatch(rf"  POST \S+ -> 200 submitted task {first.id}", lines[at + 1])
    assert re.fullmatch(rf"  POST \S+ -> 200 submitted task {second.id}", lines[at + 2])
    assert lines[at + 3] == "    the bodies are equal"


def test_the_difference_of_the_bodies_is_shown(caller: Caller) -> None:
    """An external id of the second attempt, for example; a picture by its URL, without secrets."""
    pictures = [{"subject_image": f"https://pictures.test/{name}.png?key=secret"} for name in "ab"]
    caller.create(prompt="a cat", external_task_id="one", subject_image_list=pictures)
    caller.create(prompt="a cat", external_task_id="two", subject_image_list=pictures[::-1])
    text = message_of(caller, 1)
    assert "two similar requests were paid, 0.000 s apart:" in text
    assert "    external_task_id: 'one', then 'two'" in text
    assert "subject_image_list[0].subject_image: 'https://pictures.test/a.png" in text
    assert "secret" not in text
    assert "prompt:" not in text


def test_requests_of_different_accounts_are_no_double_payment(start: Start) -> None:
    caller = start()
    for key in ("sk-a", "sk-b"):
        caller.account(key).create(prompt="a cat")
    assert "apart" not in message_of(caller, 1)


def test_with_fewer_images_the_refused_requests_are_listed(start: Start) -> None:
    caller = start(slots=0)
    caller.ask()
    text = message_of(caller, 1)
    assert text.startswith("expected 1 image to be paid; found 0, of 0 tasks:")
    assert "-> 429 (refused by account.slots)" in text
    assert "  none" in message_of(start(), 1)


def test_many_payments_are_summed_up(caller: Caller) -> None:
    for number in range(80):
        caller.create(prompt=f"cat {number}")
    assert "  75 earlier ones" in message_of(caller, 1)
