"""The OpenAPI 3.1 document of a gateway: paths, operations, error responses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Final

from kling_contracts.gateways import COMETAPI, PAGING, TOKEN_REASONS, Gateway, RefusalReason, Route
from kling_contracts.openapi.examples import (
    REQUEST_ID,
    callback_examples,
    costs_examples,
    created_examples,
    example_id,
    list_examples,
    request_examples,
    state_examples,
)
from kling_contracts.openapi.requests import Document, provenance, request_schema
from kling_contracts.openapi.responses import SCHEMA_OF_SHAPE, created_schema, response_schemas, task_schema
from kling_contracts.operations import Operation
from kling_contracts.vocabulary import ASSUMED

EXTERNAL_ID: Final = "external_task_id"
CALLBACK_URL: Final = "callback_url"
# The version of the contract, independent of the releases of the package.
CONTRACT_VERSION: Final = "1.0.0"

_ABOUT: Final = (
    "A create request returns a task at once; query it until its status is `succeed` or `failed`, or have "
    "every change posted to `callback_url`. `x-source` of each field, limit and response names the document "
    "it is known from, and how likely it is that the live service agrees."
)
_NOT_WHEN_CREATING: Final = frozenset(
    {RefusalReason.NO_ROUTE, RefusalReason.WRONG_METHOD, RefusalReason.UNKNOWN_TASK}
)
_ALWAYS: Final = frozenset(
    {
        RefusalReason.NO_KEY,
        RefusalReason.MALFORMED_KEY,
        RefusalReason.BAD_KEY,
        *TOKEN_REASONS,
        RefusalReason.INTERNAL,
    }
)
_WHEN_QUERYING: Final = _ALWAYS | {RefusalReason.NO_ROUTE, RefusalReason.UNKNOWN_TASK}
_WHEN_LISTING: Final = _ALWAYS | {RefusalReason.INVALID}
# Values of the placeholders in the messages of error responses, for examples.
_FILLINGS: Final = {"id": "poster-42", "model": "kling-v9", "parts": "0", "method": "DELETE"}
_MESSAGES: Final = {
    RefusalReason.BAD_JSON: "Expecting value: line 1 column 1 (char 0)",
    RefusalReason.INVALID: "aspect_ratio value '5:4' is invalid",
}


def build(gateway: Gateway = COMETAPI) -> Document:
    """The document of one gateway, as JSON data.

    It contains the operations that are always enabled, and the gateway's `focus`.
    """
    operations = [operation for route in gateway.routes for operation in _shown(gateway, route)]
    paths: Document = {}
    for route in gateway.routes:
        paths |= _paths(gateway, route, operations)
    paths[gateway.costs_path] = {"get": _costs(gateway), "x-source": provenance(ASSUMED)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{gateway.title}: Kling, {gateway.main.title}",
            "version": CONTRACT_VERSION,
            "description": f"{gateway.main.doc} {_ABOUT}",
        },
        "servers": [{"url": gateway.base_url, "description": gateway.title}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": _bearer(gateway)},
            "schemas": {_schema_name(operation): request_schema(operation) for operation in operations}
            | response_schemas(gateway, operations),
            # Including those that no path refers to: unknown path, wrong method.
            "responses": {_response_name(group): _response(group, gateway) for group in _by_status(gateway)},
        },
    }


def _shown(gateway: Gateway, route: Route) -> tuple[Operation, ...]:
    return (*route.operations, *(each for each in route.optional if each is gateway.focus))


def render(document: Document) -> str:
    """The document as JSON text: two spaces of indentation, a final newline, no escapes."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _paths(gateway: Gateway, route: Route, every: Sequence[Operation]) -> Document:
    path, operations = gateway.path(route), _shown(gateway, route)
    either = ", or the `external_task_id` of the request" if gateway.finds_external_ids else ""
    parameter: Document = {
        "name": "task_id",
        "in": "path",
        "required": True,
        "description": f"`data.task_id` of the create response{either}. A task is found under every route.",
        "schema": {"type": "string", "minLength": 1},
        "example": example_id(operations[0]),
    }
    name = _route_name(gateway, route)
    listing = {"get": _list(gateway, name, operations)} if gateway.lists else {}
    create = _create(gateway, name, operations, every)
    return {
        path: {"post": create} | listing | {"x-source": provenance(route.source)},
        f"{path}/{{task_id}}": {"parameters": [parameter], "get": _query(gateway, name, operations)},
    }


