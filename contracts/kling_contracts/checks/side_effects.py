"""Refused creates have no side effect: they create no task and cause no callback."""

from __future__ import annotations

from kling_contracts.checks.histories import tasks_with_callbacks
from kling_contracts.checks.pagination import PAGE_SIZE, list_whole
from kling_contracts.checks.refusals import refused
from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import read_task
from kling_contracts.verify.lost_requests import lost_creates
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.parts import calls_back
from kling_contracts.verify.probes import Label, ProbeKind
from kling_contracts.vocabulary import SAFETY


def list_checks(gateway: Gateway) -> tuple[Check, ...]:
    if not gateway.lists:
        return ()
    return (
        Check(
            id="invalid_requests.no_task",
            sentence="a refused request creates no task",
            source=SAFETY,
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
            description="the list before anything is created",
            run=list_whole(ProbeKind.LIST_BEFORE),
            requests=1,
            checks=("invalid_requests.no_task", "lists.one_task", "responses.*"),
        ),
        Step(
            name="lists: after the refusals",
            stage=Stage.CREATING,
            description="the list after the invalid requests were refused",
            run=list_whole(ProbeKind.LIST_AFTER),
            requests=1,
            checks=("invalid_requests.no_task", "lists.one_task", "responses.*"),
        ),
    )


def _judge_nothing(evidence: Evidence, context: CheckContext) -> None:
    before, after = (
        next(evidence.of(ProbeKind.LIST_BEFORE), None),
        next(evidence.of(ProbeKind.LIST_AFTER), None),
    )
    asked = refused(evidence)
    if before is None or after is None or not asked or len(after.listed) >= PAGE_SIZE:
        return
    if not (before.is_list and after.is_list):
        return
    known = {task.task_id for task in before.listed} | {history.id for history in evidence.histories()}
    new = [task.task_id for task in after.listed if task.task_id not in known]
    unknown = [each for each in lost_creates(evidence) if each.number < after.number]
    context.expect(
        len(new) <= len(unknown),
        f"{len(new)} tasks were created by requests that were refused",
        expected="no new task",
        actual=", ".join(new[:3]) or "none",
        shown=(before, asked[0], after),
    )


def callback_checks(gateway: Gateway) -> tuple[Check, ...]:
    if not calls_back(gateway.main):
        return ()
    return (
        Check(
            id="invalid_requests.no_callback",
            sentence="a refused request causes no callback",
            source=SAFETY,
            judge=_judge_callbacks,
        ),
    )


def _judge_callbacks(evidence: Evidence, context: CheckContext) -> None:
    asked = [each for each in refused(evidence) if "callback_url" in each.asked_object]
    if not asked or not tasks_with_callbacks(evidence) or not evidence.deliveries:
        return
    # A valid request reuses the external id of a refused one, but has another callback URL.
    strays = [
        each
        for each in evidence.deliveries
        if each.token == Label.REFUSED and not _accepted_elsewhere(evidence, read_task(each.json))
    ]
    context.expect(
        not strays,
        "a refused request caused a callback",
        expected="none",
        actual=strays[0].shown if strays else "none",
        shown=(asked[0], *strays[:1]),
    )


def _accepted_elsewhere(evidence: Evidence, task: TaskMessage | None) -> bool:
    return task is not None and any(
        each.accepted and each.task is not None and each.task.task_id == task.task_id
        for each in evidence.of(ProbeKind.REFUSE)
    )
