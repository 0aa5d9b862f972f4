"""Checks of single tasks: creation, queries, plans, callback attempts and external ids."""

from __future__ import annotations

from kling_contracts.vocabulary import TaskStatus
from kling_mock.faults import Fault, FaultUse
from kling_mock.plan import NEVER, Plan
from kling_mock.records import AttemptRecord, FaultRecord, NewTask, PlanRecord, PollRecord, TaskState
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
from kling_mock.stores.conformance.checks import ROUNDS, WORKERS, CheckSteps, OnSecond, Parallel, check
from kling_mock.stores.conformance.samples import (
    ACCOUNT,
    HELD,
    OPERATIONS,
    OTHER,
    advance,
    attempt,
    counted,
    create,
    creation,
    full_task,
    kept,
    poll,
    read,
    read_now,
    refuse,
    repeat,
    require_equal,
    task,
    timed,
    write,
)


@check
def task_unchanged() -> CheckSteps:
    """A task is read exactly as it was written, by every key and on both handles."""
    now = yield from read_now()
    record = full_task(now + 0.001)
    plan = Plan(now + 0.1, NEVER, counted=False, failure="\u732b no luck")
    yield from create(record, plan)
    expected = TaskState(record, plan)
    by_id, external = TaskKey(record.id), ExternalKey(ACCOUNT, "mine")
    page, account, every = PageKey(ACCOUNT, OPERATIONS, 0, 1), TasksKey(ACCOUNT), TasksKey()
    snapshot: Snapshot = yield Read((by_id, external, page, account, every))
    require_equal("TaskKey", snapshot[by_id], expected)
    require_equal("ExternalKey", snapshot[external], expected)
    for key in (page, account, every):
        require_equal(type(key).__name__, snapshot[key], (expected,))
    other: TaskState = yield OnSecond(kept(record))
    require_equal("TaskKey on the second handle", other, expected)


@check
def creation_guarded() -> CheckSteps:
    """A create is refused if its number, id or external id is already used."""
    now = yield from read_now()
    record = yield from create(task(created=now, external_id="mine"))
    for taken in creation(record):
        yield from refuse(NewTask(task(2, created=now), HELD), expect=(taken,))
    yield from create(task(2, created=now, external_id="other"))
    account = yield from read(AccountKey(ACCOUNT))
    require_equal("creates", account.created, 2)


@check
def external_ids_per_account() -> CheckSteps:
    """An external id belongs to one account and is compared exactly."""
    now = yield from read_now()
    one = yield from create(task(created=now, external_id="mine"))
    for free in ("Mine", "mine ", "min\u0435", "*", "min?", ""):
        require_equal(f"the external id {free!r}", (yield from read(ExternalKey(ACCOUNT, free))), None)
    require_equal("that of the other account", (yield from read(ExternalKey(OTHER, "mine"))), None)
    two = yield from create(task(created=now, account=OTHER, external_id="mine"))
    for record in (one, two):
        state = yield from read(ExternalKey(record.account, "mine"))
        require_equal("the task of the external id", state, TaskState(record, HELD))


@check
def external_id_taken_once() -> CheckSteps:
    """Of several concurrent creates with the same external id, exactly one is written."""
    now = yield from read_now()
    for at in range(ROUNDS):
        free = Expect(ExternalKey(ACCOUNT, f"mine {at}"), None)
        rivals = [
            task(at * WORKERS + each, created=now, external_id=f"mine {at}") for each in range(1, WORKERS + 1)
        ]
        results: list[Expect | None] = yield Parallel(
            tuple(attempt((free,), NewTask(each, HELD)) for each in rivals)
        )
        require_equal("the creates with one external id that were written", results.count(None), 1)


@check
def polls_counted() -> CheckSteps:
    """Polls are counted, those that a script answered apart; a poll's instant is kept if it has one."""
    now = yield from read_now()
    record = yield from create(task(created=now), counted(3))
    yield from write(PollRecord(record.id, now))
    yield from write(PollRecord(record.id, now + 0.5), PollRecord(record.id, None))
    expected = TaskState(record, counted(3), 3, 3, (now, now + 0.5))
    require_equal("the task", (yield from kept(record)), expected)
    yield from write(PollRecord(record.id, None, answered=False))
    expected = TaskState(record, counted(3), 4, 3, (now, now + 0.5), unanswered=1)
    require_equal("the task", (yield from kept(record)), expected)


