"""Reading changes nothing: status = f(plan, polls, now), regardless of the reader and the number of reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from kling_contracts.lifecycle import check_lifecycle
from kling_contracts.messages import TaskMessage
from kling_contracts.vocabulary import TaskStatus
from kling_mock import records, task_request
from kling_mock.callbacks.model import Callback
from kling_mock.plan import Plan, Transition
from tests.profiles import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.kling_mock.conftest import Caller, Start


PACES = ("instant", "polls:1", "polls:3", "seconds:2,5", "realistic", "held", "held:submitted")
paces = st.sampled_from(PACES)
# Eighths of a second have no rounding errors, so the test compares the fake, not arithmetic.
steps = st.integers(0, 100).map(lambda eighths: eighths / 8)


KEPT: list[type[Struct]] = [
    Plan,
    *(
        kind
        for kind in Struct.__subclasses__()
        if kind.__module__ in (records.__name__, task_request.__name__)
    ),
]


def look(caller: Caller) -> None:
    """Read everything that a test or a debugger reads."""
    fake = caller.fake
    for task in fake.tasks:
        assert task.id in repr(task)
        assert task.status in [change.status for change in task.history]
        assert len(task.images) == (task.request.n if task.status == "succeed" else 0)
        assert (task.failure is not None) == (task.status == "failed")
    assert repr(fake)
    assert repr(fake.callbacks).startswith("<callbacks>")
    assert repr(fake.calls).startswith("<calls>")
    assert len(fake.account(caller.key).tasks) == len(fake.tasks)


@pytest.mark.parametrize("kind", KEPT, ids=lambda kind: kind.__name__)
def test_records_are_immutable_and_not_garbage_collected(kind: type[Struct]) -> None:
    """A task cannot be changed outside its store, and the garbage collector need not traverse many tasks."""
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.gc is (kind is records.RuleRecord)  # criteria may contain anything


@pytest.mark.parametrize("pace", PACES)
def test_reading_changes_nothing_and_is_never_counted(pace: str, start: Start) -> None:
    """Two fakes get the same requests; one is also read all the time. Their replies are equal."""
    told: list[list[bytes]] = []
    for curious in (False, True):
        caller = start(pace=pace)
        replies = [caller.ask(callback_url="https://app.test/hook")]
        task = caller.fake.task
        for _ in range(4):
            for _ in range(5 if curious else 0):
                look(caller)
            caller.clock.advance(2)
            replies.append(caller.get(f"/kling/v1/images/generations/{task.id}"))
        assert task.polls == 4
        told.append([reply.body for reply in replies])
    assert told[0] == told[1]


def test_lists_refused_requests_and_wrong_paths_are_not_counted(caller: Caller) -> None:
    task = caller.make()
    stranger = caller.account("sk-mock-b")
    assert stranger.get(f"/kling/v1/images/generations/{task.id}").status == 400
    assert caller.get("/kling/v1/images/generations").status == 405
    assert caller.send("DELETE", f"/kling/v1/images/generations/{task.id}").status == 405
    assert caller.get(f"/kling/v1/images/generations/{task.id}/").status == 404
    assert task.polls == 0
    assert task.status == "submitted"


@pytest.mark.parametrize("pace", ["instant", "seconds:2,5", "realistic", "held", "held:submitted"])
def test_querying_twice_at_one_instant_gives_an_equal_task(pace: str, start: Start) -> None:
    caller = start(pace=pace)
    task_id = caller.create()["task_id"]
    for step in (0, 2, 3, 40):
        caller.clock.advance(step)
        assert caller.query(task_id) == caller.query(task_id)


def test_updated_at_is_right_without_earlier_queries(start: Start) -> None:
    watched, alone = start(pace="seconds:2,5"), start(pace="seconds:2,5")
    first, second = watched.create()["task_id"], alone.create()["task_id"]
    for _ in range(100):
        watched.clock.advance(1)
        watched.query(first)
    alone.clock.advance(100)
    seen = alone.query(second)
    assert seen == watched.query(first)
    assert seen["updated_at"] - seen["created_at"] == 7000


# -- the split-time law


def _course(caller: Caller, moves: Sequence[tuple[float, bool]]) -> list[object]:
    """Advance and query; return everything that is observable from outside."""
    heard: list[tuple[str, int, float]] = []

    def receiver(callback: Callback) -> int:
        heard.append((callback.status, len(callback.attempts), callback.due))
        return 500

    caller.fake.callbacks.deliver_to(receiver)
    caller.ask(callback_url="https://app.test/hook", n=2)
    caller.fake.next.fails("no such luck")
    caller.ask(callback_url="https://app.test/hook")
    seen: list[object] = []
    for step, asks in moves:
        caller.clock.advance(step)
        if asks:
            seen.extend(caller.query(task.id) for task in caller.fake.tasks)
    seen.extend(caller.query(task.id) for task in caller.fake.tasks)
    return [seen, heard, [each._replace(attempts=()) for each in caller.fake.callbacks]]


@share(0.6)
@given(pace=paces, moves=st.lists(st.tuples(steps, st.booleans()), max_size=8), data=st.data())
def test_advancing_in_two_steps_is_advancing_by_their_sum(
    pace: str, moves: list[tuple[float, bool]], data: st.DataObject, start: Start
) -> None:
    """Replies, callbacks and all attempts at a failing receiver are the same, in the same order."""
    split: list[tuple[float, bool]] = []
    for step, asks in moves:
        first = data.draw(st.integers(0, int(step * 8))) / 8
        split += [(first, False), (step - first, asks)]
    assert _course(start(pace=pace), moves) == _course(start(pace=pace), split)


def test_the_split_time_law_is_not_trivial(start: Start) -> None:
    """Counterexample: one query more or less is visible."""
    moves = [(4.0, True), (4.0, True)]
    fewer = [(4.0, False), (4.0, True)]
    assert _course(start(pace="polls:3"), moves) != _course(start(pace="polls:3"), fewer)


# -- non-interference


@share(0.6)
@given(pace=paces, turns=st.lists(st.tuples(st.booleans(), steps), max_size=10))
def test_two_tasks_polled_alternately_do_not_affect_each_other(
    pace: str, turns: list[tuple[bool, float]], start: Start
) -> None:
    """Without the queries of one task, the trace of the other is the same."""

    def trace(*, alone: bool) -> list[dict[str, Any]]:
        caller = start(pace=pace)
        first, second = caller.create()["task_id"], caller.create()["task_id"]
        seen: list[dict[str, Any]] = []
        for mine, step in turns:
            caller.clock.advance(step)
            if mine:
                seen.append(caller.query(first))
            elif not alone:
                caller.query(second)
        return seen

    assert trace(alone=True) == trace(alone=False)


# -- every trace is legal


@share(0.6)
@given(
    pace=paces,
    n=st.integers(1, 9),
    failure=st.none() | st.just("no such luck"),
    pauses=st.lists(steps, min_size=1, max_size=12),
    verb=st.none() | st.tuples(st.integers(0, 11), st.sampled_from(["release", "succeed", "fail"])),
)
@example(pace="polls:3", n=1, failure=None, pauses=[1.0] * 5, verb=None)
@example(pace="held:submitted", n=2, failure=None, pauses=[1.0] * 3, verb=(1, "fail"))
def test_every_trace_is_legal(  # noqa: PLR0917 -- Hypothesis passes by name
    pace: str,
    n: int,
    failure: str | None,
    pauses: list[float],
    verb: tuple[int, str] | None,
    start: Start,
) -> None:
    """Polls may miss a status, callbacks may not; neither may report an illegal one."""
    caller = start(pace=pace)
    if failure is not None:
        caller.fake.next.fails(failure)
    created = caller.create(n=n, callback_url="https://app.test/hook")
    task = caller.fake.task
    seen = [TaskMessage.from_wire(created)]
    for turn, pause in enumerate(pauses):
        caller.clock.advance(pause)
        if verb is not None and verb[0] == turn and not task.status.terminal:
            task.fail("stopped") if verb[1] == "fail" else getattr(task, verb[1])()
        seen.append(TaskMessage.from_wire(caller.query(created["task_id"])))
    assert check_lifecycle(seen, n=n) == ()
    told = [TaskMessage.from_wire(callback.body) for callback in caller.fake.callbacks]
    assert check_lifecycle(told, n=n, complete=True) == ()
    assert told[-1] == seen[-1]


def test_a_fake_that_restarts_tasks_has_illegal_traces(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counterexample: tasks that start again some time after their end are caught."""
    sound = Plan.state

    def wrapping(plan: Plan, created: float, polls: Sequence[float], now: float) -> Transition:
        state = sound(plan, created, polls, now)
        return Transition(TaskStatus.SUBMITTED, created) if now >= state.at + 5 else state

    monkeypatch.setattr(Plan, "state", wrapping)
    caller = start(pace="instant")
    seen = [TaskMessage.from_wire(caller.create())]
    for _ in range(3):
        seen.append(TaskMessage.from_wire(caller.query(seen[0].task_id)))
        caller.clock.advance(3)
    assert {found.rule for found in check_lifecycle(seen)} == {"state.absorbing"}


@pytest.mark.parametrize("failure", [None, "no such luck"])
@pytest.mark.parametrize("pace", ["instant", "polls:2", "seconds:1,1", "realistic"])
def test_terminal_states_absorb(pace: str, failure: str | None, start: Start) -> None:
    """After its end the whole task stays unchanged, for weeks and any number of queries."""
    caller = start(pace=pace)
    if failure is not None:
        caller.fake.next.fails(failure)
    task_id = caller.create(n=3)["task_id"]
    caller.clock.advance(60)
    caller.query(task_id)
    end = caller.query(task_id)
    assert end["task_status"] == ("succeed" if failure is None else "failed")
    for _ in range(20):
        caller.clock.advance(days=1)
        assert caller.query(task_id) == end
