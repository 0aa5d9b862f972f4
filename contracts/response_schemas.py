"""The JSON Schemas of what the service answers and posts, with an example of every task state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.gateways import Gateway, Shape
from contracts.messages import Envelope, ResultImage, TaskMessage
from contracts.request_schemas import Document, provenance
from contracts.vocabulary import (
    ASSUMED,
    COMET_ERRORS,
    ERRORS,
    KLING_CALLBACK,
    KLING_PAGE,
    PIXELS_INVALID,
    SEED,
    SUCCESS_CODE,
    SUCCESS_MESSAGE,
    UNITS_PER_IMAGE,
    Source,
    TaskStatus,
)

REQUEST_ID: Final = "9ab376fc-9059-487f-9e2a-c9c89f1a344f"
TASK_ID: Final = "878106242831892487"
CREATED_AT: Final = 1777385361501
SCHEMA_OF_SHAPE: Final = {Shape.KLING: "KlingError", Shape.TASK: "TaskError", Shape.COMET: "CometError"}

_MILLISECONDS: Final[Document] = {"type": "integer", "minimum": 10**12, "exclusiveMaximum": 10**13}


def response_schemas(gateway: Gateway) -> Document:
    """The components that answers and callbacks are made of."""
    task: Document = {"$ref": "#/components/schemas/Task"}
    created: Document = {
        "allOf": [task],
        "properties": {"task_status": {"const": TaskStatus.SUBMITTED.value}},
    }
    page: Document = {"type": "array", "items": task}
    schemas: Document = {
        "Task": _task(),
        "ResultImage": _result_image(),
        "TaskCreated": _envelope(
            "The answer to a create request. The task is `submitted`.", created, "The task."
        ),
        "TaskState": _envelope(
            "The answer to a query; HTTP 200 and code 0 for failed tasks too.", task, "The task."
        ),
    }
    if gateway.lists:
        text = "The answer to a list: tasks as queries show them."
        schemas["TaskList"] = _envelope(text, page, "The tasks.", KLING_PAGE)
    schemas["AccountCosts"] = _envelope("What an account has left.", _costs(), "The packs.", ASSUMED)
    errors = {
        Shape.KLING: _kling_error(),
        Shape.TASK: _task_error(gateway),
        Shape.COMET: _comet_error(),
    }
    used = {refusal.shape for refusal in gateway.refusals.values()}
    return schemas | {SCHEMA_OF_SHAPE[shape]: schema for shape, schema in errors.items() if shape in used}


def created_example() -> Document:
    """The decoded body of a create answer."""
    data = task_in(TaskStatus.SUBMITTED).to_wire(with_result=False)
    return Envelope.success(data, REQUEST_ID).to_wire()


def state_examples() -> Document:
    """A query answer in each state of a task."""
    return {
        status.value: {
            "summary": f"The task is {status.value}",
            "value": Envelope.success(task_in(status).to_wire(), REQUEST_ID).to_wire(),
        }
        for status in TaskStatus
    }


def list_examples() -> Document:
    """Two tasks, and the page behind the last one."""
    tasks = [task_in(status).to_wire() for status in (TaskStatus.PROCESSING, TaskStatus.SUCCEED)]
    return {
        "page": {"value": Envelope.success(tasks, REQUEST_ID).to_wire()},
        "empty": {
            "summary": "There are no more tasks",
            "value": Envelope.success([], REQUEST_ID).to_wire(),
        },
    }


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
    return Envelope.success(data, REQUEST_ID).to_wire()


def callback_examples() -> Document:
    """A callback body, the bare task, in each state of a task."""
    return {
        status.value: {"summary": f"The task is {status.value}", "value": task_in(status).to_wire()}
        for status in TaskStatus
    }


def task_in(status: TaskStatus) -> TaskMessage:
    """One task as it is seen in that status."""
    elapsed = {TaskStatus.SUBMITTED: 0, TaskStatus.PROCESSING: 1820, TaskStatus.FAILED: 1650}
    url = "https://cdn.klingai.com/bs2/upload-kling-api/0923471513/image"
    succeeded = status is TaskStatus.SUCCEED
    images = (ResultImage(index=0, url=f"{url}/{TASK_ID}-0_raw_image_0.png"),) if succeeded else ()
    return TaskMessage(
        task_id=TASK_ID,
        task_status=status,
        task_status_msg=PIXELS_INVALID.value if status is TaskStatus.FAILED else None,
        created_at=CREATED_AT,
        updated_at=CREATED_AT + elapsed.get(status, 12072),
        images=images,
        final_unit_deduction=str(UNITS_PER_IMAGE.value) if succeeded else None,
    )


def _described(schema: Document, text: str, source: Source) -> Document:
    return {"description": text} | schema | {"x-source": provenance(source)}


def _text(text: str, source: Source, **more: object) -> Document:
    return _described({"type": "string"} | more, text, source)


def _object(properties: Document, *required: str) -> Document:
    return {"type": "object", "required": list(required), "properties": properties}


def _task() -> Document:
    statuses = [status.value for status in TaskStatus]
    external_id = {
        "type": ["string", "null"],
        "description": "The id that the caller gave, if any.",
        "x-source": provenance(KLING_PAGE),
    }
    images = {"type": "array", "items": {"$ref": "#/components/schemas/ResultImage"}}
    result = _object({"images": images})
    deduction = _text("Units charged, as a decimal.", KLING_PAGE, pattern=r"^[0-9]+(?:\.[0-9]+)?$")
    properties: Document = {
        "task_id": _text("The id to query the task by. Opaque.", SEED, minLength=1),
        "task_status": _text("Where the task stands. Note `succeed`.", SEED, enum=statuses),
        "task_status_msg": _text("Why the task failed.", KLING_PAGE),
        "task_info": _described(_object({"external_task_id": external_id}), "What came with it.", KLING_PAGE),
        "created_at": _described(_MILLISECONDS, "Creation, in Unix milliseconds.", SEED),
        "updated_at": _described(_MILLISECONDS, "Last change of the status, in Unix milliseconds.", SEED),
        "task_result": _described(result, "The pictures, once there are any.", KLING_PAGE),
        "final_unit_deduction": deduction,
    }
    drawn = {"images": {"minItems": 1}}
    ended_well: Document = {"properties": {"task_result": {"required": ["images"], "properties": drawn}}}
    ended_badly: Document = {"properties": {"task_status_msg": {"minLength": 1}}}
    return _object(properties, "task_id", "task_status", "created_at", "updated_at") | {
        "description": "A task. Callbacks carry it bare.",
        "allOf": [
            _where(TaskStatus.SUCCEED, ended_well | {"required": ["task_result"]}),
            _where(TaskStatus.FAILED, ended_badly | {"required": ["task_status_msg"]}),
        ],
        "x-source": provenance(KLING_CALLBACK),
    }


def _where(status: TaskStatus, then: Mapping[str, object]) -> Document:
    return {"if": {"properties": {"task_status": {"const": status.value}}}, "then": then}


def _result_image() -> Document:
    position: Document = {"type": "integer", "minimum": 0}
    properties: Document = {
        "index": _described(position, "Its position, from 0. Some published answers lack it.", KLING_PAGE),
        "url": _text("Where to fetch the picture, for 30 days.", KLING_PAGE, pattern="^https?://"),
    }
    return _object(properties, "url")


def _costs() -> Document:
    quantity: Document = {"type": "number", "minimum": 0}
    pack: Document = {
        "resource_pack_name": _text("Its name.", ASSUMED),
        "resource_pack_id": _text("Its id.", ASSUMED),
        "resource_pack_type": _text("How it is used up.", ASSUMED),
        "total_quantity": _described(quantity, "Units it had at first.", ASSUMED),
        "remaining_quantity": _described(quantity, "Units it has left.", ASSUMED),
        "status": _text("Whether it can be used: `online`, `runOut`, ...", ASSUMED),
    }
    packs: Document = {
        "type": "array",
        "items": _object(pack, "total_quantity", "remaining_quantity", "status"),
    }
    properties: Document = {
        "code": _described({"type": "integer"}, "0 means success.", ASSUMED),
        "msg": _text("What `code` means.", ASSUMED),
        "resource_pack_subscribe_infos": _described(packs, "The resource packs.", ASSUMED),
    }
    return _object(properties, "code", "msg", "resource_pack_subscribe_infos")


def _envelope(text: str, data: Document, about: str, source: Source = SEED) -> Document:
    properties: Document = {
        "code": _described({"type": "integer", "const": SUCCESS_CODE}, "0 means accepted.", SEED),
        "message": _text(f"`{SUCCESS_MESSAGE.value}`, usually.", SEED),
        "request_id": _text("Names this call in talks with support. Some published answers lack it.", SEED),
        "data": _described(data, about, source),
    }
    return {"description": text} | _object(properties, "code", "message", "data")


def _kling_error() -> Document:
    listed = "; ".join(f"{row.code} {row.meaning}" for row in ERRORS.values())
    code: Document = {"type": "integer", "enum": list(ERRORS)}
    properties: Document = {
        "code": _described(code, f"Error code: {listed}.", SEED),
        "message": _text("What is wrong.", SEED),
        "request_id": _text("Names this call in talks with support.", SEED),
    }
    text = "The error body of Kling itself, which the gateway passes on."
    return {"description": text} | _object(properties, "code", "message", "request_id")


def _task_error(gateway: Gateway) -> Document:
    refusals = gateway.refusals.values()
    codes = sorted({str(refusal.code) for refusal in refusals if refusal.shape is Shape.TASK})
    properties: Document = {
        "code": _text("What is wrong, in one word.", COMET_ERRORS, enum=codes),
        "message": _text("What is wrong.", COMET_ERRORS),
        "data": _described({"type": "null"}, "Always null.", COMET_ERRORS),
    }
    return {"description": "An error of the gateway about a task."} | _object(
        properties, "code", "message", "data"
    )


def _comet_error() -> Document:
    error: Document = {
        "message": _text("What is wrong, with the id of the request.", COMET_ERRORS),
        "type": _text("Whose error it is.", COMET_ERRORS, const="comet_api_error"),
        "param": _text("Usually empty.", COMET_ERRORS),
        "code": _text("What is wrong, in one word, or empty.", COMET_ERRORS),
    }
    text = "An error of the gateway about the key, the route or the model."
    inner = _object(error, "message", "type", "code")
    return {"description": text} | _object({"error": inner}, "error")
