"""A task record as the message the wire shows at one of its changes."""

from __future__ import annotations

from contracts.messages import result_object, task_object
from contracts.vocabulary import ResultKind, TaskStatus
from kling_mock.pictures import result_url
from kling_mock.plan import Plan, Transition
from kling_mock.records import TaskRecord


def milliseconds(instant: float) -> int:
    return int(instant * 1000)


def task_message(
    record: TaskRecord, plan: Plan, state: Transition, seed: int, *, with_result: bool = True
) -> dict[str, object]:
    """What a query tells while the task is in `state`; a callback about that change tells the same.

    The reply to a create leaves the result out.
    """
    status, at = state
    images: list[dict[str, object]] = []
    units: str | None = None
    if status is TaskStatus.SUCCEED:
        images = [
            result_object(ResultKind.IMAGES, index, result_url(record, index, seed))
            for index in range(record.request.n)
        ]
        units = str(record.units)
    return task_object(
        record.id,
        status,
        milliseconds(record.created),
        milliseconds(at),
        failure=plan.failure if status is TaskStatus.FAILED else None,
        external_id=record.request.external_task_id,
        results=images,
        units=units,
        with_result=with_result,
    )
