"""Converts the objects of a fake to the models of the control API."""

from __future__ import annotations

from kling_contracts.vocabulary import TaskStatus
from kling_mock.control_api import models
from kling_mock.faults import uses_of
from kling_mock.images.urls import result_url
from kling_mock.plan import NEVER
from kling_mock.records import AttemptRecord, CallRecord, TaskState
from kling_mock.task_request import TaskRequest
from kling_mock.testing.next_event import NextEvent


def show_request(request: TaskRequest) -> models.CreateRequest:
    pictures = tuple(
        [models.Picture(each.field, each.sha256, each.url, each.size) for each in request.pictures]
    )
    return models.CreateRequest(dict(request.values), pictures, request.watermark)


def show_task(task: TaskState, now: float, seed: int) -> models.Task:
    record, state = task.record, task.at(now)
    succeeded = state.status is TaskStatus.SUCCEED
    count = range(record.request.n) if succeeded else ()
    ahead = [instant for instant in task.plan.instants(task.times) if now < instant < NEVER]
    return models.Task(
        id=record.id,
        account=record.account,
        number=record.number,
        operation=record.operation,
        status=str(state.status),
        failure=task.plan.failure if state.status is TaskStatus.FAILED else None,
        polls=task.polls,
        created=record.created,
        units=record.units,
        request=show_request(record.request),
        history=tuple([models.StatusChange(str(change.status), change.at) for change in task.history(now)]),
        faults=_show_faults(task),
        images=tuple([result_url(record, index, seed) for index in count]),
        next_change=min(ahead, default=None),
    )


def _show_faults(task: TaskState) -> tuple[models.TaskFault, ...]:
    faults = task.plan.faults
    return tuple(
        [
            models.TaskFault(
                each.kind, each.value, each.after, each.polls, each.seconds, each.script, use.shown
            )
            for each, use in zip(faults, uses_of(faults, task.fault_uses), strict=True)
        ]
    )


def show_call(call: CallRecord) -> models.Call:
    return models.Call(
        id=call.id,
        at=call.at,
        account=call.account,
        method=call.method,
        path=call.path,
        headers=call.headers,
        request=None if call.request is None else show_request(call.request),
        status=call.status,
        task_id=call.task_id,
        shown=None if call.shown is None else str(call.shown),
        actual=None if call.actual is None else str(call.actual),
        rule=call.rule,
        message=call.message,
        script=call.script,
        notes=call.notes,
        faults=call.faults,
    )


def show_attempt(attempt: AttemptRecord) -> models.AttemptInfo:
    made = attempt.number, attempt.at, attempt.status, attempt.error
    return models.AttemptInfo(*made, attempt.kind, attempt.duration, attempt.retry_at)


def show_event(event: NextEvent | None) -> models.Event | None:
    return None if event is None else models.Event(event.kind, event.at, event.task_id, event.account)
