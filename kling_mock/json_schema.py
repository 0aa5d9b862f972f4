"""JSON Schemas of type hints, and the violations of a schema as messages with the accepted values.

Only the keywords that `schema_of` writes are implemented: type, const, enum, anyOf, properties, required,
additionalProperties and items.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin

from kling_contracts.suggestions import close_names
from kling_mock.criteria import shown
from kling_mock.scripts.signatures import BYTES_KEY
from kling_mock.suggestions import unknown

Schema = dict[str, Any]

# Deeper data is refused, so that no value exhausts the stack.
DEEPEST: Final = 64
_NAMES: Final[Mapping[type, str]] = {
    str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null",
}  # fmt: skip
_NOUNS: Final[Mapping[str, str]] = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "null": "null",
    "object": "a table",
    "array": "a list",
}


class DocumentProblem(NamedTuple):
    """An error in a document: a JSON pointer to its place (RFC 6901), and a message that names the key.

    `accepted` are the accepted keys or values, `nearest` those that resemble the given one.
    """

    pointer: str
    message: str
    accepted: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()


# -- schemas


def schema_of(hint: Any) -> Schema:
    """The JSON Schema of the values that a type hint describes.

    A class without a JSON type, such as Pace, has a text form.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return {}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is Union or origin is types.UnionType:
        return any_of(schema_of(each) for each in parts)
    if origin in (tuple, list, frozenset):
        return array_of(schema_of(parts[0]))
    if hint in _NAMES:
        return {"type": _NAMES[hint]}
    if hint is bytes:
        return table_of({BYTES_KEY: {"type": "string"}}, required=[BYTES_KEY])
    if isinstance(origin or hint, type) and issubclass(origin or hint, Mapping):
        values = schema_of(parts[1]) if parts else {}
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    return {"type": "array"} if hint is list else {"type": "string"}


def any_of(schemas: Iterable[Schema]) -> Schema:
    """The schema of values that one of these schemas accepts."""
    flat: list[Schema] = []
    for schema in schemas:
        for each in schema.get("anyOf", [schema]):
            if each not in flat:
                flat.append(each)
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def array_of(items: Schema) -> Schema:
    return {"type": "array", "items": items} if items else {"type": "array"}


def table_of(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    """The schema of a table with these keys and no others."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    needed = list(required)
    return {**schema, "required": needed} if needed else schema


# -- violations


def violations(value: object, schema: Schema, pointer: str = "", name: str = "") -> Iterator[DocumentProblem]:
    """The violations of a schema by a value at this place; `name` is the name of the place in messages."""
    if pointer.count("/") > DEEPEST:
        yield DocumentProblem(pointer, f"{name} is nested more than {DEEPEST} levels deep")
    elif "anyOf" in schema:
        yield from _of_any(value, schema, pointer, name)
    elif "enum" in schema:
        known = [str(each) for each in schema["enum"]]
        if not isinstance(value, str):
            yield DocumentProblem(
                pointer, f"{name} must be {_noun(schema)}, not {_shown(value)}", tuple(known)
            )
        elif value not in known:
            yield misspelled(pointer, f"value of {name}", value, known)
    elif not _has_type(value, schema):
        yield _wrong_type(value, (_noun(schema),), pointer, name)
    elif isinstance(value, dict):
        yield from _in_table(cast("dict[object, object]", value), schema, pointer, name)
    elif isinstance(value, list):
        for index, each in enumerate(cast("list[object]", value)):
            yield from violations(each, schema.get("items", {}), f"{pointer}/{index}", f"{name}[{index}]")


def _wrong_type(value: object, nouns: tuple[str, ...], pointer: str, name: str) -> DocumentProblem:
    shown_nouns = [noun for noun in nouns if noun != _NOUNS["null"]] or nouns  # null is the same as no value
    return DocumentProblem(pointer, f"{name} must be {_either(shown_nouns)}, not {_shown(value)}", nouns)


def misspelled(pointer: str, kind: str, given: str, known: Iterable[str]) -> DocumentProblem:
    """The problem of an unknown name, with suggestions."""
    names = tuple(known)
    return DocumentProblem(pointer, unknown(kind, given, names), names, tuple(close_names(given, names)))


def escaped(key: str) -> str:
    """A key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _in_table(
    table: dict[object, object], schema: Schema, pointer: str, name: str
) -> Iterator[DocumentProblem]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others: Schema | bool = schema.get("additionalProperties", {})
    for key, each in table.items():
        text = str(key)
        place = f"{pointer}/{escaped(text)}"
        if text in properties:
            yield from violations(each, properties[text], place, text)
        elif isinstance(others, dict):
            yield from violations(each, others, place, text)
        else:
            yield misspelled(place, f"key of {name}" if name else "key", text, properties)
    for key in schema.get("required", ()):
        if key not in table:
            yield DocumentProblem(pointer, f"{name}: {key} is missing", (key,))


def _of_any(value: object, schema: Schema, pointer: str, name: str) -> Iterator[DocumentProblem]:
    fitting = [each for each in schema["anyOf"] if _has_type(value, each)]
    if not fitting:
        yield _wrong_type(value, tuple([_noun(each) for each in schema["anyOf"]]), pointer, name)
        return
    found = [list(violations(value, each, pointer, name)) for each in fitting]
    if all(found):
        yield from found[0]


def _has_type(value: object, schema: Schema) -> bool:
    if "const" in schema:
        return value is schema["const"]
    if "enum" in schema:
        return isinstance(value, str)
    match schema.get("type"):
        case None:
            return True
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case _:
            return value is None


def _noun(schema: Schema) -> str:
    if "const" in schema:
        return str(schema["const"]).lower()
    if "enum" in schema:
        return _either([str(each) for each in schema["enum"]])
    return _NOUNS[schema["type"]]


def _either(nouns: Iterable[str]) -> str:
    *first, last = dict.fromkeys(nouns)
    return f"{', '.join(first)} or {last}" if first else last


def _shown(value: object) -> str:
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case _:
            return shown(value)
