"""Equal seeds, clocks and requests give equal bytes; two fakes share no state."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from kling_mock.rng import BLOCK, bits_at, draw, uuid_at
from tests.profiles import share

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

HOOK = "https://app.test/hook"


def play(caller: Caller) -> list[bytes]:
    """A short script with all kinds of requests; the bodies and headers of all replies."""
    other = caller.account("sk-mock-b")
    caller.fake.next.fails("no such luck")
    replies = [caller.ask(prompt="one", callback_url=HOOK), other.ask(prompt="two", n=2), caller.ask(n=0)]
    replies += [
        caller.ask(external_task_id="x"),
        caller.ask(external_task_id="x"),
        caller.ask(model_name="y"),
    ]
    for seconds in (1.6, 5, 40):
        caller.clock.advance(seconds)
        for task in caller.fake.tasks:
            who = caller if task.request.n == 1 else other
            replies.append(who.get(f"/kling/v1/images/generations/{task.id}"))
    for task in caller.fake.tasks:
        replies += [caller.picture(url) for url in task.images]
    replies.append(caller.get("/kling/nothing"))
    sent = [callback.content for callback in caller.fake.callbacks]
    return [reply.body + repr((reply.status, reply.headers)).encode() for reply in replies] + sent


def digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def test_two_fakes_with_the_same_seed_clock_and_calls_are_equal_to_the_byte(start: Start) -> None:
    first, second = play(start(seed=5, pace="realistic")), play(start(seed=5, pace="realistic"))
    assert first == second
    assert any(part.startswith(b"\x89PNG") for part in first)


def test_another_seed_gives_other_ids_durations_and_pictures(start: Start) -> None:
    first, second = play(start(seed=5, pace="realistic")), play(start(seed=6, pace="realistic"))
    assert len(first) == len(second)
    differing = [one != other for one, other in zip(first, second, strict=True)]
    assert all(differing)


def test_two_fakes_in_one_process_are_independent(start: Start) -> None:
    """Alternating requests to two fakes give the same replies as to each alone."""
    alone = [start(seed=seed, pace="polls:2") for seed in (1, 1)]
    turned = [start(seed=seed, pace="polls:2") for seed in (1, 1)]
    expected = []
    for caller in alone:
        task_id = caller.create(external_task_id="mine")["task_id"]
        expected.append([caller.query(task_id) for _ in range(2)])
    ids = [caller.create(external_task_id="mine")["task_id"] for caller in turned]
    seen: list[list[object]] = [[], []]
    for _ in range(2):
        for caller, task_id, told in zip(turned, ids, seen, strict=True):
            told.append(caller.query(task_id))
    assert seen == expected
    assert [len(caller.fake.tasks) for caller in turned] == [1, 1]
    assert [len(caller.fake.calls) for caller in turned] == [3, 3]


def test_the_draws_of_an_account_do_not_depend_on_others(start: Start) -> None:
    """Requests of another account change neither the ids nor the durations of this one."""
    quiet, busy = start(pace="realistic"), start(pace="realistic")
    busy.account("sk-mock-b").create()
    first, second = quiet.make(), busy.make()
    quiet.clock.advance(60)
    busy.clock.advance(60)
    assert first.id == second.id
    assert first.history == second.history


def test_a_short_script_gives_the_same_bytes_in_every_version(start: Start) -> None:
    """With hard-coded digests, so that a change of ids, times, URLs or bodies is deliberate."""
    caller = start(seed=7)
    caller.fake.next.fails("no such luck")
    replies = [caller.ask(prompt="one", external_task_id="x"), caller.ask(n=2), caller.ask(n=0)]
    for _ in range(2):
        caller.clock.advance(1.5)
        replies += [caller.get(f"/kling/v1/images/generations/{task.id}") for task in caller.fake.tasks]
    assert replies[0].body.decode() == (
        '{"code":0,"message":"SUCCEED","request_id":"7ccc5f61-6cb3-4624-a5fd-abf17dfa8dd3",'
        '"data":{"task_id":"835493114552088989","task_status":"submitted",'
        '"task_info":{"external_task_id":"x"},"created_at":1767225600000,"updated_at":1767225600000}}'
    )
    golden = "389950b1227f58f081b59e63fc4bc73dd8aaffe9599e6fda52f4cbeb904e9ed1"
    assert digest([reply.body for reply in replies]) == golden


@share(0.5)
@given(seed=st.integers(-(2**63), 2**63 - 1), what=st.lists(st.text(max_size=5) | st.integers(), max_size=3))
def test_draws_depend_on_seed_and_subject_alone(seed: int, what: list[object]) -> None:
    assert draw(seed, *what) == draw(seed, *what)
    assert 0 <= draw(seed, *what) < 1
    assert draw(seed, *what) != draw(seed, *what, "more")
    assert draw(seed, *what) != draw(seed + 1, *what)


@share(0.5)
@given(seed=st.integers(-(2**63), 2**63 - 1), number=st.integers(0, 2**40), name=st.text(max_size=5))
def test_values_of_a_series_differ(seed: int, number: int, name: str) -> None:
    for value_at in (bits_at, uuid_at):
        near = [value_at(seed, at, name) for at in range(number, number + 2 * BLOCK)]
        others = [value_at(seed + 1, number, name), value_at(seed, number, name, "more")]
        assert len({*near, *others}) == len(near) + len(others)
        assert near[0] == value_at(seed, number, name)
    found = UUID(uuid_at(seed, number, name))
    assert (found.version, found.variant, str(found)) == (4, RFC_4122, uuid_at(seed, number, name))


def test_draws_are_spread_evenly() -> None:
    drawn = [draw(0, number) for number in range(10_000)]
    tenths = [sum(low <= value < low + 0.1 for value in drawn) for low in (0, 0.3, 0.9)]
    assert all(900 < count < 1100 for count in tenths)
