"""The OpenAPI 3.1 document of the control API, derived from the table of endpoints and the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from http import HTTPStatus
from inspect import cleandoc
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from kling_contracts.vocabulary import TOKEN_HEADER
from kling_mock import __version__
from kling_mock.control_api import models
from kling_mock.control_api.endpoints import ENDPOINTS, Endpoint
from kling_mock.control_api.problems import ErrorBody
from kling_mock.control_api.scripts import add_fault, replace_script, write_script
from kling_mock.control_api.settings import change_settings
from kling_mock.documents import script_schema
from kling_mock.faults import KINDS
from kling_mock.json_schema import Schema
from kling_mock.settings import FIXED, Settings

REF: Final = "#/components/schemas/{name}"
DESCRIPTION: Final = (
    "Steers a running kling-mock. All instants are in Unix seconds. Without a token only clients on this "
    "machine are served, by a loopback name; web pages of other origins never."
)
# Errors of every endpoint, of those with parameters or a body, and of those with a body.
_COMMON: Final = (401, 403)
_EXACTLY_ONE: Final[Schema] = {"minProperties": 1, "maxProperties": 1}


def build_document() -> Schema:
    """The document. Every call makes a new one."""
    kinds = [ErrorBody, *_models()]
    _, components = msgspec.json.schema_components(kinds, ref_template=REF)
    for schema in components.values():
        if "description" in schema:  # `python -OO` removes docstrings
            schema["description"] = cleandoc(schema["description"])
    components["ClockChange"] |= _EXACTLY_ONE
    paths: dict[str, Schema] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, components)
    document: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "kling-mock control API", "version": __version__, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER},
            },
        },
        "security": [{}, {"bearer": []}, {"token": []}],
    }
    return cast("Schema", msgspec.json.decode(msgspec.json.encode(document)))  # without tuples


def _models() -> list[type[Any]]:
    found: dict[type[Any], None] = {}
    for endpoint in ENDPOINTS:
        _, query, body, result, *_ = endpoint.signature
        found |= {each: None for each in (query, body, result) if each is not None and _is_model(each)}
    return list(found)


def _is_model(kind: type[Any] | None) -> bool:
    return isinstance(kind, type) and issubclass(kind, models.Model) and kind not in models.MEDIA_TYPES


def _operation(endpoint: Endpoint, components: Mapping[str, Schema]) -> Schema:
    path, query, body, _, summary, raw = endpoint.signature
    part = {"in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    parameters: list[Schema] = [{"name": name, **part} for name in path]
    if query is not None:
        parameters += _query_parameters(components[query.__name__])
    operation: Schema = {
        "operationId": endpoint.handler.__name__,
        "summary": summary,
        "tags": [endpoint.path.split("/")[2]],
        "parameters": parameters,
        "responses": dict(_responses(endpoint)),
    }
    if body is not None:
        content = {"application/json": {"schema": _body_schema(endpoint)}}
        operation["requestBody"] = {"content": content, "required": endpoint.needs_body}
    elif raw:
        content = {models.MEDIA_TYPES[models.StateLines].partition(";")[0]: {"schema": {"type": "string"}}}
        operation["requestBody"] = {"content": content, "required": True}
    return {key: value for key, value in operation.items() if value != []}


def _query_parameters(schema: Schema) -> Iterator[Schema]:
    for name, each in schema["properties"].items():
        kinds = [kind for kind in each.get("anyOf", [each]) if kind.get("type") != "null"]
        default = {"default": each["default"]} if each.get("default") is not None else {}
        yield {"name": name, "in": "query", "required": False, "schema": {**kinds[0], **default}}


def _body_schema(endpoint: Endpoint) -> Schema:
    body = endpoint.signature.body
    if _is_model(body):
        return {"$ref": REF.format(name=getattr(body, "__name__", ""))}
    return _SCHEMAS[endpoint.handler]()


def _responses(endpoint: Endpoint) -> Iterator[tuple[str, Schema]]:
    signature = endpoint.signature
    media, result = models.MEDIA_TYPES.get(signature.result), signature.result
    if media is not None:
        content: Schema = {media.partition(";")[0]: {"schema": {"type": "string"}}}
    elif _is_model(result):
        content = {"application/json": {"schema": {"$ref": REF.format(name=result.__name__)}}}
    else:
        content = {"application/json": {"schema": {"type": "object"}}}
    yield "200", {"description": "Success", "content": content}
    error = {"application/json": {"schema": {"$ref": REF.format(name="ErrorBody")}}}
    writes = () if endpoint.method == "GET" else (400, 413)
    for status in sorted({*_COMMON, 422, *writes, *endpoint.problems}):
        yield str(status), {"description": HTTPStatus(status).phrase, "content": error}


# -- bodies that are not models


@cache
def _fault_schema() -> Schema:
    return {
        "type": "object",
        "properties": {name: {"description": f"the fault {name}"} for name in KINDS},
        "additionalProperties": False,
        **_EXACTLY_ONE,
    }


@cache
def _settings_schema() -> Schema:
    free = [each for each in fields(Settings) if each.name not in FIXED]
    known = {each.name: {"description": each.metadata["doc"]} for each in free}
    return {"type": "object", "properties": known, "additionalProperties": False}


_SCHEMAS: Final[Mapping[Callable[..., Any], Callable[[], Schema]]] = MappingProxyType(
    {
        write_script: script_schema,
        replace_script: script_schema,
        add_fault: _fault_schema,
        change_settings: _settings_schema,
    }
)
