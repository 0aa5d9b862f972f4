"""The OpenAPI 3.1 document, derived from the declarations; `openapi.json` beside it is its text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby
from typing import Final

from contracts.gateways import COMETAPI, PAGING, TOKEN_SITUATIONS, Gateway, Route, Situation
from contracts.operations import Operation
from contracts.request_schemas import Document, provenance, request_examples, request_schema
from contracts.response_schemas import (
    REQUEST_ID,
    SCHEMA_OF_SHAPE,
    TASK_ID,
    callback_examples,
    costs_examples,
    created_example,
    list_examples,
    response_schemas,
    state_examples,
)
from contracts.vocabulary import ASSUMED

# Moves when the contract does, apart from the releases of the package.
CONTRACT_VERSION: Final = "1.0.0"

_ABOUT: Final = (
    "Two to four subject pictures, a prompt, a scene and a style become one to nine new pictures. "
    "A create request answers at once with a task; query it until it is `succeed` or `failed`, or have "
    "every change posted to `callback_url`. Each field, limit and answer says in `x-source` where it is "
    "known from and how likely the live service agrees."
)
_NOT_WHEN_CREATING: Final = frozenset({Situation.NO_ROUTE, Situation.WRONG_METHOD, Situation.UNKNOWN_TASK})
_ALWAYS: Final = frozenset(
    {
        Situation.NO_KEY,
        Situation.MALFORMED_KEY,
        Situation.BAD_KEY,
        *TOKEN_SITUATIONS,
        Situation.INTERNAL,
    }
)
_WHEN_QUERYING: Final = _ALWAYS | {Situation.NO_ROUTE, Situation.UNKNOWN_TASK}
_WHEN_LISTING: Final = _ALWAYS | {Situation.INVALID}
# What fills the templates of refusals in examples.
_FILLINGS: Final = {"id": "poster-42", "model": "kling-v9", "parts": "0", "method": "DELETE"}
_MESSAGES: Final = {
    Situation.BAD_JSON: "Expecting value: line 1 column 1 (char 0)",
    Situation.INVALID: "aspect_ratio value '5:4' is invalid",
}


def build(gateway: Gateway = COMETAPI) -> Document:
    """The document of one gateway, as plain data."""
    operations = [operation for route in gateway.routes for operation in route.operations]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{gateway.title}: Kling, {operations[0].title}",
            "version": CONTRACT_VERSION,
            "description": _ABOUT,
        },
        "servers": [{"url": gateway.base_url, "description": gateway.title}],
        "security": [{"bearer": []}],
        "paths": {path: item for route in gateway.routes for path, item in _paths(gateway, route).items()}
        | {gateway.costs_path: {"get": _costs(gateway), "x-source": provenance(ASSUMED)}},
        "components": {
            "securitySchemes": {"bearer": _bearer(gateway)},
            "schemas": {_schema_name(operation): request_schema(operation) for operation in operations}
            | response_schemas(gateway),
            # Those of no operation are here as well: any other path, any other method.
            "responses": {_response_name(group): _response(group, gateway) for group in _by_status(gateway)},
        },
    }


def render(document: Document) -> str:
    """The document as text, the same on every machine: two spaces, a last newline, no escapes."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _paths(gateway: Gateway, route: Route) -> Document:
    path = gateway.path(route)
    either = ", or the `external_task_id` of the request" if gateway.finds_external_ids else ""
    parameter: Document = {
        "name": "task_id",
        "in": "path",
        "required": True,
        "description": f"`data.task_id` of the create answer{either}. A task is found under every route.",
        "schema": {"type": "string", "minLength": 1},
        "example": TASK_ID,
    }
    listing = {"get": _list(gateway, route)} if gateway.lists else {}
    return {
        path: {"post": _create(gateway, route)} | listing | {"x-source": provenance(route.source)},
        f"{path}/{{task_id}}": {"parameters": [parameter], "get": _query(gateway, route)},
    }


def _bearer(gateway: Gateway) -> Document:
    text = f"A {gateway.title} key"
    if gateway.takes_tokens:
        text += (
            ", or a token (JWT, HS256) signed with the secret of an access key: `iss` is the access key, "
            "`exp` and `nbf` say when it is good"
        )
    return {"type": "http", "scheme": "bearer", "description": f"{text}."}


def _create(gateway: Gateway, route: Route) -> Document:
    schemas: list[Document] = [_ref("schemas", _schema_name(operation)) for operation in route.operations]
    examples = {
        name: case for operation in route.operations for name, case in request_examples(operation).items()
    }
    links: Document = {
        "query": {
            "operationId": _operation_id("query", route),
            "parameters": {"task_id": "$response.body#/data/task_id"},
            "description": "The id of the task is what it is queried by.",
        }
    }
    if gateway.finds_external_ids:
        links["queryByExternalId"] = {
            "operationId": _operation_id("query", route),
            "parameters": {"task_id": "$request.body#/external_task_id"},
            "description": "The caller's own id, where one was given, does as well.",
        }
    created = _success(
        "TaskCreated", {"submitted": {"value": created_example()}}, links, "The task is created."
    )
    refused = [situation for situation in gateway.refusals if situation not in _NOT_WHEN_CREATING]
    return {
        "operationId": _operation_id("create", route),
        "summary": route.operations[0].title,
        "description": " ".join(operation.doc for operation in route.operations),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
                    "examples": examples,
                }
            },
        },
        "responses": {"200": created} | _refused(gateway, refused),
        "callbacks": {"taskChanged": {"{$request.body#/callback_url}": {"post": _callback()}}},
    }


