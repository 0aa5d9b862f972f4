"""Changes of the state without a request, as steps: ending a task, writing a rule, recording a delivery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from kling_contracts.explained_error import ExplainedError
from kling_mock.faults import Fault
from kling_mock.outcomes import Misbehaves, combined
from kling_mock.plan import Plan
from kling_mock.records import AttemptRecord, PlanRecord, Record, RuleRecord, RuleUse, TaskState
from kling_mock.stores import (
    SCRIPTS,
    AttemptsKey,
    Change,
    Commit,
    Expect,
    Read,
    RuleKey,
    Snapshot,
    Steps,
    TaskKey,
    Ticket,
)

SCRIPT_NUMBERS = Ticket("scripts")


class TaskAlreadyEnded(ExplainedError, AssertionError):
    """A task cannot be ended because it has already ended; terminal states never change."""


def dropped(task_id: str) -> LookupError:
    """The error for a task whose retention is over."""
    return LookupError(f"task {task_id} is no longer kept: its retention is over")


def read_task(task_id: str) -> Steps[tuple[TaskState, float]]:
    """A task and the present (Unix seconds). Raises LookupError after the retention of the task."""
    key = TaskKey(task_id)
    snapshot: Snapshot = yield Read((key,))
    task = snapshot[key]
    if task is None:
        raise dropped(task_id)
    return task, snapshot.now


def finish_task(task_id: str, failure: Callable[[str | None], str | None]) -> Steps[None]:
    """End a task now. `failure` maps the planned `task_status_msg` (None: success) to the actual one.

    Raises TaskAlreadyEnded, or LookupError after the retention of the task.
    """

    def finished(task: TaskState, now: float) -> Plan:
        return task.plan.finished(task.times, now, failure(task.plan.failure))

    hint = "a task with the pace 'held' or the script .holds() does not end by itself"
    yield from _replace_plan(task_id, finished, hint)


def add_fault(task_id: str, fault: Fault) -> Steps[int]:
    """Give an unfinished task a fault; returns its position in the plan.

    Raises TaskAlreadyEnded, ValueError for a fault that contradicts another one, or LookupError after the
    retention of the task.
    """

    def with_fault(task: TaskState, _now: float) -> Plan:
        faults = task.plan.faults
        combined(tuple(map(Misbehaves, faults)), Misbehaves(fault))
        return replace(task.plan, faults=(*faults, fault))

    hint = "write a fault before the end, or for the create with next or when"
    plan = yield from _replace_plan(task_id, with_fault, hint)
    return len(plan.faults) - 1


def _replace_plan(task_id: str, change: Callable[[TaskState, float], Plan], hint: str) -> Steps[Plan]:
    """Replace the plan of an unfinished task, by `change` of the task and the present; returns the new one.

    `hint` is the end of the message if the task has ended.
    """
    while True:
        task, now = yield from read_task(task_id)
        state = task.at(now)
        if state.status.terminal:
            raise TaskAlreadyEnded(
                f"task {task_id} has already ended: {state.status}, {now - state.at:.3f} s ago; {hint}"
            )
        plan = change(task, now)
        expect = (Expect(TaskKey(task_id), task.version),)
        failed: Expect | None = yield Commit(Change(expect, (PlanRecord(task_id, plan),)))
        if failed is None:
            return plan


def write_rule(rule: RuleRecord) -> Steps[RuleRecord]:
    """Write a scripted rule and return it; a new one (`id` -1) gets the next number.

    A rule that lasts a number of seconds ends that time after it was first written.
    """
    if rule.id < 0:
        snapshot: Snapshot = yield Read((SCRIPT_NUMBERS,))
        rule = replace(rule, id=snapshot[SCRIPT_NUMBERS])
    if rule.lasting is not None:
        present: Snapshot = yield Read(())
        rule = _begun(rule, present.now)
    yield Commit(Change((), (rule,)))
    return rule


def _begun(rule: RuleRecord, now: float) -> RuleRecord:
    """A rule with the instant at which it ends, if it lasts a number of seconds and has none."""
    if rule.lasting is None or rule.until is not None:
        return rule
    return replace(rule, until=now + rule.lasting)


class NewRule(NamedTuple):
    """A rule to write under a new number; with the uses of the rule whose number is `replaces`, if any."""

    rule: RuleRecord
    replaces: int | None = None


def change_rules(drop: Sequence[int], add: Sequence[NewRule]) -> Steps[list[RuleRecord]]:
    """Drop rules and add others, in one change; returns the added ones with their numbers.

    Rules that are replaced are dropped too. Raises LookupError for an unknown number.
    """
    numbers: list[int] = []
    for _ in add:
        snapshot: Snapshot = yield Read((SCRIPT_NUMBERS,))
        numbers.append(snapshot[SCRIPT_NUMBERS])
    while True:
        present: Snapshot = yield Read((SCRIPTS,))
        scripts = present[SCRIPTS]
        rules = {rule.id: rule for rule in scripts.rules}
        gone = [*drop, *[each.replaces for each in add if each.replaces is not None]]
        for number in gone:
            if number not in rules:
                raise LookupError(f"script {number}: does not exist")
        used = {number: scripts.used.get(number, 0) for number in gone}
        added = [
            _begun(replace(each.rule, id=number), present.now)
            for number, each in zip(numbers, add, strict=True)
        ]
        records: list[Record] = [replace(rules[number], dropped=True) for number in gone]
        for rule, each in zip(added, add, strict=True):
            count = 0 if each.replaces is None else used[each.replaces]
            records += (rule, RuleUse(rule.id, count)) if count else (rule,)
        expect = tuple([Expect(RuleKey(number), used[number]) for number in gone])
        failed: Expect | None = yield Commit(Change(expect, tuple(records)))
        if failed is None:
            return added


def record_attempt(attempt: AttemptRecord) -> Steps[AttemptRecord | None]:
    """Record a delivery attempt, with the next number if another has its number; None if the task expired."""
    key, task_key = AttemptsKey(attempt.task_id, attempt.position), TaskKey(attempt.task_id)
    while True:
        failed: Expect | None = yield Commit(Change((Expect(key, attempt.number - 1),), (attempt,)))
        if failed is None:
            return attempt
        snapshot: Snapshot = yield Read((task_key,))
        task = snapshot[task_key]
        if task is None:
            return None
        attempt = replace(attempt, number=len(task.attempts_at(attempt.position)) + 1)
