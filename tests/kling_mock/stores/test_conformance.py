"""The conformance checks: the memory store passes, and each check finds faulty stores."""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING

import pytest

from kling_mock import Clock, ManualClock
from kling_mock.stores.conformance import CHECKS, Check, check_store
from kling_mock.stores.memory import MemoryStore
from tests.kling_mock.stores.faulty import changes, expiry, lists, shared, tasks, totals
from tests.kling_mock.stores.faulty.base import FaultyStore
from tests.kling_mock.stores.state_files import sqlite_stores
from tests.rows import each_row

if TYPE_CHECKING:
    from collections.abc import Iterator

JOURNAL = 2**20
FAULTS: list[type[FaultyStore]] = [
    each
    for module in (changes, tasks, totals, lists, expiry, shared)
    for each in vars(module).values()
    if isinstance(each, type) and "finder" in vars(each) and each is not FaultyStore
]


@pytest.fixture(autouse=True)
def _eager_switching() -> Iterator[None]:
    """Switch threads every few microseconds, so that races become likely."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def make(kind: type[MemoryStore], retention: float, clock: type[Clock] = ManualClock) -> MemoryStore:
    return kind(clock(), retention=retention, journal_bytes=JOURNAL)


def run_often(check: Check, fault: type[MemoryStore]) -> None:
    """A race occurs in most runs, so the check is run several times."""
    for _ in range(20):
        check.run(lambda retention: make(fault, retention))


@pytest.mark.parametrize("clock", [Clock, ManualClock])
@each_row("check", CHECKS.values(), ids=CHECKS)
def test_the_memory_store_satisfies(check: Check, clock: type[Clock]) -> None:
    check.run(lambda retention: make(MemoryStore, retention, clock))


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_sqlite_store_satisfies(check: Check) -> None:
    with sqlite_stores() as kind:
        check.run(lambda retention: make(kind, retention))


def test_all_checks_run_over_a_store_and_its_second_handle() -> None:
    made: list[MemoryStore] = []
    seconds: list[object] = []

    def make_store(retention: float) -> MemoryStore:
        made.append(make(MemoryStore, retention))
        return made[-1]

    check_store(make_store, second=lambda store: seconds.append(store) or store)
    assert len(made) == len(CHECKS)
    assert made == seconds


@each_row("fault", FAULTS, ids=lambda fault: f"{fault.finder}-{fault.__name__}")
def test_a_faulty_store_is_found(fault: type[FaultyStore]) -> None:
    """By the check that is meant for the fault; the message contains the requirement."""
    check = CHECKS[fault.finder]
    with pytest.raises(AssertionError, match=f"^{check.id}: {re.escape(check.rule)}\n"):
        run_often(check, fault)


# One for each check.
OVER_SQLITE = {fault.finder: fault for fault in FAULTS}


@pytest.mark.parametrize("fault", OVER_SQLITE.values(), ids=OVER_SQLITE)
def test_a_faulty_store_over_sqlite_is_found(fault: type[FaultyStore]) -> None:
    check = CHECKS[fault.finder]
    with sqlite_stores(fault) as kind, pytest.raises(AssertionError, match=f"^{check.id}: "):
        run_often(check, kind)


def test_every_check_finds_a_fault() -> None:
    assert {fault.finder for fault in FAULTS} == set(CHECKS)


def test_the_base_class_of_faulty_stores_has_no_fault() -> None:
    check_store(lambda retention: make(FaultyStore, retention))


def test_every_failed_check_is_listed() -> None:
    with pytest.raises(AssertionError) as caught:
        check_store(lambda retention: make(changes.LosesJournal, retention))
    first, *lines = str(caught.value).splitlines()
    failed = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert first == f"{len(failed)} of {len(CHECKS)} checks failed"
    assert failed == ["change_written_whole", "journal_in_order"]


@each_row("check", CHECKS.values(), ids=CHECKS)
def test_a_rule_is_one_sentence_about_stores(check: Check) -> None:
    assert inspect.isgeneratorfunction(check.steps)
    assert check.rule.endswith(".")
    assert check.rule.count(". ") == 0


def test_a_second_handle_with_its_own_counters_is_found() -> None:
    """Requirements across handles are checked with two handles."""
    check = CHECKS["tickets_never_repeated"]
    with pytest.raises(AssertionError, match="numbers over two handles"):
        check.run(lambda retention: make(MemoryStore, retention), second=shared.OwnCounters)


def test_an_exception_of_the_store_is_a_failed_check() -> None:
    """The message contains the place, since a list of failed checks has no tracebacks."""

    def broken(retention: float) -> MemoryStore:
        raise OSError("no such server")

    with pytest.raises(AssertionError, match=r"raised OSError\('no such server'\) at .+\.py:\d+$"):
        CHECKS["empty_store"].run(broken)
