"""The control API as a page for reading: without scripts, and without resources of other hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from kling_mock.control_api.document import build_document

_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>kling-mock control API</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:3em auto;padding:0 1em}
body{overflow-wrap:break-word}
code{background:#8882;padding:.1em .3em;border-radius:.2em}h3{margin:1.5em 0 .3em}p,ul{margin:.3em 0}
table{border-collapse:collapse}td,th{border:1px solid #8884;padding:.2em .6em;text-align:left}
</style></head><body>
"""


def build_page() -> str:
    """The page."""
    document = build_document()
    return _HEAD + "\n".join(_parts(document)) + "\n</body></html>\n"


def _parts(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_text(info['description'])}</p>"
    yield '<p>For tools: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p><h2>Endpoints</h2>'
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield from _endpoint(method.upper(), path, operation)
    yield "<h2>Models</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _model(name, schema)


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h3><code>{method} {escape(path)}</code></h3><p>{_text(operation['summary'])}</p><ul>"
    query = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    if query:
        listed = ", ".join(f"<code>{each['name']}</code> ({_type(each['schema'])})" for each in query)
        yield f"<li>Parameters: {listed}</li>"
    if "requestBody" in operation:
        (media,) = operation["requestBody"]["content"].values()
        yield f"<li>Body: {_type(media['schema'])}</li>"
    (media,) = operation["responses"]["200"]["content"].values()
    errors = ", ".join(status for status in operation["responses"] if status != "200")
    yield f"<li>Result: {_type(media['schema'])}; errors: {errors}</li></ul>"


def _model(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{name}">{name}</h3><p>{_text(schema.get("description", ""))}</p><table>'
    required = schema.get("required", ())
    for field, each in schema.get("properties", {}).items():
        optional = "" if field in required else ", optional"
        yield f"<tr><td><code>{field}</code></td><td>{_type(each)}{optional}</td></tr>"
    yield "</table>"


def _text(description: str) -> str:
    """A description as HTML: names are in backquotes."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(description))


def _type(schema: dict[str, Any]) -> str:
    """The type of a value in a few words, with links to models."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return escape(
            " | ".join(each if isinstance(each, str) else json.dumps(each) for each in schema["enum"])
        )
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    if "properties" in schema:
        return "object with " + ", ".join(f"<code>{escape(name)}</code>" for name in schema["properties"])
    return escape(str(schema.get("type", "any value")))
