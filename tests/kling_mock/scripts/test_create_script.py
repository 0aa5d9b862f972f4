"""Scripted outcomes: `next`, `when` and their methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from kling_contracts.vocabulary import ERRORS
from kling_mock import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kling_mock.conftest import Caller, Start

# Copied by hand from the official table: code and HTTP status.
TABLE = {
    1000: 401, 1001: 401, 1002: 401, 1003: 401, 1004: 401,
    1100: 429, 1101: 429, 1102: 429, 1103: 403,
    1200: 400, 1201: 400, 1202: 404, 1203: 404,
    1300: 400, 1301: 400, 1302: 429, 1303: 429, 1304: 429,
    5000: 500, 5001: 503, 5002: 504,
}  # fmt: skip


@pytest.fixture
def caller(start: Start) -> Caller:
    """A caller whose tasks end at once, so that a query returns the outcome."""
    return start(pace="instant")


def outcome(caller: Caller, **fields: Any) -> str:
    """`succeed`, the message of a failure, or the HTTP status of a refusal."""
    reply = caller.ask(**fields)
    if reply.status != 200:
        return str(reply.status)
    data = caller.query(caller.data(reply)["task_id"])
    return str(data.get("task_status_msg", data["task_status"]))


# -- next


def test_next_is_for_one_create(caller: Caller) -> None:
    caller.fake.next.fails("no such luck")
    assert [outcome(caller) for _ in range(3)] == ["no such luck", "succeed", "succeed"]


def test_next_is_a_queue(caller: Caller) -> None:
    caller.fake.next.fails("one")
    caller.fake.next.succeeds()
    caller.fake.next.refuses(1302).times(2)
    caller.fake.next.fails("five")
    assert [outcome(caller) for _ in range(6)] == ["one", "succeed", "429", "429", "five", "succeed"]


def test_a_refused_request_does_not_use_up_a_next(caller: Caller) -> None:
    caller.fake.next.fails("no such luck")
    assert [outcome(caller, n=0), outcome(caller, model_name="x")] == ["400", "503"]
    assert caller.account("").ask().status == 401
    assert outcome(caller) == "no such luck"


def test_a_script_takes_effect_with_its_first_method(caller: Caller) -> None:
    script = caller.fake.next
    caller.fake.when(prompt="*")
    assert repr(script) == "<Script: no outcome yet>"
    assert outcome(caller) == "succeed"
    script.fails("no such luck")
    assert outcome(caller) == "no such luck"


# -- when


def test_when_applies_to_every_create_that_fits(caller: Caller) -> None:
    caller.fake.when(prompt="*cat*").fails("no cats")
    prompts = ["a cat", "a dog", "concatenate", "CAT", "cat"]
    assert [outcome(caller, prompt=prompt) for prompt in prompts] == [
        "no cats", "succeed", "no cats", "succeed", "no cats",
    ]  # fmt: skip


def test_the_newest_when_that_fits_applies(caller: Caller) -> None:
    """So a test can override a script of its fixture."""
    caller.fake.when().fails("old")
    caller.fake.when(n=2).fails("new")
    assert [outcome(caller), outcome(caller, n=2)] == ["old", "new"]
    caller.fake.when().succeeds()
    assert [outcome(caller), outcome(caller, n=2)] == ["succeed", "succeed"]


def test_next_takes_precedence_over_when(caller: Caller) -> None:
    caller.fake.next.fails("next")
    caller.fake.when().fails("when")
    assert [outcome(caller), outcome(caller)] == ["next", "when"]


def test_after_a_used_up_when_the_older_one_applies(caller: Caller) -> None:
    caller.fake.when().fails("older")
    caller.fake.when().fails("newer").times(2)
    assert [outcome(caller) for _ in range(3)] == ["newer", "newer", "older"]


@pytest.mark.parametrize(
    ("criteria", "fields"),
    [
        ({"prompt": "exactly this"}, {"prompt": "exactly this"}),
        ({"prompt": ""}, {}),
        ({"n": 3}, {"n": 3}),
        ({"aspect_ratio": "1:1"}, {"aspect_ratio": "1:1"}),
        ({"aspect_ratio": "16:9"}, {}),
        ({"model_name": "kling-*"}, {}),
        ({"callback_url": "https://app.test/*"}, {"callback_url": "https://app.test/hook"}),
        ({"callback_url": None}, {}),
        ({"external_task_id": "poster-[0-9]"}, {"external_task_id": "poster-7"}),
        ({"subjects": 2}, {}),
        ({"subjects": 2, "n": 1, "prompt": "*"}, {}),
    ],
)
def test_each_criterion_is_compared_with_the_request_and_its_defaults(
    criteria: dict[str, object], fields: dict[str, Any], caller: Caller
) -> None:
    caller.fake.when(**criteria).fails("fits")
    assert outcome(caller, **fields) == "fits"
    misfit = {"prompt": "other", "n": 2, "aspect_ratio": "3:2", "external_task_id": "other"}
    other = {**misfit, "callback_url": "http://else.test"}
    if set(criteria) - {"model_name", "subjects"}:
        assert outcome(caller, **other) == "succeed"


def test_subjects_counts_pictures(caller: Caller) -> None:
    caller.fake.when(subjects=3).fails("three")
    three = [{"subject_image": "https://pictures.test/a.png"}] * 3
    reply = caller.post({"subject_image_list": three, "style_image": "https://pictures.test/s.png"})
    assert caller.query(caller.data(reply)["task_id"])["task_status_msg"] == "three"
    assert outcome(caller, style_image="https://pictures.test/s.png") == "succeed"


# -- outcomes


def test_succeeds_overrides_a_bad_picture(caller: Caller, png_head: Callable[[int, int], str]) -> None:
    bad = [{"subject_image": png_head(10, 10)}] * 2
    caller.fake.next.succeeds()
    first, second = (caller.data(caller.post({"subject_image_list": bad})) for _ in range(2))
    assert caller.query(first["task_id"])["task_status"] == "succeed"
    assert caller.query(second["task_id"])["task_status_msg"] == "Image pixel is invalid"


def test_a_pace_alone_leaves_the_outcome_to_the_request(
    caller: Caller, png_head: Callable[[int, int], str]
) -> None:
    caller.fake.next.pace("polls:2")
    bad = [{"subject_image": png_head(10, 10)}] * 2
    task_id = caller.data(caller.post({"subject_image_list": bad}))["task_id"]
    assert [caller.status(task_id) for _ in range(2)] == ["processing", "failed"]


@pytest.mark.parametrize("pace", ["polls:3", Pace.polls(3)])
@pytest.mark.parametrize("backwards", [False, True])
def test_methods_can_be_chained_in_any_order(pace: str | Pace, backwards: bool, caller: Caller) -> None:
    if backwards:
        script = caller.fake.next.times(2).pace(pace).fails("no such luck")
    else:
        script = caller.fake.next.fails("no such luck").pace(pace).times(2)
    assert repr(script) == "<Script #0: next create fails 'no such luck', pace polls:3, 2 times>"
    for _ in range(2):
        task = caller.make()
        assert [caller.status(task.id) for _ in range(3)] == ["processing", "processing", "failed"]
        assert task.failure == "no such luck"
    assert outcome(caller) == "succeed"


@pytest.mark.parametrize("at", ["submitted", "processing"])
def test_holds_keeps_a_task_in_the_given_status(at: str, caller: Caller) -> None:
    caller.fake.next.holds(at)
    task = caller.make()
    caller.clock.advance(days=1)
    assert caller.status(task.id) == at
    task.release()
    assert task.status == "succeed"


@pytest.mark.parametrize(("code", "status"), TABLE.items())
def test_refuses_gives_the_tables_status_and_envelope(code: int, status: int, caller: Caller) -> None:
    caller.fake.next.refuses(code)
    reply = caller.ask(external_task_id="mine")
    body = cast("dict[str, Any]", reply.json())
    assert reply.status == status
    assert body.keys() == {"code", "message", "request_id"}
    assert body["code"] == code
    assert body["message"]
    assert not caller.fake.tasks
    assert caller.ask(external_task_id="mine").status == 200


def test_the_copied_table_is_complete() -> None:
    assert set(TABLE) == set(ERRORS)


def test_refuses_accepts_a_message(caller: Caller) -> None:
    caller.fake.next.refuses(1302, "slow {down} 100%")
    assert cast("dict[str, Any]", caller.ask().json())["message"] == "slow {down} 100%"


def test_the_repr_of_a_script_describes_it(caller: Caller) -> None:
    fake = caller.fake
    assert repr(fake.next.succeeds()) == "<Script #0: next create succeeds, once>"
    shown = repr(fake.when(prompt="*cat*", n=2).refuses(1303).times(2))
    assert shown == "<Script #1: every create with prompt='*cat*', n=2 is refused with 1303, 2 times>"
    assert repr(fake.next.holds()) == "<Script #2: next create pace held:processing, once>"


# -- invalid arguments


def test_the_error_for_an_unknown_criterion_suggests_similar_ones(caller: Caller) -> None:
    with pytest.raises(TypeError, match=r"^unknown field 'promt'; did you mean 'prompt'\?$"):
        caller.fake.when(promt="*cat*")
    with pytest.raises(TypeError, match=r"^unknown field 'ratio'; did you mean 'aspect_ratio'\?$"):
        caller.fake.when(ratio="1:1")
    with pytest.raises(
        TypeError,
        match="unknown field 'zzz'; known: model_name, prompt, n, aspect_ratio, callback_url",
    ):
        caller.fake.when(zzz=1)


def test_the_error_for_an_unknown_code_lists_the_table(caller: Caller) -> None:
    with pytest.raises(ValueError, match="unknown error code 1305; known: 1000, 1001") as caught:
        caller.fake.next.refuses(1305)
    assert all(str(code) in str(caught.value) for code in TABLE)
    assert outcome(caller) == "succeed"


def test_a_failure_needs_a_message(caller: Caller) -> None:
    with pytest.raises(ValueError, match="message must be a non-empty string, not ''"):
        caller.fake.next.fails("")


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_times_must_be_an_integer_of_at_least_1(n: Any, caller: Caller) -> None:
    with pytest.raises(ValueError, match="times must be an integer of at least 1, not"):
        caller.fake.next.fails("no such luck").times(n)


def test_the_error_for_an_invalid_pace_or_status_lists_the_valid_ones(caller: Caller) -> None:
    with pytest.raises(ValueError, match="use instant, polls:N"):
        caller.fake.next.pace("fast")
    with pytest.raises(ValueError, match="held at 'submitted' or 'processing'"):
        caller.fake.next.holds("succeed")
