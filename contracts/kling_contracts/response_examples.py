"""Examples of what the service answers and posts: every state of a task of any operation."""

from __future__ import annotations

from typing import Final, assert_never

from kling_contracts.messages import TaskMessage, result_object, success_object, task_object
from kling_contracts.operations import MULTI_IMAGE, Operation
from kling_contracts.request_schemas import Document
from kling_contracts.rules import Effect
from kling_contracts.vocabulary import (
    KLING_IDS,
    PIXELS_INVALID,
    RISK_CONTROL,
    SUCCESS_CODE,
    SUCCESS_MESSAGE,
    ResultKind,
    TaskStatus,
)

REQUEST_ID: Final = "9ab376fc-9059-487f-9e2a-c9c89f1a344f"
TASK_ID: Final = "878106242831892487"
CREATED_AT: Final = 1777385361501


def created_examples(operation: Operation) -> Document:
    """The create answers: the task is submitted, or has ended."""
    if operation.synchronous:
        ended = (TaskStatus.SUCCEED, TaskStatus.FAILED)
        return {
            status.value: {"value": _answer(operation, task_example(status, operation))} for status in ended
        }
    task = task_example(TaskStatus.SUBMITTED, operation, with_result=False)
    return {"submitted": {"value": _answer(operation, task)}}


def state_examples(operation: Operation) -> Document:
    """A query answer in each state of a task."""
    return {
        status.value: {
            "summary": f"The task is {status.value}",
            "value": _answer(operation, task_example(status, operation)),
        }
        for status in TaskStatus
    }


def list_examples(operation: Operation) -> Document:
    """Two tasks, and the page behind the last one."""
    statuses = (TaskStatus.PROCESSING, TaskStatus.SUCCEED)
    tasks = [task_example(status, operation) for status in statuses]
    return {
        "page": {"value": _answer(operation, tasks)},
        "empty": {"summary": "There are no more tasks", "value": _answer(operation, [])},
    }


def _answer(operation: Operation, data: object) -> Document:
    return success_object(data, REQUEST_ID, operation.success_word.value)


def costs_examples() -> Document:
    """An account with a resource pack, and one that pays as it goes."""
    pack: Document = {
        "resource_pack_name": "pack",
        "resource_pack_id": "1",
        "resource_pack_type": "decreasing_total",
        "total_quantity": 1600,
        "remaining_quantity": 1568,
        "status": "online",
    }
    return {name: {"value": _costs_example(packs)} for name, packs in (("pack", [pack]), ("none", []))}


def _costs_example(packs: list[Document]) -> Document:
    data = {"code": SUCCESS_CODE, "msg": SUCCESS_MESSAGE.value, "resource_pack_subscribe_infos": packs}
    return success_object(data, REQUEST_ID)


def callback_examples(operation: Operation) -> Document:
    """A callback body, the bare task, in each state of a task."""
    return {
        status.value: {"summary": f"The task is {status.value}", "value": task_example(status, operation)}
        for status in TaskStatus
    }


def task_in(status: TaskStatus) -> TaskMessage:
    """One task of the project's own operation as it is seen in that status."""
    return TaskMessage.from_wire(task_example(status, MULTI_IMAGE))


def task_example(status: TaskStatus, operation: Operation, *, with_result: bool = True) -> Document:
    """One task of an operation on the wire, in that status."""
    elapsed = {TaskStatus.SUBMITTED: 0, TaskStatus.PROCESSING: 1820, TaskStatus.FAILED: 1650}
    succeeded = status is TaskStatus.SUCCEED
    by_picture = any(rule.effect is Effect.FAILS for rule in operation.rules.values())
    failure = PIXELS_INVALID.value if by_picture else RISK_CONTROL.value
    return task_object(
        example_id(operation),
        status,
        CREATED_AT,
        CREATED_AT + elapsed.get(status, 12072),
        failure=failure if status is TaskStatus.FAILED else None,
        results=[_result_example(operation)] if succeeded else [],
        kind=operation.result,
        units=str(operation.units_per_image.value) if succeeded else None,
        with_result=with_result,
    )


def example_id(operation: Operation) -> str:
    """A task id in the style of the operation."""
    if operation.ids is KLING_IDS:
        return TASK_ID  # as captured
    return str((CREATED_AT - operation.ids.epoch_ms) << operation.ids.low_bits)


def _result_example(operation: Operation) -> Document:
    origin = "https://cdn.klingai.com/bs2/upload-kling-api/0923471513"
    name = f"{example_id(operation)}-0_raw_image_0"
    match operation.result:
        case ResultKind.IMAGES | ResultKind.SERIES_IMAGES as kind:
            return result_object(kind, 0, f"{origin}/image/{name}.png")
        case ResultKind.VIDEOS as kind:
            media = f"{origin}/video/{name}.mp4"
        case ResultKind.AUDIOS as kind:
            media = f"{origin}/audio/{name}.mp3"
        case _:
            assert_never(operation.result)
    return result_object(kind, 0, media, media_id="878106243012247634", duration="5.1")
