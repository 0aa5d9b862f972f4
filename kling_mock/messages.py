"""A task record as the message the wire shows at one of its changes."""

from __future__ import annotations

from contracts.messages import ResultImage, TaskMessage
from contracts.vocabulary import TaskStatus
from kling_mock.pictures import result_url
from kling_mock.plan import Plan, Transition
from kling_mock.records import TaskRecord


def milliseconds(instant: float) -> int:
    return int(instant * 1000)


def task_message(record: TaskRecord, plan: Plan, state: Transition, seed: int) -> TaskMessage:
    """What a query tells while the task is in `state`; a callback about that change tells the same."""
    status, at = state
    succeed = status is TaskStatus.SUCCEED
    return TaskMessage(
        task_id=record.id,
        task_status=status,
        task_status_msg=plan.failure if status is TaskStatus.FAILED else None,
        external_task_id=record.request.external_task_id,
        created_at=milliseconds(record.created),
        updated_at=milliseconds(at),
        images=tuple(
            ResultImage(index=index, url=result_url(record, index, seed))
            for index in range(record.request.n if succeed else 0)
        ),
        final_unit_deduction=str(record.units) if succeed else None,
    )
