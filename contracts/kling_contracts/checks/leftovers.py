"""Leftovers of refused requests: the list has no task that one of them created."""

from __future__ import annotations

from typing import Final

from kling_contracts.checks.lists import MOST, list_whole
from kling_contracts.checks.refusing import refused
from kling_contracts.gateways import Gateway
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import ASSUMED

BEFORE: Final = "list before"
AFTER: Final = "list after"


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if not gateway.lists:
        return ()
    return (
        Check(
            id="refused.creates_nothing",
            sentence="a refused request creates no task",
            source=ASSUMED,
            judge=_judge_nothing,
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if not gateway.lists:
        return ()
    return (
        Step(
            name="lists: before the refusals",
            stage=Stage.READING,
            does="the list before anything is created",
            run=list_whole(BEFORE),
            requests=1,
            feeds=("refused.creates_nothing", "answers.*"),
        ),
        Step(
            name="lists: after the refusals",
            stage=Stage.CREATING,
            does="the list when all those were refused",
            run=list_whole(AFTER),
            requests=1,
            feeds=("refused.creates_nothing", "answers.*"),
        ),
    )


def _judge_nothing(evidence: Evidence, hearing: Hearing) -> None:
    before, after = next(evidence.of(BEFORE), None), next(evidence.of(AFTER), None)
    asked = refused(evidence)
    if before is None or after is None or not asked or len(after.listed) >= MOST:
        return
    known = {task.task_id for task in before.listed} | {trace.id for trace in evidence.traces()}
    new = [task.task_id for task in after.listed if task.task_id not in known]
    hearing.expect(
        not new,
        f"{len(new)} tasks were created by requests that were refused",
        expected="no new task",
        actual=", ".join(new[:3]) or "none",
        shown=(before, asked[0], after),
    )
