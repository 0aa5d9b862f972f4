"""Checks of reading and committing: snapshots, atomic changes, preconditions, concurrency."""

from __future__ import annotations

from typing import Any, Final

from kling_mock.faults import FaultUse
from kling_mock.outcomes import Fails
from kling_mock.records import (
    AttemptRecord,
    ClockRecord,
    FaultRecord,
    NewTask,
    PlanRecord,
    PollRecord,
    Record,
    RuleRecord,
    RuleUse,
    TokenRecord,
    WindowRecord,
)
from kling_mock.stores import (
    CLOCK,
    SCRIPTS,
    AccountKey,
    AccountState,
    AttemptsKey,
    CallsKey,
    Expect,
    ExternalKey,
    Key,
    PageKey,
    PeakKey,
    Read,
    RuleKey,
    Snapshot,
    Steps,
    TaskKey,
    TasksKey,
    Ticket,
    TokenKey,
    WindowKey,
)
from kling_mock.stores.conformance.checks import ROUNDS, WORKERS, CheckSteps, Parallel, check
from kling_mock.stores.conformance.samples import (
    ACCOUNT,
    HELD,
    OPERATIONS,
    advance,
    attempt,
    call,
    create,
    creation,
    full_task,
    kept,
    poll,
    read,
    read_now,
    refuse,
    repeat,
    require,
    require_equal,
    task,
    timed,
    write,
)

RULE: Final = RuleRecord(0, None, None, 5)
EVERY_KEY: Final[dict[Key[Any], object]] = {
    TaskKey("1"): None,
    ExternalKey(ACCOUNT, "mine"): None,
    AccountKey(ACCOUNT): AccountState(),
    PageKey(ACCOUNT, OPERATIONS, 0, 500): (),
    TasksKey(): (),
    TasksKey(ACCOUNT): (),
    RuleKey(0): 0,
    AttemptsKey("1", 0): 0,
    TokenKey("digest"): None,
    AccountKey(None): AccountState(),
    PeakKey(ACCOUNT): 0,
    WindowKey(None, "create"): None,
    CallsKey(): (),
    CallsKey(ACCOUNT): (),
    Ticket("requests"): 0,
}


@check
def empty_store() -> CheckSteps:
    """A new store returns a value for every type of key, all in one batch."""
    snapshot: Snapshot = yield Read((*EVERY_KEY, SCRIPTS, CLOCK))
    for key, expected in EVERY_KEY.items():
        require_equal(repr(key), snapshot[key], expected)
    require_equal("the scripted rules", list(snapshot[SCRIPTS].rules), [])
    absent = (
        Expect(TaskKey("1"), None),
        Expect(ExternalKey(ACCOUNT, "mine"), None),
        Expect(AccountKey(ACCOUNT), 0),
        Expect(SCRIPTS, snapshot[SCRIPTS].version),
        Expect(RuleKey(0), 0),
        Expect(WindowKey(None, "create"), 0),
        Expect(AttemptsKey("1", 0), None),
        Expect(CLOCK, snapshot[CLOCK].version),
    )
    yield from write(call(snapshot.now, "/first"), expect=absent)


@check
def present_in_every_read() -> CheckSteps:
    """Every read, even without keys, returns the present, which is the reading of the clock."""
    snapshot: Snapshot = yield Read((CLOCK,))
    require_equal("now", snapshot.now, snapshot[CLOCK].reading)
    require_equal("now", (yield from read_now()), snapshot.now)
    require_equal("now, after an advance", (yield from advance(60)), snapshot.now + 60)


def _one_of_each(now: float) -> tuple[Record, ...]:
    """Records of every type, for a store with an unfinished task 1 of the account and a rule 0."""
    old, new = task(created=now).id, task(2, created=now, external_id="mine")
    return (
        NewTask(new, HELD),
        PollRecord(old, now),
        PlanRecord(old, timed(now, 60, "no luck")),
        FaultRecord(old, (FaultUse(1, 1),)),
        AttemptRecord(old, 0, 1, now, 200, None),
        RuleRecord(1, ACCOUNT, {"prompt": "*cat*"}, None, (Fails("no luck"),)),
        RuleUse(0),
        WindowRecord(ACCOUNT, "create", now, 1, 1),
        TokenRecord("digest", now + 1_800),
        ClockRecord(0.0, now, 0.0, 77),
        call(now, "/second"),
    )


def _everything() -> Steps[list[object]]:
    """The values of everything that `_one_of_each` writes."""
    keys: list[Key[Any]] = [
        TaskKey(f"{ACCOUNT}.1"),
        TaskKey(f"{ACCOUNT}.2"),
        ExternalKey(ACCOUNT, "mine"),
        AccountKey(ACCOUNT),
        PageKey(ACCOUNT, OPERATIONS, 0, 500),
        TasksKey(),
        AttemptsKey(f"{ACCOUNT}.1", 0),
        RuleKey(0),
        WindowKey(ACCOUNT, "create"),
        TokenKey("digest"),
        CLOCK,
        CallsKey(),
    ]
    snapshot: Snapshot = yield Read((*keys, SCRIPTS))
    scripts = snapshot[SCRIPTS]
    values: list[object] = [snapshot[key] for key in keys]
    return [*values, list(scripts.rules), scripts.version]


