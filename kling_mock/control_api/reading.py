"""Reads query parameters and JSON bodies into models; an error is a `Problem` with the place of the value."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec

from kling_mock.control_api.problems import Problem, unknown_name
from kling_mock.http import decode
from kling_mock.json_schema import escaped

M = TypeVar("M")

BODY_BYTES: Final = 1024 * 1024
NUMBER_MAXIMUM: Final = 2**53
DEPTH_MAXIMUM: Final = 64
_PLACE: Final = re.compile(r"(.*) - at `(?:key in )?\$(.*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_QUERY_PARTS: Final = 100


def read_query(text: str, model: type[M]) -> M:
    """The parameters of a query string. A parameter that is unknown or given twice is an error."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_QUERY_PARTS, errors="strict")
    except ValueError as error:
        raise Problem(422, f"query: {error}", "?") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise Problem(422, f"{name[:100]}: given more than once", f"?{name[:100]}")
        given[name] = value
    _check_names(given, model, "?")
    try:
        found = msgspec.convert(given, model, strict=False)
    except msgspec.ValidationError as error:
        message, place = _parts(str(error))
        name = place.removeprefix("/")
        words = _words(model, name)
        listed = f"; known: {', '.join(words)}" if words else ""
        raise Problem(422, f"{name}: {message}{listed}", f"?{name}", words) from None
    for field, name in zip(*_fields_of(model), strict=True):
        if name in given and getattr(found, field) is None:  # msgspec converts the text "null"
            words = _words(model, name)
            raise Problem(422, f"{name}: null is not a value; omit the parameter", f"?{name}", words)
    return found


def read_body(body: bytes, model: type[M]) -> M:
    """The model in a JSON body. An empty body counts as `{}`."""
    value = read_json(body)
    if isinstance(value, dict):
        _check_names(value, model, "/")  # pyright: ignore[reportUnknownArgumentType] -- JSON
    try:
        return msgspec.convert(value, model)
    except msgspec.ValidationError as error:
        message, place = _parts(str(error))
        raise Problem(422, f"{place or 'body'}: {message}", place) from None
    except (OverflowError, RecursionError) as error:
        raise Problem(422, f"body: {error}", "") from None


def read_json(body: bytes) -> object:
    """The value of a JSON body; `{}` if it is empty. A name that occurs twice in an object is an error."""
    if not body.strip():
        return {}
    repeated: list[str] = []
    try:
        value = decode(body, repeated)
    except ValueError as error:
        raise Problem(400, f"the body is not valid JSON: {error}", "") from None
    if repeated:
        raise Problem(422, f"body: the name {repeated[0][:100]!r} occurs twice in an object", "")
    _check_values(value)
    return value


def _check_values(value: object) -> None:
    """Raise a problem for numbers beyond the integers that JSON texts exchange exactly, and deep nesting."""
    pending: list[tuple[object, str, int]] = [(value, "", 0)]
    while pending:
        each, pointer, depth = pending.pop()
        if isinstance(each, int | float) and not -NUMBER_MAXIMUM <= each <= NUMBER_MAXIMUM:
            raise Problem(422, f"{pointer or 'body'}: numbers must be from -2**53 to 2**53", pointer)
        if depth > DEPTH_MAXIMUM:
            raise Problem(422, f"body: nested more than {DEPTH_MAXIMUM} levels deep", pointer)
        if isinstance(each, dict):
            members = cast("dict[str, object]", each).items()
            pending += [(part, f"{pointer}/{escaped(name[:100])}", depth + 1) for name, part in members]
        elif isinstance(each, list):
            items = enumerate(cast("list[object]", each))
            pending += [(part, f"{pointer}/{index}", depth + 1) for index, part in items]


def _words(model: type[Any], name: str) -> tuple[str, ...]:
    """The words that a field of a model accepts, if it accepts only these."""
    fields = dict(zip(*reversed(_fields_of(model)), strict=True))
    kind = get_type_hints(model).get(fields.get(name, name))
    kinds = (kind, *get_args(kind))
    return tuple([word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)])


def _check_names(given: dict[str, Any], model: type[Any], place: str) -> None:
    """Raise a problem with similar names for the first name that the model does not have."""
    _, known = _fields_of(model)
    if not known:
        return
    for name in given:
        if name not in known:
            raise unknown_name("field", name, known, place)


def _fields_of(model: type[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a model, and their names in JSON; empty for another type."""
    names = getattr(model, "__struct_fields__", ()), getattr(model, "__struct_encode_fields__", ())
    return cast("tuple[tuple[str, ...], tuple[str, ...]]", names)


def _parts(text: str) -> tuple[str, str]:
    """Message and JSON pointer of an error of msgspec."""
    found = _PLACE.fullmatch(text)
    message, path = (text, "") if found is None else (found[1], found[2])
    pointer = "".join(f"/{escaped(step[1] or step[2])}" for step in _STEP.finditer(path))
    unknown = _UNKNOWN.fullmatch(message)
    if unknown is not None:
        return f"unknown field {unknown[1][:100]!r}", f"{pointer}/{escaped(unknown[1][:100])}"
    return message, pointer
