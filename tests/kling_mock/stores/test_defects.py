"""Regression tests: defects found in the memory store and in the matching of scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kling_mock import ManualClock
from kling_mock.matching import Scripts
from kling_mock.outcomes import Succeeds
from kling_mock.plan import Plan
from kling_mock.records import NewTask, PlanRecord, RuleRecord, TaskRecord, TokenRecord
from kling_mock.stores import AccountKey, AccountState, Change, Expect, TaskKey, TokenKey
from kling_mock.stores.memory import MemoryStore
from kling_mock.task_request import TaskRequest

if TYPE_CHECKING:
    from collections.abc import Mapping


RETENTION = 100.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock, retention=RETENTION, journal_bytes=2**20)


def create(store: MemoryStore, account: str, after: float, failure: str | None = None) -> str:
    """Create a task that ends this number of seconds after now."""
    now = store.clock.now()
    number = store.read((AccountKey(account),))[AccountKey(account)].created + 1
    request = TaskRequest(("n",), (1,), ())
    record = TaskRecord(f"{account}-{number}", account, number, "op", request, now, "https://x.test", 16)
    plan = Plan(now, now + after, counted=False, failure=failure)
    assert store.commit(Change((), (NewTask(record, plan),))) is None
    return record.id


def totals(store: MemoryStore, account: str) -> AccountState:
    return store.read((AccountKey(account),))[AccountKey(account)]


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize(
    ("after", "units"),
    [(5, 0), (RETENTION - 0.001, 0), (RETENTION, 16), (RETENTION + 5, 16)],
)
def test_units_are_returned_if_the_task_fails_within_its_retention(
    after: float, units: int, *, looks: bool, store: MemoryStore, clock: ManualClock
) -> None:
    """Whether the end is noticed at once, or when another account drops the task much later."""
    create(store, "a", after, "no such luck")
    for step in (after, RETENTION - after, RETENTION):
        clock.advance(max(step, 0))
        if looks:
            totals(store, "a")
    create(store, "b", 1)
    assert totals(store, "a") == AccountState(1, 0, units)


def test_an_expired_task_is_not_written(store: MemoryStore, clock: ManualClock) -> None:
    """A change decided earlier fails its precondition, and the id cannot be used again yet."""
    task_id = create(store, "a", RETENTION * 2)
    clock.advance(RETENTION)
    now = clock.now()
    end = PlanRecord(task_id, Plan(now, now, counted=False, failure="stopped"))
    for version in (0, None):
        expected = Expect(TaskKey(task_id), version)
        assert store.commit(Change((expected,), (end,))) == expected
    assert totals(store, "a") == AccountState(1, 0, 16)


def test_a_failure_that_is_revoked_reserves_units_again(store: MemoryStore, clock: ManualClock) -> None:
    """The task is planned to fail; `succeed`, called before that, is committed after it."""
    task_id = create(store, "a", 5, "no such luck")
    start = clock.now()
    clock.advance(5)
    assert totals(store, "a") == AccountState(1, 0, 0)
    change = Change((), (PlanRecord(task_id, Plan(start, start + 4, counted=False, failure=None)),))
    assert store.commit(change) is None
    assert totals(store, "a") == AccountState(1, 0, 16)
    change = Change((), (PlanRecord(task_id, Plan(start, start + 9, counted=False, failure="later")),))
    assert store.commit(change) is None
    assert totals(store, "a") == AccountState(1, 1, 16)
    clock.advance(4)
    assert totals(store, "a") == AccountState(1, 0, 0)


def test_a_token_that_expired_long_ago_can_be_the_only_one(store: MemoryStore, clock: ManualClock) -> None:
    """The clock may jump between the decision about a token and its commit."""
    expires = clock.now() + 1
    clock.advance(RETENTION + 2)
    assert store.commit(Change((), (TokenRecord("digest", expires),))) is None
    assert store.read((TokenKey("digest"),))[TokenKey("digest")] in (None, expires)


class _UsedMeanwhile(dict[int, int]):
    """Uses of rules that another thread increments after each read."""

    def get(self, key: int, default: int = 0) -> int:  # type: ignore[override]
        used = self[key] = super().get(key, -1) + 1
        return used


@pytest.mark.parametrize("criteria", [None, {}], ids=["next", "when"])
def test_a_rule_expects_the_number_of_uses_at_its_selection(criteria: Mapping[str, object] | None) -> None:
    """Otherwise a rule for one create would be used twice if another thread uses it in between."""
    rule = RuleRecord(0, None, criteria, 1, (Succeeds(),))
    scripts = Scripts(1, [rule], _UsedMeanwhile())
    asked = TaskRequest((), (), ())
    assert scripts.match("a", asked) == (rule, 0)
    assert scripts.match("a", asked) is None


class _Anything:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


def test_a_criterion_is_compared_by_equality_not_by_hash() -> None:
    rules = [RuleRecord(0, None, {"prompt": _Anything(), "n": 2}, None, (Succeeds(),))]
    asked = [TaskRequest(("prompt", "n"), ("cat", n), ()) for n in (2, 1)]
    scripts = Scripts(1, rules, {})
    assert [scripts.match("a", each) is not None for each in asked] == [True, False]
