"""Many threads at once: unique events occur exactly once, and no status goes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from kling_mock import Clock
from kling_mock.control import TaskAlreadyEnded
from kling_mock.records import NewTask
from kling_mock.stores import memory
from kling_mock.stores.memory import MemoryStore
from tests.kling_mock.conftest import PATH
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kling_mock.callbacks.model import Callback
    from tests.kling_mock.conftest import Caller, Start

T = TypeVar("T")
THREADS = 50
ORDER = ("submitted", "processing", "succeed")


@pytest.fixture(autouse=True)
def _eager_switching() -> Iterator[None]:
    """Switch threads every few microseconds, so that races become likely."""
    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(act: Callable[[int], T]) -> list[T]:
    """Call `act` in fifty threads that start at the same moment."""
    gate = Barrier(THREADS)

    def run(number: int) -> T:
        gate.wait()
        return act(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_of_fifty_creates_with_one_external_id_exactly_one_wins(start: Start) -> None:
    caller = start(clock=Clock())
    replies = together(lambda _: caller.ask(external_task_id="mine"))
    assert sorted(reply.status for reply in replies) == [200] + [400] * (THREADS - 1)
    assert len(caller.fake.tasks) == 1
    assert len(caller.fake.calls) == THREADS
    caller.fake.check()


def test_fifty_accounts_may_use_the_same_external_id(start: Start) -> None:
    caller = start(clock=Clock())
    replies = together(lambda number: caller.account(f"sk-mock-{number}").ask(external_task_id="mine"))
    assert {reply.status for reply in replies} == {200}
    assert len({task.id for task in caller.fake.tasks}) == THREADS


def test_slots_and_balance_are_never_overdrawn(start: Start) -> None:
    limits = (
        ({"slots": 7}, 429),
        ({"balance": 7 * 16}, 403),
        ({"rate": "7/60"}, 429),
        ({"packs": [64, 0], "credit": 48}, 403),
    )
    for switches, status in limits:
        caller = start(clock=Clock(), pace="held", **switches)
        replies = together(lambda _, caller=caller: caller.ask())  # type: ignore[misc]
        assert sorted(reply.status for reply in replies) == [200] * 7 + [status] * (THREADS - 7)
        assert len(caller.fake.tasks) == 7


@pytest.mark.parametrize("limit", [{"slots_total": 7}, {"balance_total": 7 * 16}, {"rate_total": "7/60"}])
def test_limits_in_total_are_exact_for_many_accounts(limit: dict[str, Any], start: Start) -> None:
    caller = start(clock=Clock(), pace="held", **limit)
    replies = together(lambda number: caller.account(f"sk-mock-{number % 8}").ask())
    assert [reply.status for reply in replies].count(200) == 7
    assert len(caller.fake.tasks) == 7


def test_polls_within_a_rate_are_exact(start: Start) -> None:
    caller = start(clock=Clock(), pace="held", poll_rate="7/60")
    path = f"{PATH}/{caller.make().id}"
    replies = together(lambda _: caller.get(path))
    assert sorted(reply.status for reply in replies) == [200] * 7 + [429] * (THREADS - 7)
    assert caller.fake.task.polls == 7


def test_a_next_is_used_once(start: Start) -> None:
    caller = start(clock=Clock())
    caller.fake.next.refuses(1302).times(20)
    replies = together(lambda _: caller.ask())
    assert sorted(reply.status for reply in replies) == [200] * 30 + [429] * 20


@pytest.mark.parametrize("n", [1, 25, 200])
def test_fifty_pollers_of_one_task_are_counted_exactly(n: int, start: Start) -> None:
    """Of 200 queries the first n - 1 get `processing`; no thread sees a status go back."""
    caller = start(clock=Clock(), pace=f"polls:{n}")
    task = caller.make()
    traces = together(lambda _: [caller.query(task.id) for _ in range(4)])
    assert task.polls == THREADS * 4
    seen = [data["task_status"] for trace in traces for data in trace]
    assert seen.count("processing") == n - 1
    assert seen.count("succeed") == 200 - (n - 1)
    for trace in traces:
        states = [ORDER.index(data["task_status"]) for data in trace]
        assert states == sorted(states)
        stamps = [data["updated_at"] for data in trace]
        assert stamps == sorted(stamps)
    ends = {data["updated_at"] for trace in traces for data in trace if data["task_status"] == "succeed"}
    assert len(ends) == 1
    caller.fake.check()


def test_one_of_fifty_threads_ends_a_task(start: Start) -> None:
    caller = start(clock=Clock(), pace="held")
    task = caller.make()

    def end(number: int) -> str:
        try:
            task.fail(f"thread {number}")
        except AssertionError:
            return "late"
        return f"thread {number}"

    ends = together(end)
    assert ends.count("late") == THREADS - 1
    assert task.failure in ends


def test_each_callback_is_delivered_once_and_one_at_a_time(start: Start) -> None:
    caller = start(clock=Clock(), pace="instant")
    came: list[tuple[str, int]] = []
    inside: list[int] = []

    def receiver(callback: Callback) -> None:
        inside.append(1)
        assert len(inside) == 1
        came.append((callback.task_id, callback.position))
        inside.pop()

    caller.fake.callbacks.deliver_to(receiver)
    together(lambda _: caller.ask(callback_url="https://app.test/hook"))
    caller.fake.callbacks.deliver_to(receiver)
    caller.fake.check()
    assert len(came) == len(set(came)) == THREADS * 3


def test_a_clock_is_advanced_by_every_thread(start: Start) -> None:
    caller = start()
    before = caller.clock.now()
    together(lambda _: [caller.clock.advance(0.1) for _ in range(10)])
    assert caller.clock.now() - before == 50


# -- the same races, made deterministic in one thread


def _meanwhile(caller: Caller, monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Call `act` just before the next commit, as another thread could."""
    store: Any = caller.fake._store
    commit = store.commit

    def interrupted(change: Any) -> Any:
        monkeypatch.setattr(store, "commit", commit, raising=False)
        act()
        return commit(change)

    monkeypatch.setattr(store, "commit", interrupted, raising=False)