def _bearer(gateway: Gateway) -> Document:
    text = f"A {gateway.title} key"
    if gateway.takes_tokens:
        text += (
            ", or a token (JWT, HS256) signed with the secret of an access key: `iss` is the access key, "
            "`exp` and `nbf` limit its validity"
        )
    return {"type": "http", "scheme": "bearer", "description": f"{text}."}


def _create(
    gateway: Gateway, name: str, operations: Sequence[Operation], every: Sequence[Operation]
) -> Document:
    keys = frozenset(key for operation in operations for key in operation.keys)
    links: Document = {
        "query": {
            "operationId": f"query{name}",
            "parameters": {"task_id": "$response.body#/data/task_id"},
            "description": "Query the task by its id.",
        }
    }
    if gateway.finds_external_ids and EXTERNAL_ID in keys:
        links["queryByExternalId"] = {
            "operationId": f"query{name}",
            "parameters": {"task_id": f"$request.body#/{EXTERNAL_ID}"},
            "description": "Or by the caller's own id, if given.",
        }
    ended = all(operation.synchronous for operation in operations)
    created = _success(
        [created_schema(operation, every) for operation in operations],
        _examples(operations, created_examples),
        links,
        "The task is finished." if ended else "The task is created.",
    )
    create: Document = {
        "operationId": f"create{name}",
        "summary": operations[0].title,
        "description": " ".join(operation.doc for operation in operations),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _any_of(_schema_name(operation) for operation in operations),
                    "examples": _examples(operations, request_examples),
                }
            },
        },
        "responses": {"200": created} | _refused(gateway, _refusable(gateway, operations)),
    }
    calling = [operation for operation in operations if CALLBACK_URL in operation.keys]
    if calling:
        where = f"{{$request.body#/{CALLBACK_URL}}}"
        create["callbacks"] = {"taskChanged": {where: {"post": _callback(calling, every)}}}
    return create


def _refusable(gateway: Gateway, operations: Sequence[Operation]) -> list[RefusalReason]:
    """The reasons for which a create request of these operations can be refused."""
    keys = frozenset(key for operation in operations for key in operation.keys)
    rules = frozenset(rule for operation in operations for rule in operation.rules)
    never = set(_NOT_WHEN_CREATING)
    if EXTERNAL_ID not in keys:
        never.add(RefusalReason.DUPLICATE_ID)
    if RefusalReason.UNKNOWN_MODEL.value not in rules:
        never.add(RefusalReason.UNKNOWN_MODEL)
    return [reason for reason in gateway.refusals if reason not in never]


def _query(gateway: Gateway, name: str, operations: Sequence[Operation]) -> Document:
    links: Document = {
        "again": {
            "operationId": f"query{name}",
            "parameters": {"task_id": "$response.body#/data/task_id"},
            "description": "Until the task is `succeed` or `failed`.",
        }
    }
    state = _success(
        ["TaskState"], _examples(operations, state_examples), links, "The current state of the task."
    )
    return {
        "operationId": f"query{name}",
        "summary": "One task",
        "description": "A failed task is a successful response: HTTP 200, code 0, and `task_status_msg`.",
        "responses": {"200": state} | _refused(gateway, _WHEN_QUERYING),
    }


def _list(gateway: Gateway, name: str, operations: Sequence[Operation]) -> Document:
    parameters: list[Document] = [
        {
            "name": field.name,
            "in": "query",
            "description": field.doc,
            # An empty parameter means the default, as null does in a body.
            "schema": {"anyOf": [dict(field.schema()), {"const": ""}], "default": field.default},
            "x-source": provenance(field.source),
        }
        for field in PAGING
    ]
    page = _success(["TaskList"], _examples(operations, list_examples), {}, "One page of the list.")
    return {
        "operationId": f"list{name}",
        "summary": "The tasks of the account",
        "description": "The tasks that were created on this route, newest first.",
        "parameters": parameters,
        "responses": {"200": page} | _refused(gateway, _WHEN_LISTING),
    }


