"""Checks of lists: pages of an account's tasks, all tasks, and the journal."""

from __future__ import annotations

from kling_mock.records import PlanRecord, PollRecord, TaskState
from kling_mock.stores import (
    CallsKey,
    Change,
    Commit,
    Expect,
    PageKey,
    Read,
    Snapshot,
    Steps,
    TaskKey,
    TasksKey,
)
from kling_mock.stores.conformance.checks import RETENTION, CheckSteps, OnSecond, check
from kling_mock.stores.conformance.samples import (
    ACCOUNT,
    HELD,
    OPERATION,
    OPERATIONS,
    OTHER,
    advance,
    call,
    counted,
    create,
    create_several,
    ids,
    read,
    read_now,
    refuse,
    require_equal,
    task,
    timed,
    write,
)

EXPAND = "expand"


def _page(operations: frozenset[str], first: int, size: int, account: str = ACCOUNT) -> Steps[list[str]]:
    states = yield from read(PageKey(account, operations, first, size))
    return ids(states)


def _require_pages(operations: frozenset[str], newest_first: list[str]) -> Steps[None]:
    """Require the right tasks on every page for several sizes, and on one far beyond the end."""
    for size in (1, 2, 3, 500):
        for first in range(0, len(newest_first) + size + 1, size):
            actual = yield from _page(operations, first, size)
            require_equal(f"page from {first}, size {size}", actual, newest_first[first : first + size])
    far = yield from _page(operations, 10**9, 500)
    require_equal("a page far beyond the end", far, [])


@check
def pages_newest_first() -> CheckSteps:
    """Pages list tasks newest first, without gaps or overlaps, and are empty beyond the end."""
    made = yield from create_several(range(1, 8))
    yield from _require_pages(OPERATIONS, [record.id for record in reversed(made)])


@check
def pages_by_operation() -> CheckSteps:
    """A page lists only tasks of its operations and account; several operations are merged in one order."""
    made: list[tuple[str, str]] = []
    for number in range(1, 10):
        now = yield from read_now()
        operation = OPERATION if number % 3 else EXPAND
        record = yield from create(task(number, created=now, operation=operation))
        yield from create(task(number, created=now, operation=operation, account=OTHER))
        made.insert(0, (record.id, operation))
    for operations in (
        {OPERATION},
        {EXPAND},
        {OPERATION, EXPAND},
        {"absent"},
        {EXPAND, "absent"},
        set[str](),
    ):
        expected = [task_id for task_id, operation in made if operation in operations]
        yield from _require_pages(frozenset(operations), expected)


@check
def tasks_oldest_first() -> CheckSteps:
    """All tasks, of one account or of all accounts, are listed in order of creation."""
    made: list[str] = []
    for number in range(1, 5):
        for account in (OTHER, ACCOUNT):
            (record,) = yield from create_several([number], account=account)
            made.append(record.id)
    require_equal("all tasks", ids((yield from read(TasksKey()))), made)
    for account in (ACCOUNT, OTHER, "absent"):
        expected = [task_id for task_id in made if task_id.startswith(account)]
        require_equal(f"those of {account}", ids((yield from read(TasksKey(account)))), expected)


@check
def lists_up_to_date() -> CheckSteps:
    """Lists contain the present state of every task, in order of creation."""
    now = yield from read_now()
    first = yield from create(task(1, created=now), counted(2))
    second = yield from create(task(2, created=now))
    yield from write(PollRecord(first.id, now))
    yield from write(PlanRecord(second.id, timed(now, 1)))
    states = (
        TaskState(first, counted(2), 1, 1, (now,)),
        TaskState(second, timed(now, 1), 1),
    )
    page, account, every = PageKey(ACCOUNT, OPERATIONS, 0, 5), TasksKey(ACCOUNT), TasksKey()
    snapshot: Snapshot = yield Read((page, account, every))
    require_equal("a page", snapshot[page], states[::-1])
    require_equal("the tasks of the account", snapshot[account], states)
    require_equal("all tasks", snapshot[every], states)


@check
def lists_without_expired() -> CheckSteps:
    """A list omits the tasks whose retention is over, and keeps the order of the others."""
    made = yield from create_several(range(1, 7))
    yield from advance(RETENTION - 6 + 3 - 1)  # the first three were created 2 to 0 seconds before that
    left = [record.id for record in made[3:]]
    yield from _require_pages(OPERATIONS, left[::-1])
    for key in (TasksKey(), TasksKey(ACCOUNT)):
        require_equal("all tasks", ids((yield from read(key))), left)
    # Creates may drop expired tasks.
    for number in range(7, 11):
        now = yield from read_now()
        left.append((yield from create(task(number, created=now), HELD)).id)
    yield from _require_pages(OPERATIONS, left[::-1])
    require_equal("all tasks", ids((yield from read(TasksKey(ACCOUNT)))), left)


@check
def journal_in_order() -> CheckSteps:
    """The journal, of one account or of all, lists every call as it was written, in order of the commits."""
    now = yield from read_now()
    calls = [call(now, f"/{at}", (ACCOUNT, OTHER, None)[at % 3]) for at in range(30)]
    for each in calls[:20]:
        yield from write(each)
    yield from write(*calls[20:])
    yield OnSecond(write(call(now, "/second", OTHER)))
    calls.append(call(now, "/second", OTHER))
    require_equal("the journal", (yield from read(CallsKey())), tuple(calls))
    for account in (ACCOUNT, OTHER):
        expected = tuple(each for each in calls if each.account == account)
        require_equal(f"the journal of {account}", (yield from read(CallsKey(account))), expected)
    require_equal("that of an account without calls", (yield from read(CallsKey("absent"))), ())


@check
def journal_after_refusal() -> CheckSteps:
    """The call of a refused change is not in the journal; that of a committed change is, exactly once."""
    now = yield from read_now()
    entry = call(now, "/")
    yield from refuse(entry, expect=(Expect(TaskKey("1"), 0),))
    require_equal("the journal", (yield from read(CallsKey())), ())
    yield Commit(Change((), (entry,)))
    require_equal("the journal", (yield from read(CallsKey())), (entry,))