def test_ending_a_task_cannot_change_an_end_that_a_query_has_returned(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that commits the end between the read and the commit of `fail` determines the outcome."""
    task = caller.make()
    caller.query(task.id)
    seen: list[str] = []
    _meanwhile(caller, monkeypatch, lambda: seen.append(caller.status(task.id)))
    with pytest.raises(TaskAlreadyEnded):
        task.fail("stopped")
    assert seen == ["succeed"]
    assert caller.status(task.id) == "succeed"


def test_a_query_cannot_return_an_end_that_a_test_has_prevented(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = caller.make()
    caller.query(task.id)
    _meanwhile(caller, monkeypatch, lambda: task.fail("stopped"))
    assert caller.status(task.id) == "failed"
    assert caller.status(task.id) == "failed"
    assert task.polls == 3


def _after_reading(caller: Caller, monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Call `act` just after the next read, as another thread could."""
    store: Any = caller.fake._store
    read = store.read

    def interrupted(keys: Any) -> Any:
        monkeypatch.setattr(store, "read", read, raising=False)
        snapshot = read(keys)
        act()
        return snapshot

    monkeypatch.setattr(store, "read", interrupted, raising=False)


def test_a_create_cannot_exceed_slots_that_another_has_just_used(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last slot goes to the create that commits first, not to the one that reads first."""
    caller = start(slots=1, pace="held")
    others: list[int] = []
    _after_reading(caller, monkeypatch, lambda: others.append(caller.ask().status))
    assert caller.ask().status == 429
    assert others == [200]
    assert len(caller.fake.tasks) == 1


def test_a_query_with_an_early_read_and_a_late_commit_sees_no_status_go_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = start(pace="polls:3")
    task = caller.make()
    others: list[str] = []

    def later() -> None:
        caller.clock.advance(10)
        others.append(caller.status(task.id))

    _after_reading(caller, monkeypatch, later)
    seen = caller.query(task.id)
    assert [*others, seen["task_status"]] == ["processing", "processing"]
    assert seen["updated_at"] - seen["created_at"] == 10_000
    assert caller.status(task.id) == "succeed"


@pytest.mark.parametrize("kind", ["query", "list", "picture", "create"])
def test_a_task_that_is_dropped_between_two_reads_is_not_found(
    kind: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its retention ends, and a create of another account drops it, between read and commit."""
    caller = start(pace="instant")
    task = caller.make(external_task_id="mine")
    url = task.images[0]

    def drop() -> None:
        caller.clock.advance(days=30)
        caller.account("sk-mock-b").create()

    _after_reading(caller, monkeypatch, drop)
    match kind:
        case "query":
            reply = caller.get(f"/kling/v1/images/generations/{task.id}")
            assert (reply.status, body_of(reply)["code"]) == (400, "task_not_exist")
        case "list":
            reply = caller.get("/v1/images/multi-image2image")
            assert reply.status == 200
        case "picture":
            assert caller.picture(url).status in (200, 404)
        case _:
            assert caller.ask(external_task_id="mine").status in (200, 400)
    with pytest.raises(LookupError, match="retention is over"):
        _ = task.status
    caller.fake.check()


def test_a_create_is_decided_again_if_a_script_was_written_meanwhile(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    _after_reading(caller, monkeypatch, lambda: caller.fake.next.refuses(1302))
    assert [caller.ask().status, caller.ask().status] == [429, 200]


def test_a_task_is_never_seen_without_its_plan(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that lists tasks during a write waits for the whole change."""
    caller = start()
    seen: list[str] = []
    looking: list[Thread] = []

    def slowly(store: MemoryStore, new: NewTask, now: float) -> None:
        look = Thread(target=lambda: seen.extend(task.status for task in caller.fake.tasks))
        looking.append(look)
        look.start()
        look.join(0.05)
        assert seen == []
        MemoryStore.write_task(store, new, now)

    monkeypatch.setitem(memory._WRITES, NewTask, slowly)
    caller.create()
    looking[0].join()
    assert seen == ["submitted"]
