"""Task objects of the wire, and bodies of replies with one, from task records."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, cast

import msgspec

from kling_contracts.vocabulary import ResultKind, TaskStatus
from kling_contracts.wire_objects import result_object, success_object, task_object
from kling_mock.images.urls import result_url
from kling_mock.plan import FAILED, PROCESSING, SUBMITTED, Plan, Transition
from kling_mock.records import TaskRecord
from kling_mock.rng import draw_bits

# Seconds of a video or an audio whose request has no duration.
DURATION: Final = 5
_UNFINISHED: Final = (SUBMITTED, PROCESSING)
_encode: Final = msgspec.json.Encoder().encode


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


def task_body(  # noqa: PLR0913 -- `task_message`, with the id of the reply
    record: TaskRecord, plan: Plan, state: Transition, seed: int, request_id: str, *, with_result: bool = True
) -> bytes:
    """The body of a successful reply with the task object of `task_message`."""
    request, status = record.request, state.status
    if (
        status is FAILED
        or request.watermark
        or request.external_task_id is not None
        or not record.id.isdecimal()
        or not (with_result or status in _UNFINISHED)
    ):
        message = task_message(record, plan, state, seed, with_result=with_result)
        return _encode(success_object(message, request_id, record.word))
    body = _usual_body(status, record.word, record.result, with_result)
    values = (request_id, record.id, record.created * 1000, state.at * 1000)
    if status in _UNFINISHED:
        return (body % values).encode()
    results = _encode([_result(record, index, seed) for index in range(request.n)]).decode()
    return (body % (*values, results, record.units)).encode()


@lru_cache(maxsize=64)
def _usual_body(status: TaskStatus, word: str, kind: ResultKind, with_result: bool) -> str:  # noqa: FBT001 -- by position it is faster
    """The body of a reply with a task, as a format.

    Its values are the ids of request and task, the milliseconds of both instants and, if the task has
    succeeded, the JSON of the results and the units.
    """
    instant, succeeded = cast("int", msgspec.Raw(b"%d")), status is TaskStatus.SUCCEED
    data = task_object(
        "%s",
        status,
        instant,
        instant,
        results=cast("list[dict[str, object]]", msgspec.Raw(b"%s")) if succeeded else (),
        kind=kind,
        units="%d" if succeeded else None,
        with_result=with_result,
    )
    return _encode(success_object(data, "%s", word.replace("%", "%%"))).decode()


def _result(record: TaskRecord, index: int, seed: int) -> dict[str, object]:
    url = result_url(record, index, seed)
    if record.result.drawn:
        marked = result_url(record, index, seed, watermark=True) if record.request.watermark else None
        return result_object(record.result, index, url, watermark_url=marked)
    media_id = str(draw_bits(seed, record.account, record.number, "media", index))
    duration = record.request.get("duration")
    return result_object(record.result, index, url, media_id=media_id, duration=str(duration or DURATION))
