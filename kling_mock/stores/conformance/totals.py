"""Checks of the totals of accounts (`AccountState`): creates, images of unfinished tasks, and units."""

from __future__ import annotations

from kling_mock.plan import NEVER, Plan
from kling_mock.records import PlanRecord, PollRecord, TaskRecord, WindowRecord
from kling_mock.stores import AccountKey, AccountState, Expect, PeakKey, Steps, WindowKey
from kling_mock.stores.conformance.checks import RETENTION, CheckSteps, OnSecond, check
from kling_mock.stores.conformance.samples import (
    ACCOUNT,
    HELD,
    OTHER,
    UNITS,
    advance,
    counted,
    create,
    read,
    read_now,
    refuse,
    require_equal,
    require_totals,
    task,
    timed,
    write,
)

MILLISECOND = 0.001


@check
def totals_added_up() -> CheckSteps:
    """The totals of an account are the images of its own unfinished tasks and the units of its own tasks."""
    now = yield from read_now()
    yield from create(task(1, created=now, n=1))
    yield from create(task(2, created=now, n=9))
    yield from create(task(1, created=now, account=OTHER, n=3))
    yield from require_totals("with two tasks", AccountState(2, 10, 10 * UNITS))
    yield from require_totals("of the other", AccountState(1, 3, 3 * UNITS), OTHER)
    yield OnSecond(require_totals("on the second handle", AccountState(2, 10, 10 * UNITS)))


def _ends(record: TaskRecord, failed: bool) -> Steps[None]:  # noqa: FBT001 -- one of two ends
    """Require the right totals around the end of the account's only task, one millisecond from now."""
    n = record.request.n
    yield from require_totals("just before the end", AccountState(1, n, n * UNITS))
    yield from advance(MILLISECOND)
    units = 0 if failed else n * UNITS
    yield from require_totals("at the instant of the end", AccountState(1, 0, units))
    yield from advance(60)
    yield from require_totals("after the end", AccountState(1, 0, units))


@check
def success_keeps_units() -> CheckSteps:
    """A task is unfinished up to the instant of its success, and its units stay spent."""
    now = yield from read_now()
    record = yield from create(task(created=now, n=2), timed(now, 5))
    yield from advance(5 - MILLISECOND)
    yield from _ends(record, failed=False)


@check
def failure_returns_units() -> CheckSteps:
    """The units of a task are returned at the instant at which it fails, not before."""
    now = yield from read_now()
    record = yield from create(task(created=now, n=2), Plan(NEVER, now + 5, counted=False, failure="no luck"))
    yield from advance(5 - MILLISECOND)
    yield from _ends(record, failed=True)


@check
def failure_unobserved() -> CheckSteps:
    """The units of a failed task are returned even if the account is not read before the task expires."""
    now = yield from read_now()
    yield from create(task(1, created=now), timed(now, 5, "no luck"))
    yield from create(task(2, created=now), timed(now, RETENTION - MILLISECOND, "no luck"))
    yield from create(task(3, created=now), timed(now, 5))
    yield from advance(2 * RETENTION)
    # Creates may drop expired tasks.
    for number in range(1, 5):
        yield from create(task(number, created=now + 2 * RETENTION, account=OTHER))
    yield from require_totals("two retentions later", AccountState(3, 0, UNITS))


@check
def ended_at_creation() -> CheckSteps:
    """A task that ends at its creation does not count as unfinished, and costs nothing if it failed."""
    now = yield from read_now()
    yield from create(task(1, created=now), timed(now, 0))
    yield from create(task(2, created=now), timed(now, 0, "no luck"))
    yield from require_totals("with two ended tasks", AccountState(2, 0, UNITS))


@check
def counted_poll_ends() -> CheckSteps:
    """A task whose plan counts queries ends with the last of them; polls without an instant do not count."""
    now = yield from read_now()
    record = yield from create(task(created=now), counted(2, "no luck"))
    yield from write(PollRecord(record.id, now), PollRecord(record.id, None), PollRecord(record.id, None))
    yield from require_totals("before the query that ends the task", AccountState(1, 1, UNITS))
    yield from write(PollRecord(record.id, now))
    yield from require_totals("after it", AccountState(1, 0, 0))


