"""Task objects of the wire, from task records."""

from __future__ import annotations

from typing import Final

from kling_contracts.messages import result_object, task_object
from kling_contracts.vocabulary import TaskStatus
from kling_mock.images.urls import result_url
from kling_mock.plan import Plan, Transition
from kling_mock.records import TaskRecord
from kling_mock.rng import draw_bits

# Seconds of a video or an audio whose request has no duration.
DURATION: Final = 5


def milliseconds(instant: float) -> int:
    return int(instant * 1000)


def task_message(
    record: TaskRecord, plan: Plan, state: Transition, seed: int, *, with_result: bool = True
) -> dict[str, object]:
    """The task object for a status of the task, equal in replies to queries and in callbacks.

    `with_result=False` omits the result, as in the reply to a create.
    """
    status, at = state
    results: list[dict[str, object]] = []
    units: str | None = None
    if status is TaskStatus.SUCCEED:
        results = [_result(record, index, seed) for index in range(record.request.n)]
        units = str(record.units)
    return task_object(
        record.id,
        status,
        milliseconds(record.created),
        milliseconds(at),
        failure=plan.failure if status is TaskStatus.FAILED else None,
        external_id=record.request.external_task_id,
        results=results,
        kind=record.result,
        units=units,
        watermark={"enabled": True} if record.request.watermark else None,
        with_result=with_result,
    )


def _result(record: TaskRecord, index: int, seed: int) -> dict[str, object]:
    url = result_url(record, index, seed)
    if record.result.drawn:
        marked = result_url(record, index, seed, watermark=True) if record.request.watermark else None
        return result_object(record.result, index, url, watermark_url=marked)
    media_id = str(draw_bits(seed, record.account, record.number, "media", index))
    duration = record.request.get("duration")
    return result_object(record.result, index, url, media_id=media_id, duration=str(duration or DURATION))
