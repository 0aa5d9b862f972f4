"""Every index of the memory store equals a full scan of the history."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from kling_mock import Fake, ManualClock, Request
from kling_mock.records import TaskState
from kling_mock.stores import account_index, memory
from kling_mock.stores.account_index import COMPACTED_FROM, _Series
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.usage import Usage
from tests.kling_mock.stores.faulty import expiry, lists, tasks, totals
from tests.kling_mock.stores.histories import RETENTION, Player, many_moves, moves
from tests.profiles import CI, share
from tests.rows import some_rows

if TYPE_CHECKING:
    from collections.abc import Callable


def failing(pace: str, account: str = "x") -> tuple[Any, ...]:
    return ("create", account, "image", 1, None, "no luck", pace)


@given(history=moves)
@example(history=[failing("seconds:1,5"), ("advance", 3 * RETENTION), *[failing("held", "y")] * 3])
@example(history=[failing("seconds:0,60"), ("advance", 3 * RETENTION)])
@example(
    history=[failing("held"), ("finish", 0, "fail"), ("finish", 0, "succeed"), ("advance", 3 * RETENTION)]
)
def test_indexes_equal_a_full_scan(history: list[Any]) -> None:
    Player(MemoryStore).play(history)


@pytest.fixture
def _compacts_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compact a series after two dropped tasks instead of sixteen."""
    monkeypatch.setattr(account_index, "COMPACTED_FROM", 2)


@pytest.mark.usefixtures("_compacts_early")
@share(0.5, without=[HealthCheck.function_scoped_fixture])
@given(history=many_moves)
@example(history=[failing("held"), ("advance", RETENTION), ("look",)] * 6)
def test_indexes_that_were_compacted_equal_a_full_scan(history: list[Any]) -> None:
    Player(MemoryStore).play(history)


def test_dropped_tasks_use_no_more_memory_than_the_others() -> None:
    """A thousand of each account were kept: a server with many accounts grew by 1.3 MB for each."""
    series = _Series()
    for kept in (1, 100, 1, 0):
        for _ in range(200):
            series.records.append(None)  # type: ignore[arg-type]
        while len(series) > kept:
            series.drop_first()
        assert len(series.records) - kept <= max(kept, COMPACTED_FROM)


def expect_found(
    kind: type[MemoryStore], found: type[Exception] | tuple[type[Exception], ...] = AssertionError
) -> None:
    """Draw histories until one shows a difference, by one of these errors. It is not shrunk, to save time."""

    @settings(CI, phases=[Phase.generate], report_multiple_bugs=False)
    @given(history=many_moves)
    def search(history: list[Any]) -> None:
        Player(kind).play(history)

    with pytest.raises(found):
        search()


@some_rows(
    "fault",
    [
        expiry.CountsKeptTasks,
        totals.CountsTasksNotImages,
        totals.EndsByFirstPlan,
        totals.EveryEndReturnsUnits,
        totals.ExpiredTasksAreUnfinished,
        expiry.ExpiresOneMillisecondLate,
        expiry.ExternalIdsEndWithTheirFirstTask,
        expiry.ExternalIdsOutliveTasks,
        totals.ForgetsFailures,
        totals.ForgetsFailuresOfExpiredTasks,
        totals.PeakFalls,
        totals.TotalsOfAllAreTheNewest,
        lists.JournalShowsCallsOfNoAccount,
        tasks.LosesPolls,
        lists.PagesCountExpired,
        lists.PagesOfAllOperations,
        lists.PagesOldestFirst,
        lists.PagesOneOperationAfterAnother,
        lists.PagesOverlap,
        expiry.PollsProlongRetention,
        tasks.SharesExternalIds,
        lists.TasksByAccount,
        lists.TasksInOrderOfWriting,
        totals.UnfinishedAtTheInstantOfCreation,
    ],
    usual=3,
)
def test_a_faulty_store_differs(fault: type[MemoryStore]) -> None:
    expect_found(fault)


def _returned_whenever(usage: Usage, state: TaskState) -> int:
    """Units are returned even if the task fails after its retention."""
    return state.record.units if state.plan.failure is not None else 0


def _first_end(usage: Usage, old: TaskState, new: TaskState, now: float) -> None:
    """A replaced plan does not change the end."""


def _forgets_to_close(usage: Usage, now: float, most: int | None = None) -> None:
    """A task that has ended stays unfinished."""


@pytest.mark.parametrize(
    ("name", "fault"),
    [("_returned", _returned_whenever), ("update", _first_end), ("_settle", _forgets_to_close)],
)
def test_a_faulty_index_differs(
    name: str, fault: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Usage, name, fault)
    expect_found(MemoryStore)


@pytest.mark.usefixtures("_compacts_early")
def test_a_faulty_compaction_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dropped records are removed, and counted as dropped again."""
    sound = _Series.drop_first

    def faulty_drop(series: _Series) -> None:
        before = series._start
        sound(series)
        series._start = series._start or before

    monkeypatch.setattr(_Series, "drop_first", faulty_drop)
    expect_found(MemoryStore, (AssertionError, ValueError))  # more may be dropped than there were


# -- the cost of expiry


def calls_of_first_create(tasks: int) -> int:
    """The number of function calls of the first create after this number of tasks expired."""
    fake = Fake(clock=ManualClock(), pace="instant", journal_bytes=1)
    subjects = [{"subject_image": f"https://x.test/{name}.png"} for name in "ab"]
    body = json.dumps({"prompt": "two at sea", "subject_image_list": subjects}).encode()
    key = (("authorization", "Bearer sk-mock"),)
    create = Request("POST", "/kling/v1/images/generations", headers=key, body=body)
    for _ in range(tasks):
        fake.handle(create)
    fake.clock.advance(days=31)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        reply = fake.handle(create)
    finally:
        sys.setprofile(before)
    assert reply.status == 200
    return calls


def test_the_first_create_after_an_expiry_costs_the_same_for_many_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the counterexample: a store that drops all expired tasks in one request."""
    few = calls_of_first_create(20)
    assert calls_of_first_create(200) < 1.2 * few
    monkeypatch.setattr(memory, "DROPPED_AT_ONCE", 10_000)
    assert calls_of_first_create(200) > 2 * few