@check
def plan_replaced() -> CheckSteps:
    """A new plan increments the version and does not change polls and attempts."""
    now = yield from read_now()
    record = yield from create(task(created=now), counted(3))
    attempted = AttemptRecord(record.id, 0, 1, now, None, "refused")
    yield from write(PollRecord(record.id, now), attempted)
    plan = timed(now, 0.25, "stopped")
    yield from write(PlanRecord(record.id, plan), expect=(Expect(TaskKey(record.id), 1),))
    require_equal("the task", (yield from kept(record)), TaskState(record, plan, 2, 1, (now,), (attempted,)))


@check
def attempts_kept_in_order() -> CheckSteps:
    """Attempts are kept in order and counted for each change; they do not change the version of the task."""
    now = yield from read_now()
    record = yield from create(task(created=now))
    made: list[AttemptRecord] = []
    for position, number, status, error in ((1, 1, 500, "500"), (0, 1, None, "refused"), (1, 2, 204, None)):
        key = AttemptsKey(record.id, position)
        made.append(AttemptRecord(record.id, position, number, now + len(made), status, error))
        yield from write(made[-1], expect=(Expect(key, number - 1),))
        yield from refuse(made[-1], expect=(Expect(key, number - 1),))
        require_equal(f"the attempts of change {position}", (yield from read(key)), number)
    require_equal("the task", (yield from kept(record)), TaskState(record, HELD, 0, 0, (), tuple(made)))


@check
def tasks_independent() -> CheckSteps:
    """Writing to one task does not change the others."""
    now = yield from read_now()
    one = yield from create(task(1, created=now), counted(2))
    two = yield from create(task(2, created=now), counted(2))
    three = yield from create(task(1, created=now, account=OTHER), counted(2))
    yield from write(PollRecord(one.id, now), AttemptRecord(one.id, 0, 1, now, 200, None))
    yield from write(PlanRecord(one.id, timed(now, 1)))
    for record in (two, three):
        require_equal("another task", (yield from kept(record)), TaskState(record, counted(2)))


@check
def many_writes_kept() -> CheckSteps:
    """A task keeps all polls and attempts, even if there are many."""
    now = yield from read_now()
    record = yield from create(task(created=now), counted(1_000))

    def step() -> Steps[None]:
        at = yield from read_now()
        state = yield from kept(record)
        yield from write(
            PollRecord(record.id, at), AttemptRecord(record.id, 0, state.polls + 1, at, 500, "500")
        )
        yield from advance(0.001)

    yield from repeat(100, step)
    state = yield from kept(record)
    require_equal("polls", state.polls, 100)
    require_equal("instants that differ", len(set(state.times)), 100)
    require_equal("instants", list(state.times), sorted(state.times))
    require_equal("the attempts", [each.number for each in state.attempts], list(range(1, 101)))


@check
def fault_uses_kept() -> CheckSteps:
    """The faults of a plan and their uses are kept; writing uses is a change of the task."""
    now = yield from read_now()
    faults = (
        Fault("sticks", TaskStatus.PROCESSING, polls=2),
        Fault("nulls_fields", ("task_info",), script=3),
    )
    record = yield from create(task(created=now), Plan(1, 2, counted=True, failure=None, faults=faults))
    uses = (FaultUse(2, 1), FaultUse(5, 5))
    yield from write(FaultRecord(record.id, uses), expect=(Expect(TaskKey(record.id), 0),))
    yield from refuse(FaultRecord(record.id, ()), expect=(Expect(TaskKey(record.id), 0),))
    yield from poll(record)
    state = yield from kept(record)
    require_equal("the faults", state.plan.faults, faults)
    require_equal("the uses of the faults", state.fault_uses, uses)