@check
def change_written_whole() -> CheckSteps:
    """A commit whose preconditions hold writes every record of the change."""
    now = yield from read_now()
    yield from create(task(created=now))
    yield from write(RULE)
    before = yield from _everything()
    yield from write(*_one_of_each(now))
    after = yield from _everything()
    for old, new in zip(before, after, strict=True):
        require(old != new, f"a change with a record of each kind left this as it was: {old!r}")


@check
def change_refused_whole() -> CheckSteps:
    """A commit writes no record of any type if even only the last of its preconditions does not hold."""
    now = yield from read_now()
    yield from create(task(created=now))
    yield from write(RULE)
    before = yield from _everything()
    expect = (*creation(task(2, created=now, external_id="mine")), Expect(RuleKey(0), 3))
    yield from refuse(*_one_of_each(now), expect=expect)
    after = yield from _everything()
    for old, new in zip(before, after, strict=True):
        require_equal("after a change that was refused", new, old)


@check
def failed_precondition_named() -> CheckSteps:
    """A commit returns the first of its preconditions that does not hold."""
    now = yield from read_now()
    record = yield from create(task(created=now, external_id="mine"))
    holds = Expect(TaskKey(record.id), 0)
    for failed in (
        Expect(AccountKey(ACCOUNT), 0),
        Expect(RuleKey(0), 1),
        Expect(ExternalKey(ACCOUNT, "mine"), None),
    ):
        expect = (holds, failed, Expect(AccountKey(ACCOUNT), 7), holds)
        yield from refuse(call(now, "/"), expect=expect, failed=failed)


@check
def versions_compared() -> CheckSteps:
    """A precondition holds for exactly one version of its key, not for an older or newer one or None."""
    now = yield from read_now()
    record = yield from create(full_task(now))
    yield from write(RULE, RuleUse(0), RuleUse(0))
    yield from poll(record)
    yield from write(AttemptRecord(record.id, 1, 1, now, None, "refused"))
    snapshot: Snapshot = yield Read((SCRIPTS, CLOCK))
    versions: tuple[tuple[Key[Any], int], ...] = (
        (TaskKey(record.id), 1),
        (ExternalKey(ACCOUNT, "mine"), 1),
        (AccountKey(ACCOUNT), 1),
        (RuleKey(0), 2),
        (AttemptsKey(record.id, 1), 1),
        (AttemptsKey(record.id, 0), 0),
        (SCRIPTS, snapshot[SCRIPTS].version),
        (CLOCK, snapshot[CLOCK].version),
    )
    for key, version in versions:
        for wrong in (version - 1, version + 1, None):
            yield from refuse(call(now, "/"), expect=(Expect(key, wrong),))
        yield from write(call(now, "/"), expect=(Expect(key, version),))


@check
def stale_decision_refused() -> CheckSteps:
    """Of two changes that expect the same version of a key, the second is refused."""
    now = yield from read_now()
    record = yield from create(task(created=now))
    expect = (Expect(TaskKey(record.id), 0),)
    yield from write(PollRecord(record.id, now), expect=expect)
    yield from refuse(PlanRecord(record.id, timed(now, 1)), expect=expect)
    yield from refuse(PollRecord(record.id, now), expect=expect)
    state = yield from kept(record)
    require_equal("polls", state.polls, 1)


# -- concurrency


@check
def parallel_polls_counted() -> CheckSteps:
    """Concurrent polls are all counted, and no two of them were committed for the same version."""
    now = yield from read_now()
    record = yield from create(task(created=now))
    lists: list[list[int]] = yield Parallel(
        tuple(repeat(ROUNDS, lambda: poll(record)) for _ in range(WORKERS))
    )
    state = yield from kept(record)
    versions = sorted(version for versions in lists for version in versions)
    require_equal("the versions of polls", versions, list(range(WORKERS * ROUNDS)))
    require_equal("polls", state.polls, WORKERS * ROUNDS)
    require_equal("version", state.version, WORKERS * ROUNDS)


@check
def parallel_creates_numbered() -> CheckSteps:
    """Of several concurrent creates with the same number of an account, exactly one is written."""
    now = yield from read_now()
    for number in range(1, ROUNDS + 1):
        rivals = [task(number, created=now) for _ in range(WORKERS)]
        results: list[Expect | None] = yield Parallel(
            tuple(attempt(creation(each), NewTask(each, HELD)) for each in rivals)
        )
        require_equal(f"the creates of number {number} that were written", results.count(None), 1)
    account = yield from read(AccountKey(ACCOUNT))
    require_equal("creates", account.created, ROUNDS)


@check
def parallel_snapshots_consistent() -> CheckSteps:
    """A read returns the values of one instant: it never sees part of a change."""
    now = yield from read_now()
    first = yield from create(task(1, created=now))
    second = yield from create(task(2, created=now))

    def poll_both() -> Steps[None]:
        yield from write(PollRecord(first.id, None), RuleUse(0), PollRecord(second.id, None))

    def look() -> Steps[None]:
        snapshot: Snapshot = yield Read((TaskKey(first.id), RuleKey(0), TaskKey(second.id)))
        seen = snapshot[TaskKey(first.id)], snapshot[TaskKey(second.id)]
        counts = {snapshot[RuleKey(0)], *(state.polls for state in seen if state is not None)}
        require(len(counts) == 1, f"counters that each change increments together: got {sorted(counts)}")

    writers = [repeat(ROUNDS, poll_both) for _ in range(WORKERS // 2)]
    readers = [repeat(ROUNDS, look) for _ in range(WORKERS // 2)]
    yield Parallel((*writers, *readers))
