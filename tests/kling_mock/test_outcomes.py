"""Outcomes of scripts: every pair that contradicts is refused at its line, and leaves no script behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, get_args

import pytest

from kling_contracts.gateways import COMETAPI, RefusalReason
from kling_contracts.vocabulary import ERRORS
from kling_mock import Fake, Pace
from kling_mock.faults import Fault
from kling_mock.outcomes import (
    CreateEffects,
    Disturbs,
    Fails,
    LongId,
    Misbehaves,
    Outcome,
    Progresses,
    Refuses,
    Succeeds,
    combined,
)
from kling_mock.reply_faults import ReplyFault
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.given_replies import CODE_OF_STATUS
from tests.rows import each_row

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller

Method = Callable[[Script], Script]

METHODS: dict[str, Method] = {
    "succeeds": lambda script: script.succeeds(),
    "fails": lambda script: script.fails("one"),
    "fails otherwise": lambda script: script.fails("two"),
    "refuses": lambda script: script.refuses(1302),
    "refuses otherwise": lambda script: script.refuses(1303),
    "pace": lambda script: script.pace("polls:3"),
    "holds": lambda script: script.holds(),
}
# Written by hand: an end and a pace go together; nothing else does.
COMBINABLE = {
    frozenset({end, pace}) for end in ("succeeds", "fails", "fails otherwise") for pace in ("pace", "holds")
}
PAIRS = list(itertools.permutations(METHODS, 2))


@pytest.mark.parametrize("start", [lambda fake: fake.next, lambda fake: fake.when(n=1)], ids=["next", "when"])
@each_row(("first", "second"), PAIRS)
def test_every_pair_of_outcomes_combines_or_is_refused(
    start: Callable[[Fake], Script], first: str, second: str
) -> None:
    fake = Fake()
    script = METHODS[first](start(fake))
    if frozenset({first, second}) in COMBINABLE:
        METHODS[second](script)
        assert len(fake.scripts[0].outcomes) == 2
        return
    with pytest.raises(ValueError, match=r"^contradictory outcomes: .* and .*; keep one, or write a second"):
        METHODS[second](script)
    fake.check()


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_an_outcome_may_be_repeated(method: Method) -> None:
    fake = Fake()
    shown = repr(method(method(fake.next)))
    assert shown == repr(method(Fake().next))


@pytest.mark.parametrize(
    "mistake",
    [
        lambda fake: fake.next.fails("one").succeeds(),
        lambda fake: fake.next.fails("one").pace("fast"),
        lambda fake: fake.next.fails("one").holds("succeed"),
        lambda fake: fake.next.fails("one").times(0),
        lambda fake: fake.next.fails("one").times(2).times(3),
        lambda fake: fake.next.fails("one").fails(""),
        lambda fake: fake.next.fails(),
        lambda fake: fake.next.refuses(418),
        lambda fake: fake.next.times("2"),
    ],
)
def test_a_script_with_an_error_has_no_effect_and_is_not_reported_again(
    mistake: Callable[[Any], object], caller: Caller
) -> None:
    with pytest.raises((TypeError, ValueError)):
        mistake(caller.fake)
    assert caller.make().request.n == 1
    assert caller.fake.task.history[-1].status == "submitted"
    assert caller.query(caller.fake.task.id)["task_status"] == "processing"
    assert caller.query(caller.fake.task.id)["task_status"] == "succeed"
    caller.fake.check()


def test_times_may_be_refined_but_not_contradicted() -> None:
    fake = Fake()
    assert repr(fake.next.fails("x").times(2).times(2)).endswith("2 times>")
    with pytest.raises(ValueError, match="times: the script already applies 2 times; got 3"):
        fake.next.fails("x").times(2).times(3)


def test_methods_before_the_first_outcome_count(caller: Caller) -> None:
    """A script without an outcome uses up nothing."""
    script = caller.fake.next.times(2).optional()
    caller.make()
    assert not caller.fake.scripts
    assert repr(script.fails("x")) == "<Script #0: next create fails 'x', 2 times, optional>"


def test_when_without_criteria_is_described_as_all_creates() -> None:
    assert repr(Fake().when().succeeds()) == "<Script #0: every create succeeds, always>"


# -- codes and HTTP statuses


@pytest.mark.parametrize("status", sorted({row.status for row in ERRORS.values()}))
def test_refuses_accepts_every_http_status_of_the_table(status: int, caller: Caller) -> None:
    caller.fake.next.refuses(status)
    reply = caller.ask()
    assert reply.status == status
    assert cast("dict[str, Any]", reply.json())["code"] == CODE_OF_STATUS[status]


def test_each_status_has_a_code_with_that_status() -> None:
    assert {ERRORS[code].status: code for code in CODE_OF_STATUS.values()} == CODE_OF_STATUS
    assert not CODE_OF_STATUS.keys() & ERRORS.keys()


@pytest.mark.parametrize("code", [0, 200, 418, 502, 1305, -1, True, "429", 429.0, None])
def test_the_error_for_another_number_lists_codes_by_status(code: Any) -> None:
    with pytest.raises(ValueError, match="unknown error code") as caught:
        Fake().next.refuses(code)
    assert "1100, 1101, 1102 (HTTP 429); 1103 (HTTP 403)" in str(caught.value)
    assert all(str(known) in str(caught.value) for known in ERRORS)


# -- records

REFUSAL = COMETAPI.refusals[RefusalReason.NO_SLOTS]
SAMPLES: tuple[Outcome, ...] = (
    Succeeds(),
    Fails("no"),
    Refuses(REFUSAL),
    Progresses(Pace.held()),
    LongId(),
    Misbehaves(Fault("omits_index")),
    Disturbs(ReplyFault("resets")),
)


def test_every_kind_of_outcome_has_a_sample() -> None:
    assert {type(each) for each in SAMPLES} == set(get_args(Outcome))


@pytest.mark.parametrize("outcome", SAMPLES, ids=lambda each: type(each).__name__)
def test_an_outcome_changes_the_effects_and_is_described(outcome: Outcome) -> None:
    before = CreateEffects("bad picture", Pace.polls(2))
    assert outcome.apply(before) != before
    assert outcome.describe()
    assert combined((), outcome) == (outcome,)
    assert combined((outcome,), outcome) == (outcome,)
