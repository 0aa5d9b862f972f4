"""Converts the models of the control API to the records on which assertions and reports are made."""

from __future__ import annotations

from typing import Any, cast

from kling_contracts.vocabulary import TaskStatus
from kling_mock.control_api import call_models, models, task_models
from kling_mock.faults import ENDED, Fault, FaultUse
from kling_mock.plan import NEVER, Plan
from kling_mock.records import AttemptRecord, CallRecord, TaskRecord, TaskState
from kling_mock.task_request import PictureRecord, TaskRequest


def task_request(request: task_models.CreateRequest) -> TaskRequest:
    pictures = [PictureRecord(each.field, each.url, each.size, each.sha256) for each in request.pictures]
    values = request.values
    return TaskRequest(tuple(values), tuple(values.values()), tuple(pictures), request.watermark)


def task_record(task: task_models.Task) -> TaskRecord:
    return TaskRecord(
        task.id,
        task.account,
        task.number,
        task.operation,
        task_request(task.request),
        task.created,
        origin="",
        units=task.units,
    )


def task_state(task: task_models.Task) -> tuple[TaskState, float]:
    """The state of a task, and the instant of its last change, for which the state is known."""
    instants = {TaskStatus(change.status): change.at for change in task.history}
    ahead = NEVER if task.next_change is None else task.next_change
    starts = instants.get(TaskStatus.PROCESSING, NEVER)
    ends = next((at for status, at in instants.items() if status in ENDED), NEVER)
    if ends == NEVER and starts == NEVER:
        starts = ahead
    elif ends == NEVER:
        ends = ahead
    faults = tuple([_fault(each) for each in task.faults])
    uses = tuple([FaultUse(each.shown, each.shown) for each in task.faults])
    plan = Plan(starts, ends, counted=False, failure=task.failure, faults=faults)
    state = TaskState(task_record(task), plan, polls=task.polls, fault_uses=uses)
    return state, task.history[-1].at


def _fault(fault: task_models.TaskFault) -> Fault:
    value = fault.value
    if isinstance(value, list):
        value = tuple(cast("Any", value))
    return Fault(fault.kind, value, fault.after, fault.polls, fault.seconds, fault.script)


def call_record(call: call_models.Call) -> CallRecord:
    return CallRecord(
        call.at,
        call.account,
        call.method,
        call.path,
        call.headers,
        None if call.request is None else task_request(call.request),
        call.status,
        call.task_id,
        call.shown,
        call.rule,
        call.script,
        call.notes,
        message=call.message,
        actual=None if call.actual is None else TaskStatus(call.actual),
        faults=call.faults,
        id=call.id,
    )


def attempt_record(attempt: models.AttemptInfo, task_id: str, position: int) -> AttemptRecord:
    return AttemptRecord(
        task_id,
        position,
        attempt.number,
        attempt.at,
        attempt.status,
        attempt.error,
        attempt.kind,
        attempt.duration,
        attempt.retry_at,
    )