def _costs(gateway: Gateway) -> Document:
    """The resource packs of the account; clients use it to validate a key. The query string is ignored."""
    return {
        "operationId": "showAccountCosts",
        "summary": "The balance of the account",
        "description": "Its resource packs; empty without prepaid packs. The query string is ignored.",
        "responses": {"200": _success(["AccountCosts"], costs_examples(), {}, "The resource packs.")}
        | _refused(gateway, _ALWAYS),
    }


def _callback(operations: Sequence[Operation], every: Sequence[Operation]) -> Document:
    return {
        "operationId": "taskChanged",
        "summary": "The status of the task changed",
        "description": "The task, without the envelope of a response. May be delivered more than once.",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _any_of(task_schema(operation, every) for operation in operations),
                    "examples": _examples(operations, callback_examples),
                }
            },
        },
        "responses": {"200": {"description": "Accepted."}},
    }


def _examples(operations: Sequence[Operation], of: Callable[[Operation], Document]) -> Document:
    """The examples of the operations of one path; names of all but the first begin with the operation."""
    return {
        (name if operation is operations[0] else f"{operation.name}-{name}"): example
        for operation in operations
        for name, example in of(operation).items()
    }


def _success(schemas: Iterable[str], examples: Document, links: Document, text: str) -> Document:
    content = {"application/json": {"schema": _any_of(schemas), "examples": examples}}
    answer: Document = {"description": text, "content": content}
    return answer | ({"links": links} if links else {})


def _any_of(names: Iterable[str]) -> Document:
    """A reference to the schema, or `anyOf` of several."""
    schemas = [_ref("schemas", name) for name in dict.fromkeys(names)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _refused(gateway: Gateway, reasons: Iterable[RefusalReason]) -> Document:
    """The error responses for `reasons`, by HTTP status."""
    wanted = frozenset(reasons)
    groups = [[each for each in group if each in wanted] for group in _by_status(gateway)]
    return {str(gateway.refusals[group[0]].status): _response(group, gateway) for group in groups if group}


def _by_status(gateway: Gateway) -> list[list[RefusalReason]]:
    """The reasons of a gateway, grouped by HTTP status; in order of checks within a group."""
    ordered = sorted(gateway.refusals, key=lambda reason: gateway.refusals[reason].status)
    return [list(group) for _, group in groupby(ordered, lambda reason: gateway.refusals[reason].status)]


def _response(reasons: list[RefusalReason], gateway: Gateway) -> Document:
    refusals = [gateway.refusals[reason] for reason in reasons]
    schema = _any_of(SCHEMA_OF_SHAPE[refusal.shape] for refusal in refusals)
    examples: Document = {}
    for reason, refusal in zip(reasons, refusals, strict=True):
        elsewhere = f"{gateway.prefix}/v1/images/elsewhere"
        fillings = _FILLINGS | {"path": elsewhere, "message": _MESSAGES.get(reason, "")}
        examples[reason.value] = {
            "value": refusal.body(REQUEST_ID, **fillings),
            "x-source": provenance(refusal.source),
        }
    return {
        "description": f"{HTTPStatus(refusals[0].status).phrase}: {', '.join(examples)}",
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _response_name(reasons: list[RefusalReason]) -> str:
    return "-".join(reason.name.title().replace("_", "") for reason in reasons)


def _route_name(gateway: Gateway, route: Route) -> str:
    """The end of operation ids: the first operation of the path, or the path if that is not unique."""
    first = _shown(gateway, route)[0]
    same = [each for each in gateway.routes if _shown(gateway, each)[0] is first]
    return _camel(first.name) if route is same[0] else _camel(route.tail)


def _schema_name(operation: Operation) -> str:
    return f"{_camel(operation.name)}Request"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))


def _ref(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}
