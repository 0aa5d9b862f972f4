"""JSON Schemas of responses and callbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kling_contracts.gateways import ErrorShape, Gateway
from kling_contracts.openapi.requests import Document, provenance
from kling_contracts.operations import Operation
from kling_contracts.vocabulary import (
    ASSUMED,
    COMET_ERRORS,
    ERRORS,
    KLING_CALLBACK,
    KLING_PAGE,
    SEED,
    SUCCESS_CODE,
    WATERMARK,
    ResultKind,
    Source,
    TaskStatus,
)

SCHEMA_OF_SHAPE: Final = {
    ErrorShape.KLING: "KlingError",
    ErrorShape.TASK: "TaskError",
    ErrorShape.COMET: "CometError",
}

_RESULT_NAMES: Final = {
    ResultKind.IMAGES: "ResultImage",
    ResultKind.SERIES_IMAGES: "ResultImage",
    ResultKind.VIDEOS: "ResultVideo",
    ResultKind.AUDIOS: "ResultAudio",
}
_MILLISECONDS: Final[Document] = {"type": "integer", "minimum": 10**12, "exclusiveMaximum": 10**13}


def response_schemas(gateway: Gateway, operations: Sequence[Operation]) -> Document:
    """The schemas of responses and callbacks, for these operations of the gateway."""
    kinds = _kinds(operations)
    words = dict.fromkeys(operation.success_word.value for operation in operations)
    message = " or ".join(f"`{word}`" for word in words)
    task: Document = {"$ref": "#/components/schemas/Task"}
    created: Document = {
        "allOf": [task],
        "properties": {"task_status": {"const": TaskStatus.SUBMITTED.value}},
    }
    page: Document = {"type": "array", "items": task}
    schemas: Document = {"Task": _task(kinds)}
    for kind in kinds if len(kinds) > 1 else ():
        schemas[_task_name(kind, kinds)] = _task_of(kind)
    schemas |= {_RESULT_NAMES[kind]: _result(kind) for kind in kinds}
    text = "Response to a create request. The task is `submitted`."
    schemas["TaskCreated"] = _envelope(text, created, "The task.", message)
    for kind in _kinds([operation for operation in operations if operation.synchronous]):
        name = _task_name(kind, kinds)
        text = "Response to a create request. The task is finished."
        schemas[f"{name}Ended"] = _envelope(text, _ended(name), "The task.", message)
    text = "Response to a query; HTTP 200 and code 0 for failed tasks too."
    schemas["TaskState"] = _envelope(text, task, "The task.", message)
    if gateway.lists:
        text = "Response to a list: the tasks of a page."
        schemas["TaskList"] = _envelope(text, page, "The tasks.", message, KLING_PAGE)
    text = "The balance of an account."
    schemas["AccountCosts"] = _envelope(text, _costs(), "The packs.", message, ASSUMED)
    errors = {
        ErrorShape.KLING: _kling_error(),
        ErrorShape.TASK: _task_error(gateway),
        ErrorShape.COMET: _comet_error(),
    }
    used = {refusal.shape for refusal in gateway.refusals.values()}
    return schemas | {SCHEMA_OF_SHAPE[shape]: schema for shape, schema in errors.items() if shape in used}


def task_schema(operation: Operation, operations: Sequence[Operation]) -> str:
    """The name of the schema of tasks of an operation, in a document of `operations`."""
    return _task_name(operation.result, _kinds(operations))


def created_schema(operation: Operation, operations: Sequence[Operation]) -> str:
    """The name of the schema of its create response."""
    return f"{task_schema(operation, operations)}Ended" if operation.synchronous else "TaskCreated"


def _kinds(operations: Iterable[Operation]) -> tuple[ResultKind, ...]:
    return tuple(dict.fromkeys(operation.result for operation in operations))


def _task_name(kind: ResultKind, kinds: Sequence[ResultKind]) -> str:
    return "Task" if len(kinds) == 1 else f"{kind.value.title().replace('_', '')}Task"


def _described(schema: Document, text: str, source: Source) -> Document:
    return {"description": text} | schema | {"x-source": provenance(source)}


def _text(text: str, source: Source, **more: object) -> Document:
    return _described({"type": "string"} | more, text, source)


def _object(properties: Document, *required: str) -> Document:
    return {"type": "object", "required": list(required), "properties": properties}


def _task(kinds: Sequence[ResultKind]) -> Document:
    statuses = [status.value for status in TaskStatus]
    external_id = {
        "type": ["string", "null"],
        "description": "The caller's own id, if given.",
        "x-source": provenance(KLING_PAGE),
    }
    lists: Document = {
        kind.value: {"type": "array", "items": {"$ref": f"#/components/schemas/{_RESULT_NAMES[kind]}"}}
        for kind in kinds
    }
    things = "pictures" if all(kind.drawn for kind in kinds) else "results"
    result = _described(_object(lists), f"The {things}; empty before success.", KLING_PAGE)
    deduction = _text("Units charged, as a decimal.", KLING_PAGE, pattern=r"^[0-9]+(?:\.[0-9]+)?$")
    properties: Document = {
        "task_id": _text("The id to query the task by. Opaque.", SEED, minLength=1),
        "task_status": _text("The state of the task. Note the spelling `succeed`.", SEED, enum=statuses),
        "task_status_msg": _text("The reason of a failure.", KLING_PAGE),
        "task_info": _described(
            _object({"external_task_id": external_id}), "Data from the create request.", KLING_PAGE
        ),
        "created_at": _described(_MILLISECONDS, "Creation, in Unix milliseconds.", SEED),
        "updated_at": _described(_MILLISECONDS, "Last change of the status, in Unix milliseconds.", SEED),
        **({WATERMARK.value: _watermark()} if any(kind.drawn for kind in kinds) else {}),
        "task_result": result,
        "final_unit_deduction": deduction,
    }
    found = [_found(kind) for kind in kinds]
    some = found[0] if len(found) == 1 else {"anyOf": found}
    ended_well: Document = {"properties": {"task_result": some}}
    ended_badly: Document = {"properties": {"task_status_msg": {"minLength": 1}}}
    return _object(properties, "task_id", "task_status", "created_at", "updated_at") | {
        "description": "A task. A callback has it without an envelope.",
        "allOf": [
            _where(TaskStatus.SUCCEED, ended_well | {"required": ["task_result"]}),
            _where(TaskStatus.FAILED, ended_badly | {"required": ["task_status_msg"]}),
        ],
        "x-source": provenance(KLING_CALLBACK),
    }


def _task_of(kind: ResultKind) -> Document:
    """The schema of a task whose results are of one kind, in a document of several kinds."""
    return {
        "description": f"A task whose results are `{kind.value}`.",
        "allOf": [
            {"$ref": "#/components/schemas/Task"},
            _where(TaskStatus.SUCCEED, {"properties": {"task_result": _found(kind)}}),
        ],
    }


def _found(kind: ResultKind) -> Document:
    return {"required": [kind.value], "properties": {kind.value: {"minItems": 1}}}


def _ended(task: str) -> Document:
    ended = [TaskStatus.SUCCEED.value, TaskStatus.FAILED.value]
    return {
        "allOf": [{"$ref": f"#/components/schemas/{task}"}],
        "properties": {"task_status": {"enum": ended}},
    }


def _where(status: TaskStatus, then: Mapping[str, object]) -> Document:
    return {"if": {"properties": {"task_status": {"const": status.value}}}, "then": then}


def _watermark() -> Document:
    enabled = _described(
        {"type": "boolean"}, "Whether pictures with a watermark are made as well.", WATERMARK.source
    )
    return _described(
        _object({"enabled": enabled}),
        "The value in the create request, if it had an effect.",
        WATERMARK.source,
    )


def _result(kind: ResultKind) -> Document:
    if not kind.drawn:
        return _media()
    position: Document = {"type": "integer", "minimum": 0}
    properties: Document = {
        "index": _described(position, "The index, from 0. Missing in some published responses.", KLING_PAGE),
        "url": _text("URL of the picture, valid for 30 days.", KLING_PAGE, pattern="^https?://"),
        "watermark_url": _text(
            f"URL of the picture with a watermark, if `{WATERMARK.value}` enabled it.",
            WATERMARK.source,
            pattern="^https?://",
        ),
    }
    return _object(properties, "url")


def _media() -> Document:
    decimal = r"^[0-9]+(?:\.[0-9]+)?$"
    properties: Document = {
        "id": _text("The id of the result.", KLING_PAGE, minLength=1),
        "url": _text("URL of the result, valid for 30 days.", KLING_PAGE, pattern="^https?://"),
        "duration": _text("The duration in seconds, as a decimal string.", KLING_PAGE, pattern=decimal),
    }
    return _object(properties, "id", "url", "duration")


def _costs() -> Document:
    quantity: Document = {"type": "number", "minimum": 0}
    pack: Document = {
        "resource_pack_name": _text("The name of the pack.", ASSUMED),
        "resource_pack_id": _text("The id of the pack.", ASSUMED),
        "resource_pack_type": _text("How the pack is consumed.", ASSUMED),
        "total_quantity": _described(quantity, "Initial units.", ASSUMED),
        "remaining_quantity": _described(quantity, "Remaining units.", ASSUMED),
        "status": _text("State of the pack: `online`, `runOut`, ...", ASSUMED),
    }
    packs: Document = {
        "type": "array",
        "items": _object(pack, "total_quantity", "remaining_quantity", "status"),
    }
    properties: Document = {
        "code": _described({"type": "integer"}, "0 means success.", ASSUMED),
        "msg": _text("The meaning of `code`.", ASSUMED),
        "resource_pack_subscribe_infos": _described(packs, "The resource packs.", ASSUMED),
    }
    return _object(properties, "code", "msg", "resource_pack_subscribe_infos")


def _envelope(text: str, data: Document, about: str, message: str, source: Source = SEED) -> Document:
    properties: Document = {
        "code": _described({"type": "integer", "const": SUCCESS_CODE}, "0 means accepted.", SEED),
        "message": _text(f"{message}, usually.", SEED),
        "request_id": _text("The id of the request, for support. Missing in some published responses.", SEED),
        "data": _described(data, about, source),
    }
    return {"description": text} | _object(properties, "code", "message", "data")


def _kling_error() -> Document:
    listed = "; ".join(f"{row.code} {row.meaning}" for row in ERRORS.values())
    code: Document = {"type": "integer", "enum": list(ERRORS)}
    properties: Document = {
        "code": _described(code, f"Error code: {listed}.", SEED),
        "message": _text("The reason.", SEED),
        "request_id": _text("The id of the request, for support.", SEED),
    }
    text = "An error response of Kling; CometAPI forwards it."
    return {"description": text} | _object(properties, "code", "message", "request_id")


def _task_error(gateway: Gateway) -> Document:
    refusals = gateway.refusals.values()
    codes = sorted({str(refusal.code) for refusal in refusals if refusal.shape is ErrorShape.TASK})
    properties: Document = {
        "code": _text("The kind of error.", COMET_ERRORS, enum=codes),
        "message": _text("The reason.", COMET_ERRORS),
        "data": _described({"type": "null"}, "Always null.", COMET_ERRORS),
    }
    return {"description": "An error response of the gateway about a task."} | _object(
        properties, "code", "message", "data"
    )


def _comet_error() -> Document:
    error: Document = {
        "message": _text("The reason, with the id of the request.", COMET_ERRORS),
        "type": _text("The origin of the error.", COMET_ERRORS, const="comet_api_error"),
        "param": _text("Usually empty.", COMET_ERRORS),
        "code": _text("The kind of error, or empty.", COMET_ERRORS),
    }
    text = "An error response of the gateway about the key, the route or the model."
    inner = _object(error, "message", "type", "code")
    return {"description": text} | _object({"error": inner}, "error")
