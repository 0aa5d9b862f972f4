"""Two fakes with one store: no state that a request needs is kept outside the store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

import pytest

from kling_mock import Clock, Fake, ManualClock
from kling_mock.stores.memory import MemoryStore
from tests.kling_mock.conftest import Caller
from tests.kling_mock.reading import body_of
from tests.kling_mock.stores.faulty.shared import OwnCounters
from tests.kling_mock.stores.redis_server import StoppedRedisStore, redis_store, second_handle

THREADS = 20


class Two(Protocol):
    """Makes callers of two fakes with the same state."""

    def __call__(self, clock: Clock | None = None, **switches: Any) -> tuple[Caller, Caller]: ...


def in_memory(
    clock: Clock | None = None, *, handles: type[Any] | None = None, **switches: Any
) -> tuple[Caller, Caller]:
    store = MemoryStore(clock or ManualClock(), retention=30 * 86_400, journal_bytes=2**24)
    first, second = (Fake(store=handles(store) if handles else store, **switches) for _ in range(2))
    return Caller(first), Caller(second)


def in_redis(clock: Clock | None = None, **switches: Any) -> tuple[Caller, Caller]:
    """With a handle for each fake, as in two processes."""
    kept = {"retention": 30 * 86_400, "journal_bytes": 2**24}
    store = redis_store() if type(clock) is Clock else StoppedRedisStore(clock, **kept)
    return Caller(Fake(store=store, **switches)), Caller(Fake(store=second_handle(store), **switches))


@pytest.fixture(params=[in_memory, in_redis], ids=["memory", "redis"])
def two(request: pytest.FixtureRequest) -> Two:
    return cast("Two", request.param)


def ids(one: Caller, other: Caller) -> tuple[list[str], list[str], list[int]]:
    """Request ids, task ids and script ids of alternating calls."""
    for caller in (one, other) * 3:
        caller.fake.next.succeeds()
    replies = [body_of(caller.ask()) for caller in (one, other) * 5]
    requests = [reply["request_id"] for reply in replies]
    tasks = [reply["data"]["task_id"] for reply in replies]
    return requests, tasks, [rule.id for rule in one.fake.scripts]


def test_ids_are_unique(two: Two) -> None:
    for given in ids(*two()):
        assert len(set(given)) == len(given)


def test_ids_are_those_of_one_fake(two: Two) -> None:
    """It makes no difference which fake answers a request."""
    alone = Caller(Fake(clock=ManualClock()))
    assert ids(*two()) == ids(alone, alone)


def test_counters_outside_the_store_are_noticed() -> None:
    """Counterexample: request ids repeat, and scripts replace each other."""
    requests, _, scripts = ids(*in_memory(handles=OwnCounters))
    assert len(set(requests)) == len(requests) / 2
    assert len(scripts) == 3


def test_a_task_created_by_one_is_found_by_the_other(two: Two) -> None:
    one, other = two()
    task = one.make(external_task_id="mine")
    assert other.status(task.id) == "processing"
    assert one.status(task.id) == "succeed"
    assert other.ask(external_task_id="mine").status == 400
    assert [each.id for each in other.fake.tasks] == [task.id]
    assert len(other.fake.calls) == len(one.fake.calls) == 4
    assert other.fake.account(one.key).task.polls == 2


def test_accounts_are_shared(two: Two) -> None:
    """Concurrency limit and balance apply to the account across both fakes."""
    one, other = two(slots=3, pace="held", balance=5 * 16)
    assert [each.ask(n=n).status for each, n in ((one, 2), (other, 2), (other, 1), (one, 1))] == [
        200,
        429,
        200,
        429,
    ]
    for task in one.fake.tasks:
        task.succeed()
    assert [other.ask(n=3).status, other.ask(n=2).status, one.ask().status] == [403, 200, 403]


def test_the_clock_is_shared(two: Two) -> None:
    one, other = two(pace="seconds:1,10")
    task = one.make()
    other.clock.advance(11)
    assert one.clock.now() == other.clock.now()
    assert one.clock.jumps == other.clock.jumps
    assert one.status(task.id) == "succeed"


def test_a_script_is_used_once(two: Two) -> None:
    one, other = two()
    one.fake.next.refuses(1302)
    other.fake.when(n=2).refuses(1303).times(1)
    assert [other.ask().status, one.ask().status] == [429, 200]
    assert [one.ask(n=2).status, other.ask(n=2).status] == [429, 200]
    assert (
        [rule.uses_left for rule in one.fake.scripts]
        == [rule.uses_left for rule in other.fake.scripts]
        == [0, 0]
    )


@pytest.mark.parametrize("accounts", [1, 7])
def test_threads_of_both_fakes(accounts: int, two: Two) -> None:
    """Scripts are used once, ids differ, and creates are numbered without gaps."""
    callers = two(Clock(), slots=1_000)
    callers[0].fake.next.refuses(1302).times(THREADS)

    def work(number: int) -> list[dict[str, Any]]:
        caller = callers[number % 2].account(f"sk-mock-{number % accounts}")
        return [body_of(caller.ask()) for _ in range(4)]

    with ThreadPoolExecutor(THREADS) as pool:
        bodies = [body for each in pool.map(work, range(THREADS)) for body in each]
    assert len({body["request_id"] for body in bodies}) == len(bodies) == THREADS * 4
    created = [body["data"]["task_id"] for body in bodies if body["code"] == 0]
    assert len(set(created)) == len(created) == THREADS * 3
    tasks = callers[1].fake.tasks
    assert sorted(task.id for task in tasks) == sorted(created)
    numbers: dict[str, list[int]] = {}
    for task in tasks:
        numbers.setdefault(task._record.account, []).append(task._record.number)
    assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())
    for caller in callers:
        caller.fake.check()
