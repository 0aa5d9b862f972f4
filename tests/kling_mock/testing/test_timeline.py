"""The timeline: all events in order of the fake's clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kling_mock import Pace
from kling_mock.callbacks.model import Callback
from kling_mock.testing.timeline import FIRST, LAST, timeline

if TYPE_CHECKING:
    from kling_mock.testing.view import FakeView
    from tests.kling_mock.conftest import Caller, Start

PATH = "/kling/v1/images/generations"
HOOK = "https://me.test/hook"


def lines(view: FakeView) -> list[str]:
    return timeline(view).splitlines()


def test_it_shows_all_events_in_order_of_the_clock(caller: Caller) -> None:
    """Requests, statuses, clock, callbacks and the applied script; times since the first event."""
    caller.fake.next.fails("Image pixel is invalid")
    caller.fake.callbacks.deliver_to(lambda _: None)
    task = caller.make(callback_url=HOOK).id
    caller.clock.advance(2)
    caller.query(task)
    caller.clock.advance(minutes=1.5)
    caller.query(task)
    script = "[script #0: next create fails 'Image pixel is invalid', used up]"
    assert lines(caller.fake) == [
        f" +0.000s  call      POST {PATH} -> 200 submitted task {task} {script}",
        f" +0.000s  callback  task {task} submitted to {HOOK} delivered",
        " +0.000s  clock     advanced by 2 s",
        f" +2.000s  call      GET {PATH}/{task} -> 200 processing task {task}",
        f" +2.000s  state     task {task} processing",
        f" +2.000s  callback  task {task} processing to {HOOK} delivered",
        " +2.000s  clock     advanced by 90 s",
        f"+92.000s  call      GET {PATH}/{task} -> 200 failed task {task}",
        f"+92.000s  state     task {task} failed: Image pixel is invalid",
        f"+92.000s  callback  task {task} failed to {HOOK} delivered",
    ]


def test_states_are_shown_at_their_instants_without_queries(start: Start) -> None:
    caller = start(pace="seconds:2,10")
    task = caller.make().id
    caller.clock.advance(60)
    assert lines(caller.fake)[1:] == [
        " +0.000s  clock     advanced by 60 s",
        f" +2.000s  state     task {task} processing",
        f"+12.000s  state     task {task} succeed",
    ]


def test_a_refusal_shows_its_rule_and_notes(caller: Caller) -> None:
    caller.ask(n=0, quality="high")
    (line,) = lines(caller.fake)
    assert line.endswith(
        "400 (refused by n.minimum): n value '0' is invalid; unknown field ignored: 'quality'"
    )


def test_a_scripted_refusal_shows_its_script(caller: Caller) -> None:
    caller.fake.when(n=2).refuses(1303)
    caller.ask(n=2)
    (line,) = lines(caller.fake)
    assert line.endswith(
        "-> 429 (refused by script.refuses): parallel task over resource pack limit "
        "[script #0: every create with n=2 is refused with 1303, always]"
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.cometapi.com", "routes of CometAPI: /kling/v1/images/generations, "),
        ("api.klingai.com", "routes of Kling: /v1/images/multi-image2image, "),
    ],
)
def test_an_unknown_path_shows_the_routes_of_its_gateway(host: str, expected: str, caller: Caller) -> None:
    """A base URL with a missing or an additional part is a usual mistake."""
    caller.send("POST", "/api/images/generations", headers=(("host", host),))
    (line,) = lines(caller.fake)
    assert expected in line


def test_callbacks_without_a_receiver_are_due(start: Start) -> None:
    caller = start(pace="instant")
    task = caller.make(callback_url=HOOK).id
    assert [line for line in lines(caller.fake) if "callback" in line] == [
        f"+0.000s  callback  task {task} {status} to {HOOK} is due, not delivered"
        for status in ("submitted", "processing", "succeed")
    ]


def test_failed_attempts_are_shown_at_their_instants_with_the_reason(start: Start) -> None:
    caller = start(callback_retries=[10, 60])
    answers = iter([500, 404, None])

    def receive(_: Callback) -> int | None:
        return next(answers)

    caller.fake.callbacks.deliver_to(receive)
    task = caller.make(callback_url=HOOK).id
    caller.clock.advance(3600)
    what = f"task {task} submitted to {HOOK}"
    assert lines(caller.fake)[1:] == [
        f" +0.000s  callback  {what} attempt 1 failed: the receiver answered 500",
        " +0.000s  clock     advanced by 3600 s",
        f"+10.000s  callback  {what} attempt 2 failed: the receiver answered 404",
        f"+70.000s  callback  {what} delivered",
    ]


def test_an_empty_timeline() -> None:
    from kling_mock import Fake

    assert timeline(Fake()) == "no requests"


def test_reading_changes_nothing(caller: Caller) -> None:
    caller.make(callback_url=HOOK)
    assert timeline(caller.fake) == timeline(caller.fake)
    assert (caller.fake.task.polls, len(caller.fake.calls)) == (0, 1)


def test_a_long_timeline_is_shortened_in_the_middle(start: Start) -> None:
    caller = start(pace="held")
    task = caller.make().id
    for _ in range(100):
        caller.clock.advance(1)
        caller.query(task)
    told = lines(caller.fake)
    assert len(told) == FIRST + 1 + LAST
    events = 1 + 1 + 100 + 100  # the create, a status, and jumps and queries alternating
    assert told[FIRST] == f"... {events - FIRST - LAST} more ..."
    assert "POST" in told[0]
    assert told[-1].startswith("+100.000s  call")


def test_a_timeline_of_the_maximum_length_is_not_shortened(start: Start) -> None:
    caller = start(pace="seconds:1000,1")
    task = caller.make().id
    for _ in range(FIRST + LAST - 1):
        caller.query(task)
    assert len(lines(caller.fake)) == FIRST + LAST
    caller.query(task)
    assert lines(caller.fake)[FIRST] == "... 1 more ..."


def test_with_several_accounts_each_call_names_its_account(caller: Caller) -> None:
    """Each line names the account; a view of one account shows only that one's calls and tasks."""
    other = caller.account("sk-secret-and-dear")
    caller.make()
    other.make()
    caller.get("/nowhere")
    told = lines(caller.fake)
    mine, theirs, lost = (line.split()[2] for line in told)
    assert (mine, lost) == ("sk-mock-a:", "sk-mock-a:")
    assert theirs.startswith("account-")
    assert "dear" not in timeline(caller.fake)
    assert len(lines(caller.fake.account("sk-secret-and-dear"))) == 1
    assert "no account" not in told[0]


