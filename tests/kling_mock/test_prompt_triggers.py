"""Triggers in prompts: their effect on one create, and their errors, which are notes and never refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.vocabulary import ERRORS
from kling_mock.outcomes import Fails, Progresses, Refuses
from kling_mock.plan import Pace
from kling_mock.prompt_triggers import read_trigger

if TYPE_CHECKING:
    from kling_mock import Reply
    from tests.kling_mock.conftest import Caller, Start


def note_of(reply: Reply) -> str | None:
    return dict(reply.headers).get("x-kling-mock-trigger")


@pytest.fixture
def caller(start: Start) -> Caller:
    return start(prompt_triggers=True)


def test_a_trigger_scripts_its_own_create(caller: Caller) -> None:
    reply = caller.ask(prompt="a cat [mock fails=1301 polls=3] at sea")
    task = caller.fake.task
    assert note_of(reply) == "prompt trigger applied: fails=1301 polls=3"
    assert [caller.query(task.id)["task_status"] for _ in range(3)] == ["processing", "processing", "failed"]
    assert task.failure == ERRORS[1301].wording
    assert task.request.prompt == "a cat [mock fails=1301 polls=3] at sea"
    assert caller.fake.calls[0].notes == ("prompt trigger applied: fails=1301 polls=3",)
    caller.ask(prompt="a cat")
    assert caller.fake.tasks[1].failure is None


@pytest.mark.parametrize(
    ("prompt", "status"),
    [
        ("[mock refuses=1303]", 429),
        ("[mock answers=502]", 502),
        ("[mock answers.status=503 answers.code=5001]", 503),
        ("[mock instant sticks]", 200),
        ('[mock fails="no ] luck"]', 200),
    ],
)
def test_every_method_of_a_script_is_a_trigger(caller: Caller, prompt: str, status: int) -> None:
    reply = caller.ask(prompt=prompt)
    assert reply.status == status
    assert str(note_of(reply)).startswith("prompt trigger applied: ")


OUTCOMES = {
    "[mock fails=400]": (Fails(ERRORS[1201].wording),),
    '[mock fails="a b" pace=polls:4]': (Fails("a b"), Progresses(Pace.polls(4))),
    "x [mock\nseconds=1,10 ] y [mock fails]": (Progresses(Pace.seconds(1, 10)),),
    "[mock held=submitted]": (Progresses(Pace.held("submitted")),),
    "[mock realistic]": (Progresses(Pace.realistic()),),
}


@pytest.mark.parametrize(("prompt", "outcomes"), OUTCOMES.items())
def test_the_outcomes_of_a_trigger(prompt: str, outcomes: tuple[object, ...]) -> None:
    trigger = read_trigger(prompt)
    assert trigger is not None
    assert trigger.outcomes == outcomes


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("[mock fials=1301]", "unknown key 'fials'; did you mean 'fails'?"),
        ("[mock]", "the script has no outcome and so no effect"),
        ("[mock fails=1301", "no ']' follows '[mock'"),
        ('[mock fails="no]', "no ']' follows '[mock'"),
        ("[mock fails=5]", "fails: unknown error code 5; known: 1000"),
        ("[mock fails=1301,polls=3]", "'fails=1301,polls=3': names are separated by spaces"),
        ("[mock fails=1301 ,]", "',' is not a name, or a name and a value such as fails=1301"),
        ("[mock fails=1301 fails=1302]", "fails is given twice"),
        ("[mock fails=1301 fails.message=a]", "fails is given twice"),
        ("[mock fails.message=a fails=1301]", "fails is given twice"),
        ("[mock polls=0]", "pace 'polls:0': polls must be an integer of at least 1"),
        ("[mock fails=1301 times=2]", "times has no meaning for one request"),
        ("[mock next fails=1301]", "next has no meaning for one request"),
        ("[mock fails=1301 refuses=1303]", "refuses: contradictory outcomes: "),
        ("[mock f\u00e4ils=1\u202e]", "unknown key 'f\\xe4ils'"),
    ],
)
def test_a_trigger_with_an_error_is_ignored_and_noted(caller: Caller, prompt: str, reason: str) -> None:
    reply = caller.ask(prompt=prompt)
    note = f"prompt trigger ignored: {reason}"
    assert reply.status == 200
    assert str(note_of(reply)).startswith(note)
    assert caller.fake.calls[0].notes[0].startswith(note)


@pytest.mark.parametrize("prompt", ["a [mockup] of a cat", "[mock-up]", "", "mock fails=1301"])
def test_other_prompts_have_no_trigger(caller: Caller, prompt: str) -> None:
    reply = caller.ask(prompt=prompt)
    assert note_of(reply) is None
    assert not caller.fake.calls[0].notes


def test_without_the_setting_a_trigger_is_text(start: Start) -> None:
    caller = start()
    reply = caller.ask(prompt="[mock refuses=1303]")
    assert (reply.status, note_of(reply)) == (200, None)


def test_a_script_takes_precedence(caller: Caller) -> None:
    caller.fake.next.fails("no")
    reply = caller.ask(prompt="[mock refuses=1303]")
    assert caller.fake.task.failure is None
    assert note_of(reply) == "prompt trigger ignored: script #0 applies to the request"
    caller.fake.check()


def test_a_trigger_does_not_pass_the_checks(caller: Caller) -> None:
    """It applies to accepted creates, like a script."""
    assert note_of(caller.ask(prompt="[mock succeeds]", n=0)) is None


PIECES = st.sampled_from(
    [
        "[mock",
        " ",
        "]",
        "fails",
        "=",
        "1301",
        '"',
        "polls",
        ".",
        "refuses",
        "answers",
        "\n",
        "\u202e",
        "x",
        ",",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_prompt_is_an_error(text: str) -> None:
    """Property: any text gives a trigger or none; without outcomes it is noted as ignored, in ASCII."""
    trigger = read_trigger("[mock " + text)
    assert trigger is not None
    assert trigger.note.isascii()
    assert trigger.note.isprintable()
    assert trigger.note.startswith("prompt trigger applied: ") == bool(trigger.outcomes)


def test_both_ends_of_a_trigger_are_read() -> None:
    """Counterexample of the property above: a trigger with outcomes."""
    trigger = read_trigger("[mock refuses=1303 delays=2]")
    assert trigger is not None
    assert {type(each) for each in trigger.outcomes} > {Refuses}
