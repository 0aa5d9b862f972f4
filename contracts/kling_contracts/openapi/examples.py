"""Examples in the OpenAPI document: bodies of requests, responses and callbacks."""

from __future__ import annotations

import math
from typing import Final, assert_never

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.image_files import encoded, jpeg
from kling_contracts.messages import TaskMessage
from kling_contracts.openapi.requests import Document
from kling_contracts.operations import MULTI_IMAGE, Operation
from kling_contracts.rules import Effect, ValidationResult
from kling_contracts.vocabulary import (
    INPUT_SIDE_MINIMUM,
    KLING_IDS,
    PIXELS_INVALID,
    RISK_CONTROL,
    SUCCESS_CODE,
    SUCCESS_MESSAGE,
    ResultKind,
    TaskStatus,
)
from kling_contracts.wire_objects import result_object, success_object, task_object

# The example of CometAPI's page has this URL four times.
_PAGE_URL: Final = "https://filesystem.site/cdn/20250814/goDW44JIf6eSuxAS7TNringhWjO9kW.png"
_LIST: Final = "subject_image_list"
_URL: Final = "https://example.com/anna.png"
# Realistic values for fields of these names, if valid. Other fields have a value of their kind.
_VALUES: Final[Document] = {
    _LIST: [{"subject_image": f"https://example.com/{name}.png"} for name in ("anna", "boat")],
    "prompt": "Anna in her boat at sea, la soirée, 夕焼け 🌅",
    "negative_prompt": "rain",
    "scence_image": "https://example.com/lamp.png",
    "scene_image": "https://example.com/lamp.png",
    "style_image": "https://example.com/tree.png",
    "image_reference": "face",
    "image_fidelity": 0.5,
    "human_fidelity": 0.45,
    "resolution": "2k",
    "n": 2,
    "aspect_ratio": "3:2",
    "callback_url": "https://example.com/hooks/kling",
    "external_task_id": "poster-42",
}


def request_examples(operation: Operation) -> Document:
    """Valid bodies: that of CometAPI's page, all fields, inline pictures (if any), required fields only.

    Of fields that exclude each other, a body has one.
    """
    required = operation.completed(
        {field.name: example_value(field) for field in operation.fields if field.required}, example_value
    )
    full = {field.name: example_value(field) for field in operation.fields}
    examples: Document = {}
    if any(field.name == _LIST for field in operation.fields):
        page = [{"subject_image": _PAGE_URL}] * 4
        examples["page"] = _example("The example of the page; equal pictures count separately", {_LIST: page})
    examples["full"] = _example("Every field", operation.completed(full, example_value))
    pictured = [field for field in operation.fields if _holds_pictures(field)]
    if pictured:
        inline = required | {pictured[0].name: _inline_value(pictured[0])}
        body = operation.completed(inline, example_value, keep=pictured[0].name)
        examples["inline"] = _example("Pictures as raw base64", body)
    optional = [field for field in operation.fields if not field.required]
    empty = {field.name: None if at % 2 else "" for at, field in enumerate(optional)}
    examples["empty"] = _example("null and the empty string mean absence", required | empty | required)
    return examples


def example_value(field: AnyField) -> object:
    """A valid value, including optional fields of objects."""
    known = _VALUES.get(field.name)
    if known is not None and _accepts(field, known):
        return known
    return _value(field, _URL)


def _accepts(field: AnyField, value: object) -> bool:
    reading = ValidationResult()
    field.read(value, field.name, reading)
    return not reading.violations


def _value(field: AnyField, picture: str) -> object:  # noqa: C901 -- one case for each kind
    match field:
        case PictureList():
            return [{field.item.name: picture}] * max(field.minimum.value, 2)
        case Picture():
            return picture
        case Integer():
            return field.minimum.value
        case Number():
            whole = math.ceil(field.minimum.value)
            return whole if whole <= field.maximum.value else field.minimum.value
        case Flag():
            return True
        case Choice():
            return field.options.value[0] if field.default is None else field.default
        case CallbackUrl():
            return "https://example.com/hooks/kling"
        case Text():
            text = field.name.replace("_", " ")
            return text[: field.maximum.value] if field.maximum else text
        case Nested():
            return {part.name: _value(part, picture) for part in field.fields}
        case ListOf():
            return [_value(field.item, picture)] * max(field.minimum.value, 1)
        case _:
            assert_never(field)


def _inline_value(field: AnyField) -> object:
    # A JPEG: its bytes, unlike those of a PNG, do not depend on the version of zlib.
    return _value(field, encoded(jpeg(INPUT_SIDE_MINIMUM.value, INPUT_SIDE_MINIMUM.value)))


def _holds_pictures(field: AnyField) -> bool:
    match field:
        case Picture() | PictureList():
            return True
        case Nested():
            return any(_holds_pictures(part) for part in field.fields)
        case ListOf():
            return _holds_pictures(field.item)
        case Text() | Choice() | Integer() | Number() | Flag():
            return False
        case _:
            assert_never(field)


def _example(summary: str, body: Document) -> Document:
    return {"summary": summary, "value": body}


REQUEST_ID: Final = "9ab376fc-9059-487f-9e2a-c9c89f1a344f"
TASK_ID: Final = "878106242831892487"
CREATED_AT: Final = 1777385361501


def created_examples(operation: Operation) -> Document:
    """Create responses: the task is submitted, or finished if the operation is synchronous."""
    if operation.synchronous:
        ended = (TaskStatus.SUCCEED, TaskStatus.FAILED)
        return {
            status.value: {"value": _answer(operation, task_example(status, operation))} for status in ended
        }
    task = task_example(TaskStatus.SUBMITTED, operation, with_result=False)
    return {"submitted": {"value": _answer(operation, task)}}


def state_examples(operation: Operation) -> Document:
    """Query responses, one for each state of a task."""
    return {
        status.value: {
            "summary": f"The task is {status.value}",
            "value": _answer(operation, task_example(status, operation)),
        }
        for status in TaskStatus
    }


def list_examples(operation: Operation) -> Document:
    """A page of two tasks, and an empty page after the last task."""
    statuses = (TaskStatus.PROCESSING, TaskStatus.SUCCEED)
    tasks = [task_example(status, operation) for status in statuses]
    return {
        "page": {"value": _answer(operation, tasks)},
        "empty": {"summary": "There are no more tasks", "value": _answer(operation, [])},
    }


def _answer(operation: Operation, data: object) -> Document:
    return success_object(data, REQUEST_ID, operation.success_word.value)


def costs_examples() -> Document:
    """An account with a resource pack, and an account without one (pay as you go)."""
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
    """Callback bodies (the task without an envelope), one for each state of a task."""
    return {
        status.value: {"summary": f"The task is {status.value}", "value": task_example(status, operation)}
        for status in TaskStatus
    }


def task_in(status: TaskStatus) -> TaskMessage:
    """A Multi-Image to Image task in that status."""
    return TaskMessage.from_wire(task_example(status, MULTI_IMAGE))


def task_example(status: TaskStatus, operation: Operation, *, with_result: bool = True) -> Document:
    """The JSON object of a task of an operation, in that status."""
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
    """A task id in the format of the operation."""
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