def _query(gateway: Gateway, route: Route) -> Document:
    links: Document = {
        "again": {
            "operationId": _operation_id("query", route),
            "parameters": {"task_id": "$response.body#/data/task_id"},
            "description": "Until the task is `succeed` or `failed`.",
        }
    }
    return {
        "operationId": _operation_id("query", route),
        "summary": "One task",
        "description": "A failed task is an answer like any other: HTTP 200, code 0, and `task_status_msg`.",
        "responses": {"200": _success("TaskState", state_examples(), links, "The task as it stands.")}
        | _refused(gateway, _WHEN_QUERYING),
    }


def _list(gateway: Gateway, route: Route) -> Document:
    parameters: list[Document] = [
        {
            "name": field.name,
            "in": "query",
            "description": field.doc,
            # In a query string the empty string is what null is in a body.
            "schema": {"anyOf": [dict(field.schema()), {"const": ""}], "default": field.default},
            "x-source": provenance(field.source),
        }
        for field in PAGING
    ]
    return {
        "operationId": _operation_id("list", route),
        "summary": "The tasks of the account",
        "description": "Those that were created on this route, newest first, as queries show them.",
        "parameters": parameters,
        "responses": {"200": _success("TaskList", list_examples(), {}, "One page of the list.")}
        | _refused(gateway, _WHEN_LISTING),
    }


def _costs(gateway: Gateway) -> Document:
    """Taken for a look whether a key is good. What real clients put in the query string has no effect."""
    return {
        "operationId": "showAccountCosts",
        "summary": "What the account has left",
        "description": "Its resource packs, none if it pays as it goes. The query string is ignored.",
        "responses": {"200": _success("AccountCosts", costs_examples(), {}, "The resource packs.")}
        | _refused(gateway, _ALWAYS),
    }


def _callback() -> Document:
    return {
        "operationId": "taskChanged",
        "summary": "The status of the task changed",
        "description": "The bare task, without the envelope of an answer. May come more than once.",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _ref("schemas", "Task"), "examples": callback_examples()}
            },
        },
        "responses": {"200": {"description": "Taken."}},
    }


def _success(schema: str, examples: Document, links: Document, text: str) -> Document:
    content = {"application/json": {"schema": _ref("schemas", schema), "examples": examples}}
    answer: Document = {"description": text, "content": content}
    return answer | ({"links": links} if links else {})


def _refused(gateway: Gateway, situations: Iterable[Situation]) -> Document:
    """The refusals that can come, by status. Each response shows all situations of its status and route."""
    wanted = frozenset(situations)
    groups = [[each for each in group if each in wanted] for group in _by_status(gateway)]
    return {str(gateway.refusals[group[0]].status): _response(group, gateway) for group in groups if group}


def _by_status(gateway: Gateway) -> list[list[Situation]]:
    """The situations of a gateway in groups of one HTTP status each, in order of checks within a group."""
    ordered = sorted(gateway.refusals, key=lambda situation: gateway.refusals[situation].status)
    return [
        list(group) for _, group in groupby(ordered, lambda situation: gateway.refusals[situation].status)
    ]


def _response(situations: list[Situation], gateway: Gateway) -> Document:
    refusals = [gateway.refusals[situation] for situation in situations]
    names = dict.fromkeys(SCHEMA_OF_SHAPE[refusal.shape] for refusal in refusals)
    schemas = [_ref("schemas", name) for name in names]
    examples: Document = {}
    for situation, refusal in zip(situations, refusals, strict=True):
        elsewhere = f"{gateway.prefix}/v1/images/elsewhere"
        fillings = _FILLINGS | {"path": elsewhere, "message": _MESSAGES.get(situation, "")}
        examples[situation.value] = {
            "value": refusal.body(REQUEST_ID, **fillings),
            "x-source": provenance(refusal.source),
        }
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {
        "description": f"{HTTPStatus(refusals[0].status).phrase}: {', '.join(examples)}",
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _response_name(situations: list[Situation]) -> str:
    return "-".join(situation.name.title().replace("_", "") for situation in situations)


def _operation_id(verb: str, route: Route) -> str:
    return verb + _camel(route.operations[0])


def _schema_name(operation: Operation) -> str:
    return _camel(operation) + "Request"


def _camel(operation: Operation) -> str:
    return "".join(part.capitalize() for part in operation.name.split("-"))


def _ref(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}
