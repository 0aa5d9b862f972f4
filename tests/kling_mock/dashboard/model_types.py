"""Writes `kling_mock/dashboard/models.d.ts`, the types of the control API for the modules of the dashboard.

`python -m tests.kling_mock.dashboard.model_types` replaces the file; a test fails if it is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

import kling_mock.dashboard
from kling_mock.control_api import models, parameters
from kling_mock.control_api.endpoints import ENDPOINTS  # noqa: F401 -- and these those of results
from kling_mock.control_api.feed import EventFeed  # noqa: F401 -- it imports the models of events

FILE: Final = Path(str(kling_mock.dashboard.__file__)).with_name("models.d.ts")
_REF: Final = "{name}"
_PLAIN: Final = {
    "integer": "number",
    "string": "string",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def model_types() -> str:
    """The TypeScript interfaces of all results and events."""
    kinds = sorted(set(_models(models.Model)) - set(models.MEDIA_TYPES), key=lambda each: each.__name__)
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    interfaces = [_interface(name, each) for name, each in sorted(schemas.items())]
    return "\n".join(("// Generated: make docs", *interfaces))


def _models(base: type[models.Model]) -> Iterator[type[models.Model]]:
    """The models of results and events: all but those of parameters and bodies."""
    for each in base.__subclasses__():
        if each.__module__ != parameters.__name__:
            yield each
        yield from _models(each)


def _interface(name: str, schema: dict[str, Any]) -> str:
    return "\n".join((f"export interface {name} {{", *_members(schema), "}\n"))


def _members(schema: dict[str, Any]) -> Iterator[str]:
    for name, each in schema["properties"].items():
        yield f"  {name}: {_type(each)};"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"])
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(each) for each in schema["enum"])
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"[{', '.join(_type(each) for each in schema['prefixItems'])}]"
        case "array":
            return f"Array<{_type(schema.get('items') or {})}>"
        case "object":
            values = schema.get("additionalProperties")
            return f"Record<string, {_type(values) if isinstance(values, dict) else 'any'}>"
        case kind:
            return _PLAIN.get(str(kind), "any")


if __name__ == "__main__":
    FILE.write_text(model_types(), encoding="utf-8")