def test_a_call_without_a_key_has_no_account(caller: Caller) -> None:
    from kling_mock import Request

    caller.make()
    caller.account("sk-mock-b").make()
    caller.fake.handle(Request("GET", f"{PATH}/1"))
    assert "no account: GET" in lines(caller.fake)[-1]


def test_states_are_shown_for_calls_that_the_journal_has_dropped(start: Start) -> None:
    caller = start(journal_bytes=1, pace="instant")
    first, second = caller.make().id, caller.make().id
    told = timeline(caller.fake)
    assert f"state     task {first} submitted" in told
    assert f"state     task {second} submitted" not in told
    assert f"state     task {first} succeed" in told


def test_expired_tasks_cause_no_error(caller: Caller) -> None:
    caller.make(callback_url=HOOK)
    caller.clock.advance(days=31)
    caller.ask()
    assert lines(caller.fake)[-1].startswith("+2678400.000s  call")


# -- unused scripts

HEADING = "Create requests, closest match first:"


def unused(view: FakeView) -> list[str]:
    """The lines below the first empty line and the line that wrote the script."""
    told = lines(view)
    place = told.index("") + 1
    assert re.match(r"\S*test_timeline\.py:\d+: caller\.fake\.", told[place])
    return told[place + 1 :]


def test_an_unused_script_shows_which_criterion_did_not_match(caller: Caller) -> None:
    """For each create, closest match first, the expected and the actual values."""
    caller.fake.when(prompt="*cat*", n=2).fails("no")
    far = caller.make(prompt="a dog").id
    near = caller.make(prompt="a cat").id
    caller.ask(n=0)
    assert unused(caller.fake) == [
        f"unused script #0: every create with prompt='*cat*', n=2 fails 'no', always. {HEADING}",
        f"  POST {PATH} -> 200 submitted task {near}",
        "    prompt: matches",
        "    n: expected 2, got 1",
        f"  POST {PATH} -> 200 submitted task {far}",
        "    prompt: expected '*cat*', got 'a dog'",
        "    n: expected 2, got 1",
        f"  POST {PATH} -> 400 (refused by n.minimum)",
    ]


