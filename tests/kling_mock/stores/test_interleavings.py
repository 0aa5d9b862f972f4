"""Interleavings of two and three requests, line by line, in the memory store and the fake.

`make test` explores some schedules with one and with two switches, `make nightly` all of two threads, and
some of three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from kling_mock import Fake, ManualClock, fake, service
from kling_mock.stores import Change, Expect, account_index, call_log, memory, usage
from kling_mock.stores.memory import MemoryStore
from tests.kling_mock.conftest import PATH, Caller
from tests.kling_mock.stores.interleavings import Scheduler, Stuck, Turn, TurnLock, schedules
from tests.profiles import FULL
from tests.rows import some_rows

if TYPE_CHECKING:
    from kling_mock import Reply

STORE = [str(module.__file__) for module in (memory, account_index, call_log, usage)]
FILES = [*STORE, str(fake.__file__), str(service.__file__)]


class Race(NamedTuple):
    """Requests that compete: the settings, the state before, the requests, and the condition afterwards."""

    settings: dict[str, Any]
    prepare: Callable[[Caller], object]
    requests: Sequence[Callable[[Caller], Reply]]
    holds: Callable[[Caller, list[Reply]], bool]


def nothing(_: Caller) -> None:
    return None


def create(caller: Caller, **fields: Any) -> Reply:
    return caller.ask(**fields)


def query(caller: Caller) -> Reply:
    return caller.get(f"{PATH}/{caller.fake.tasks[0].id}")


def statuses(replies: Sequence[Reply]) -> list[int]:
    return sorted(reply.status for reply in replies)


def shown(replies: Sequence[Reply]) -> list[str]:
    return sorted(Caller.data(reply)["task_status"] for reply in replies)


def exactly_one_task(caller: Caller, replies: Sequence[Reply]) -> bool:
    return statuses(replies)[0] == 200 and statuses(replies)[1] >= 400 and len(caller.fake.tasks) == 1


RACES: dict[str, Race] = {
    "external id": Race({}, nothing, [partial(create, external_task_id="mine")] * 3, exactly_one_task),
    "slots": Race({"slots": 1}, nothing, [create] * 3, exactly_one_task),
    "balance": Race({"balance": 16}, nothing, [create] * 3, exactly_one_task),
    "rate": Race({"rate": "1/60"}, nothing, [create] * 3, exactly_one_task),
    "two creates": Race(
        {},
        nothing,
        [create] * 3,
        lambda caller, replies: (
            len({Caller.data(reply)["task_id"] for reply in replies})
            == len(caller.fake.tasks)
            == len(caller.fake.calls)
            == caller.fake.spend // 16
            == len(replies)
        ),
    ),
    "two polls": Race(
        {"pace": "polls:2"},
        create,
        [query] * 2,
        lambda caller, replies: shown(replies) == ["processing", "succeed"] and caller.fake.task.polls == 2,
    ),
    "a script of one create": Race(
        {},
        lambda caller: caller.fake.next.refuses(1303).times(1),
        [create] * 3,
        lambda _, replies: statuses(replies).count(429) == 1,
    ),
    "a fault of one query": Race(
        {"pace": "polls:3"},
        lambda caller: (caller.make(), caller.fake.when_query(nth=2).answers(502)),
        [query] * 3,
        lambda caller, replies: (
            statuses(replies).count(502) == 1 and caller.fake.task.polls == len(replies) - 1
        ),
    ),
    "a poll and the end": Race(
        {"pace": "held"},
        create,
        [query, lambda caller: caller.fake.task.succeed() or query(caller)],
        lambda _, replies: shown(replies) in (["processing", "succeed"], ["succeed", "succeed"]),
    ),
}


def attempt(race: Race, threads: int, turns: Sequence[Turn], *, works: bool = True) -> tuple[bool, list[int]]:
    """Whether the condition holds after one schedule, and the number of lines of each thread."""
    scheduler = Scheduler(FILES)
    clock = ManualClock()
    clock.lock = TurnLock(scheduler, works=works)  # type: ignore[assignment]
    caller = Caller(Fake(clock=clock, **race.settings))
    race.prepare(caller)
    functions = [partial(request, caller) for request in race.requests[:threads]]
    replies: list[Any] = scheduler.run(functions, turns)
    caller.fake.check()
    return race.holds(caller, replies), scheduler.lines


def explore(race: Race, threads: int, switches: int, step: int, *, works: bool = True) -> list[Turn] | None:
    """The first schedule after which the condition does not hold, or that raises an error; None: all hold."""
    lines = attempt(race, threads, [])[1]
    for turns in schedules(lines, switches, step):
        try:
            right = attempt(race, threads, turns, works=works)[0]
        except BaseException:
            if works:
                raise
            right = False
        if not right:
            return turns
    return None


@some_rows("name", RACES, usual=2)
def test_two_requests_with_one_switch(name: str) -> None:
    assert explore(RACES[name], 2, 1, 1 if FULL else 4) is None


@some_rows("name", RACES, usual=2)
def test_two_requests_with_two_switches(name: str) -> None:
    assert explore(RACES[name], 2, 2, 1 if FULL else 31) is None


@pytest.mark.skipif(not FULL, reason="minutes; make nightly runs it")
@pytest.mark.parametrize("name", [name for name, race in RACES.items() if len(race.requests) == 3])
def test_three_requests_with_two_switches(name: str) -> None:
    assert explore(RACES[name], 3, 2, 3) is None


# -- counterexamples


@some_rows("name", [name for name in RACES if name != "a poll and the end"], usual=2)
def test_a_store_without_its_lock_is_found(name: str) -> None:
    assert explore(RACES[name], 2, 2, 5, works=False) is not None


def test_a_store_that_compares_and_writes_in_two_steps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step holds the lock, and another thread may write between them."""
    commit = MemoryStore.commit

    def in_two_steps(store: MemoryStore, change: Change) -> Expect | None:
        return commit(store, Change(change.expect, ())) or commit(store, Change((), change.records))

    monkeypatch.setattr(MemoryStore, "commit", in_two_steps)
    assert explore(RACES["slots"], 2, 1, 1) is not None
    assert explore(RACES["a script of one create"], 2, 1, 1) is not None


def test_a_deadlock_is_found() -> None:
    scheduler = Scheduler([__file__])
    one, two = TurnLock(scheduler), TurnLock(scheduler)

    def both(first: TurnLock, second: TurnLock) -> None:
        with first:
            pass
        with first, second:
            pass

    ends = {True: 0, False: 0}
    for turns in schedules([6, 6], 1):
        try:
            scheduler.run([partial(both, one, two), partial(both, two, one)], turns)
            ends[True] += 1
        except Stuck:
            ends[False] += 1
            one, two = TurnLock(scheduler), TurnLock(scheduler)
    assert ends[True] > 0
    assert ends[False] > 0
