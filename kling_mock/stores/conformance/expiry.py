"""Checks of retention, exact to the millisecond, for every key of a task."""

from __future__ import annotations

from collections.abc import Iterable

from kling_mock.records import AttemptRecord, NewTask, PollRecord, TaskState
from kling_mock.stores import (
    AccountKey,
    AttemptsKey,
    Expect,
    ExternalKey,
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
    OPERATIONS,
    OTHER,
    advance,
    attempt,
    call,
    create,
    kept,
    read,
    read_now,
    refuse,
    require,
    require_equal,
    task,
    timed,
    write,
)

MILLISECOND = 0.001


def _require_present(task_id: str, present: bool) -> Steps[None]:  # noqa: FBT001 -- there or not
    """Require that every key that can find the task does so, or that none does."""
    by_id, external = TaskKey(task_id), ExternalKey(ACCOUNT, "mine")
    page, account, every = PageKey(ACCOUNT, OPERATIONS, 0, 500), TasksKey(ACCOUNT), TasksKey()
    snapshot: Snapshot = yield Read((by_id, external, page, account, every))
    for single in (by_id, external):
        require_equal(f"{type(single).__name__} has a task", snapshot[single] is not None, present)
    for several in (page, account, every):
        require_equal(f"{type(several).__name__}: number of tasks", len(snapshot[several]), int(present))


@check
def retention_exact() -> CheckSteps:
    """Every key finds a task until just before the end of its retention, and no longer at that instant."""
    now = yield from read_now()
    record = yield from create(task(created=now, external_id="mine"), timed(now, 5))
    yield from advance(RETENTION - MILLISECOND)
    yield from _require_present(record.id, present=True)
    yield from advance(MILLISECOND)
    yield from _require_present(record.id, present=False)
    yield OnSecond(_require_present(record.id, present=False))


@check
def retention_from_creation() -> CheckSteps:
    """The retention of a task begins with its creation; later writes to the task do not prolong it."""
    now = yield from read_now()
    record = yield from create(task(created=now, external_id="mine"))
    yield from advance(RETENTION - 1)
    yield from write(PollRecord(record.id, None), AttemptRecord(record.id, 0, 1, now, 500, "500"))
    yield from advance(1)
    yield from _require_present(record.id, present=False)


@check
def expired_not_written() -> CheckSteps:
    """A change that expects a version of a task is refused once the retention of the task is over."""
    now = yield from read_now()
    record = yield from create(task(created=now, external_id="mine"))
    yield from write(AttemptRecord(record.id, 0, 1, now, 500, "500"))
    by_version = Expect(TaskKey(record.id), 0), Expect(ExternalKey(ACCOUNT, "mine"), 0)
    by_number = Expect(AttemptsKey(record.id, 0), 1), Expect(AttemptsKey(record.id, 1), 0)
    yield from advance(RETENTION - MILLISECOND)
    yield from write(call(now, "/"), expect=(*by_version, *by_number))
    yield from advance(MILLISECOND)
    for expected in (*by_version, *by_number):
        yield from refuse(call(now, "/"), expect=(expected,))
    require_equal("attempts", (yield from read(AttemptsKey(record.id, 0))), 0)
    yield from write(call(now, "/"), expect=(Expect(AttemptsKey(record.id, 0), None),))


def _create_others(numbers: Iterable[int], account: str = OTHER) -> Steps[None]:
    """Create tasks, which may drop expired ones."""
    now = yield from read_now()
    for number in numbers:
        yield from create(task(number, created=now, account=account))


@check
def external_id_free_again() -> CheckSteps:
    """The external id of an expired task can be used again, and then identifies the new task."""
    now = yield from read_now()
    yield from create(task(1, created=now, external_id="mine"))
    yield from advance(RETENTION)
    renewed = yield from create(task(2, created=now + RETENTION, external_id="mine"))
    yield from _create_others(range(1, 5))
    state = yield from read(ExternalKey(ACCOUNT, "mine"))
    require_equal("the task of the external id", state, TaskState(renewed, HELD))
    yield from refuse(call(now, "/"), expect=(Expect(ExternalKey(ACCOUNT, "mine"), None),))


@check
def expired_id_used_again() -> CheckSteps:
    """A create with the id of an expired task is either refused for that precondition or fully written."""
    now = yield from read_now()
    old = [task(number, created=now) for number in range(1, 7)]
    for record in old:
        yield from create(record)
    yield from advance(RETENTION)
    again = task(7, created=now + RETENTION, external_id="again", task_id=old[-1].id)
    free = Expect(TaskKey(again.id), None)
    failed = yield from attempt((free,), NewTask(again, HELD))
    require(failed in (None, free), f"another precondition was returned: {failed!r}")
    yield from _create_others(range(1, 5))
    if failed is None:
        require_equal("the task", (yield from kept(again)), TaskState(again, HELD))
    else:
        require_equal("the task", (yield from read(TaskKey(again.id))), None)


@check
def creates_counted_on() -> CheckSteps:
    """The number of creates of an account does not decrease when tasks expire."""
    now = yield from read_now()
    for number in (1, 2, 3):
        yield from create(task(number, created=now))
    yield from advance(RETENTION)
    yield from _create_others(range(1, 5))
    account = yield from read(AccountKey(ACCOUNT))
    require_equal("creates", account.created, 3)
    yield from refuse(call(now, "/"), expect=(Expect(AccountKey(ACCOUNT), 0),))
    yield from _create_others([4], ACCOUNT)