def test_an_unused_next_without_any_create(caller: Caller) -> None:
    caller.fake.next.holds()
    caller.get("/nowhere")
    assert unused(caller.fake) == [
        f"unused script #0: next create pace held:processing, once. {HEADING}",
        "  none",
    ]


def test_an_unused_script_is_shown_without_any_event(caller: Caller) -> None:
    caller.fake.next.succeeds()
    assert lines(caller.fake)[:2] == ["no requests", ""]
    assert "script #0" in unused(caller.fake)[0]


def test_a_matching_script_that_another_preceded_names_that(caller: Caller) -> None:
    caller.fake.when(prompt="*").succeeds()
    caller.fake.when(prompt="*").fails("newer")
    caller.make()
    assert unused(caller.fake)[-2:] == ["    prompt: matches", "    script #1 was applied"]


def test_a_script_written_after_the_create(caller: Caller) -> None:
    caller.make()
    caller.fake.next.fails("too late")
    assert unused(caller.fake)[-1] == "    received before the script was written"


def test_a_script_of_another_account(caller: Caller) -> None:
    caller.fake.account("sk-mock-b").next.fails("no")
    caller.make()
    assert unused(caller.fake)[-1] == "    account: expected 'sk-mock-b', got 'sk-mock-a'"
    assert timeline(caller.fake.account("sk-mock-a")).count("\n") == 0, "not this account's"


def test_a_script_with_uses_left_is_partly_used(caller: Caller) -> None:
    caller.fake.next.pace(Pace.instant()).times(3)
    caller.make()
    assert unused(caller.fake) == [
        f"partly used script #0: next create pace instant, 2 times. Used 1 of 3 times. {HEADING}",
        "  none",
    ]


@pytest.mark.parametrize("kind", ["next", "when"])
def test_used_scripts_are_not_listed(kind: str, caller: Caller) -> None:
    script = caller.fake.next if kind == "next" else caller.fake.when(n=1)
    script.succeeds()
    caller.make()
    assert "" not in lines(caller.fake)


def test_five_creates_at_most_are_compared(caller: Caller) -> None:
    caller.fake.when(n=9).succeeds()
    for _ in range(7):
        caller.make()
    assert unused(caller.fake)[-1] == "  and 2 more"
    assert sum("expected 9" in line for line in unused(caller.fake)) == 5


def test_scripts_can_be_listed_and_never_counted_twice(caller: Caller) -> None:
    """All rules of a view, used up or not, in the order in which they were written."""
    caller.fake.next.succeeds()
    caller.fake.account("sk-mock-b").next.succeeds()
    caller.fake.when(n=2).succeeds()
    caller.make()
    assert [(rule.id, rule.uses_left) for rule in caller.fake.scripts] == [(0, 0), (1, 1), (2, None)]
    assert [rule.id for rule in caller.fake.account("sk-mock-a").scripts] == [0, 2]


def test_the_clock_keeps_its_last_thousand_jumps(caller: Caller) -> None:
    for _ in range(1001):
        caller.clock.advance(1)
    caller.clock.advance(0)
    assert len(caller.clock.jumps) == 1000
    assert [tuple(jump) for jump in caller.clock.jumps][-1] == (caller.clock.now() - 1, 1)
