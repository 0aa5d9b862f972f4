"""Converts the objects of a fake to the models of the control API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from kling_contracts.gateways import Gateway, every_operation
from kling_contracts.vocabulary import TaskStatus
from kling_mock.callbacks.schedule import next_delivery
from kling_mock.control_api import call_models, models, task_models
from kling_mock.fake import Fake
from kling_mock.faults import uses_of
from kling_mock.images.urls import result_url
from kling_mock.plan import NEVER
from kling_mock.records import AttemptRecord, CallRecord, TaskState
from kling_mock.task_request import TaskRequest
from kling_mock.testing.next_event import NextEvent

# The numbers of the latest queries and attempts that a task is shown with.
POLLS_SHOWN: Final = 50
ATTEMPTS_SHOWN: Final = 20


def show_request(request: TaskRequest) -> task_models.CreateRequest:
    pictures = tuple(
        [
            task_models.Picture(each.field, each.sha256, each.url, each.size, each.thumbnail is not None)
            for each in request.pictures
        ]
    )
    return task_models.CreateRequest(dict(request.values), pictures, request.watermark)


def show_task(fake: Fake, task: TaskState, now: float) -> task_models.Task:
    record, state, seed = task.record, task.at(now), fake.settings.seed
    succeeded = state.status is TaskStatus.SUCCEED
    count = range(record.request.n) if succeeded else ()
    ahead = [instant for instant in task.plan.instants(task.times) if now < instant < NEVER]
    return task_models.Task(
        id=record.id,
        account=record.account,
        number=record.number,
        operation=record.operation,
        title=_titles(fake.gateways).get(record.operation, record.operation),
        external_task_id=record.request.external_task_id,
        status=str(state.status),
        failure=task.plan.failure if state.status is TaskStatus.FAILED else None,
        polls=task.polls,
        poll_times=task.times[-POLLS_SHOWN:],
        created=record.created,
        units=record.units,
        request=show_request(record.request),
        history=tuple(
            [task_models.StatusChange(str(change.status), change.at) for change in task.history(now)]
        ),
        faults=_show_faults(task),
        images=tuple([result_url(record, index, seed) for index in count]),
        planned=() if state.status.terminal else tuple(_planned(task, now)),
        next_change=min(ahead, default=None),
        callbacks=_show_callbacks(fake, task),
    )


@lru_cache(maxsize=16)
def _titles(gateways: tuple[Gateway, ...]) -> Mapping[str, str]:
    return {each.name: each.title for each in every_operation(gateways)}


def _planned(task: TaskState, now: float) -> Iterator[task_models.PlannedChange]:
    """The changes of an unfinished task that are known in advance."""
    plan, polls = task.plan, task.times
    changes = [(plan.terminal, plan.ends)]
    if plan.starts <= plan.ends:  # a failing task may end without being processed
        changes.insert(0, (TaskStatus.PROCESSING, plan.starts))
    for status, place in changes:
        failure = plan.failure if status is TaskStatus.FAILED else None
        left = int(place) - len(polls) if plan.counted and place < NEVER else 0
        if left > 0:
            yield task_models.PlannedChange(str(status), None, left, failure)
        elif not plan.counted and now < place < NEVER:
            yield task_models.PlannedChange(str(status), place, None, failure)


def _show_callbacks(fake: Fake, task: TaskState) -> task_models.TaskCallbacks | None:
    record = task.record
    url = record.request.callback_url
    if not url:
        return None
    statuses = [str(change.status) for change in task.history(NEVER)]
    attempts = [
        task_models.TaskAttempt(
            models.callback_id(record.id, each.position), statuses[each.position], show_attempt(each)
        )
        for each in task.attempts[-ATTEMPTS_SHOWN:]
    ]
    coming = next_delivery(task, fake.settings)
    following = None
    if coming is not None:
        name = models.callback_id(record.id, coming.position)
        following = task_models.NextDelivery(name, str(coming.change.status), coming.due, coming.kind)
    refused = fake.callbacks.refusal(url)
    return task_models.TaskCallbacks(url, tuple(attempts), len(task.attempts), following, refused)


def _show_faults(task: TaskState) -> tuple[task_models.TaskFault, ...]:
    faults = task.plan.faults
    return tuple(
        [
            task_models.TaskFault(
                each.kind, each.value, each.after, each.polls, each.seconds, each.script, use.shown
            )
            for each, use in zip(faults, uses_of(faults, task.fault_uses), strict=True)
        ]
    )


def show_call(call: CallRecord) -> call_models.Call:
    return call_models.Call(
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
