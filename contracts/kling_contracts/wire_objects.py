"""The JSON objects of the wire: result, task and envelope, as `messages` writes them.

The mock builds them for each reply by these functions, which are faster than a dataclass and its `to_wire`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kling_contracts.vocabulary import SUCCESS_CODE, SUCCESS_MESSAGE, ResultKind, TaskStatus

JSONObject = Mapping[str, object]

TASK_FIELDS: Final = (
    "task_id",
    "task_status",
    "task_status_msg",
    "task_info",
    "created_at",
    "updated_at",
    "task_result",
    "final_unit_deduction",
)


def result_object(  # noqa: PLR0913 -- a result has this many parts on the wire
    kind: ResultKind,
    index: int,
    url: str,
    *,
    media_id: str = "",
    duration: str = "",
    watermark_url: str | None = None,
) -> dict[str, object]:
    """One result of a task. A picture has an index; a video or audio has an id and a duration in seconds.

    `watermark_url` is the address of the picture with a watermark, if the request asked for one.
    """
    if kind.drawn:
        watermark = {} if watermark_url is None else {"watermark_url": watermark_url}
        return {"index": index, "url": url, **watermark}
    return {"id": media_id, "url": url, "duration": duration}


def task_object(  # noqa: PLR0913 -- a task has this many parts on the wire
    task_id: str,
    status: TaskStatus | str,
    created_at: int | None,
    updated_at: int | None,
    *,
    failure: str | None = None,
    external_id: str | None = None,
    results: Sequence[JSONObject] = (),
    kind: ResultKind = ResultKind.IMAGES,
    units: str | None = None,
    watermark: JSONObject | None = None,
    with_result: bool,
) -> dict[str, object]:
    """The JSON object of a task; see `TaskMessage`."""
    wire: dict[str, object] = {"task_id": task_id, "task_status": status}
    if failure is not None:
        wire["task_status_msg"] = failure
    wire["task_info"] = {} if external_id is None else {"external_task_id": external_id}
    wire["created_at"] = created_at
    wire["updated_at"] = updated_at
    if with_result and watermark is not None:
        wire["watermark_info"] = watermark
    if with_result:
        wire["task_result"] = {kind.key: results} if results else {}
    if units is not None:
        wire["final_unit_deduction"] = units
    return wire


def envelope_object(code: int, message: str, request_id: str | None, data: object) -> dict[str, object]:
    wire: dict[str, object] = {"code": code, "message": message, "request_id": request_id}
    if data is not None:
        wire["data"] = data
    return wire


def success_object(
    data: object, request_id: str | None, word: str = SUCCESS_MESSAGE.value
) -> dict[str, object]:
    """The envelope of a successful response; `word` is its `message`."""
    return envelope_object(SUCCESS_CODE, word, request_id, data)