@check
def plan_moves_end() -> CheckSteps:
    """The latest plan determines the end of a task, whether it is sooner, later or not known before."""
    now = yield from read_now()
    later = yield from create(task(1, created=now), timed(now, 5))
    sooner = yield from create(task(2, created=now), timed(now, 50))
    held = yield from create(task(3, created=now), HELD)
    yield from write(PlanRecord(later.id, timed(now, 10)))
    yield from write(PlanRecord(sooner.id, timed(now, 7, "no luck")))
    yield from advance(6)
    yield from require_totals("after the first plan of a task", AccountState(3, 3, 3 * UNITS))
    yield from advance(1)
    yield from require_totals("after the sooner end", AccountState(3, 2, 2 * UNITS))
    yield from write(PlanRecord(held.id, timed(now, 7, "stopped")))
    yield from require_totals("after a plan that ends now", AccountState(3, 1, UNITS))
    yield from advance(3)
    yield from require_totals("after the later end", AccountState(3, 0, UNITS))


@check
def outcome_replaced() -> CheckSteps:
    """The latest plan determines the units, even if it changes the outcome of a task that had ended."""
    now = yield from read_now()
    record = yield from create(task(created=now), timed(now, 5, "no luck"))
    yield from advance(5)
    yield from require_totals("after the failure", AccountState(1, 0, 0))
    yield from write(PlanRecord(record.id, timed(now, 4)))
    yield from require_totals("after a plan that succeeds", AccountState(1, 0, UNITS))


@check
def expired_not_unfinished() -> CheckSteps:
    """An unfinished task counts as unfinished until the end of its retention; its units stay spent."""
    now = yield from read_now()
    yield from create(task(1, created=now))
    yield from create(task(2, created=now), timed(now, RETENTION + 5, "no luck"))
    yield from advance(RETENTION - MILLISECOND)
    yield from require_totals("just before the end of the retention", AccountState(2, 2, 2 * UNITS))
    yield from advance(MILLISECOND)
    yield from require_totals("at the end of the retention", AccountState(2, 0, 2 * UNITS))
    yield from advance(10)
    yield from create(task(3, created=now + RETENTION + 10))
    yield from require_totals("after a further create", AccountState(3, 1, 3 * UNITS))


@check
def totals_of_all() -> CheckSteps:
    """The totals without an account are those of all accounts; their version is the number of all creates."""
    now = yield from read_now()
    yield from create(task(1, created=now, n=2), timed(now, 5, "no luck"))
    yield from create(task(1, created=now, account=OTHER, n=3))
    yield from create(task(2, created=now, n=4))
    yield from require_totals("of all", AccountState(3, 9, 9 * UNITS), None)
    yield from advance(5)
    yield from require_totals("of all, after the failure", AccountState(3, 7, 7 * UNITS), None)
    yield from refuse(WindowRecord(None, "create", now, 1, 1), expect=(Expect(AccountKey(None), 2),))
    yield from write(WindowRecord(None, "create", now, 1, 1), expect=(Expect(AccountKey(None), 3),))


@check
def peak_kept() -> CheckSteps:
    """The peak is the largest number of images that were unfinished at once, of an account and of all."""
    now = yield from read_now()
    yield from create(task(1, created=now, n=2), timed(now, 5))
    yield from create(task(1, created=now, account=OTHER, n=3), timed(now, 5))
    yield from advance(5)
    yield from create(task(2, created=now + 5, n=1))
    for account, peak in ((ACCOUNT, 2), (OTHER, 3), (None, 5)):
        require_equal(f"the peak of {account}", (yield from read(PeakKey(account))), peak)


@check
def windows_kept() -> CheckSteps:
    """A rate window is kept by account and kind; the last one written counts, and has its own version."""
    now = yield from read_now()
    first, other = WindowRecord(ACCOUNT, "create", now, 1, 1), WindowRecord(None, "query", now, 3, 7)
    yield from write(first, expect=(Expect(WindowKey(ACCOUNT, "create"), 0),))
    yield from write(other)
    require_equal("the window", (yield from read(WindowKey(ACCOUNT, "create"))), first)
    require_equal("the other window", (yield from read(WindowKey(None, "query"))), other)
    second = WindowRecord(ACCOUNT, "create", now, 2, 2)
    yield from refuse(second, expect=(Expect(WindowKey(ACCOUNT, "create"), 0),))
    yield from write(second, expect=(Expect(WindowKey(ACCOUNT, "create"), 1),))
    require_equal("the next window", (yield from read(WindowKey(ACCOUNT, "create"))), second)
