"""Readers of create requests, compiled from operations: a body is decoded and validated in one pass.

A compiled reader accepts a body only if it is valid and needs no note; the result is then that of
`Operation.read`. It leaves every other body to `Operation.read`, which alone words violations and notes: also
bodies with inline pictures, aliases, null, empty strings, unknown or duplicate keys, and unusual URLs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeAlias, assert_never, cast

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation
from kling_contracts.web_urls import AUTHORITY_MAXIMUM, PLAIN_URL

# Larger bodies contain inline pictures, as a rule.
SIZE_MAXIMUM: Final = 16 * 1024
_PLAIN_URLS: Final = re.compile(rf"(?:{PLAIN_URL.pattern}\n)*+")

# The values of `Operation.value_names`, with defaults; the path of each picture; the URL of each.
UsualBody: TypeAlias = tuple[tuple[object, ...], tuple[str, ...], list[str]]
CompiledReader: TypeAlias = Callable[[bytes], UsualBody | None]


@lru_cache
def compiled_reader(operation: Operation) -> CompiledReader | None:
    """The reader of an operation. It returns None for a body that it does not accept.

    None if it would not accept any: for an operation with constraints, or with a required field of other
    fields. Optional fields of that kind, like aliases, are unknown keys to the reader.
    """
    kinds = {field.name: kind_of(field) for field in operation.fields}
    if operation.constraints or any(field.required and not kinds[field.name] for field in operation.fields):
        return None
    return run(source(operation, kinds), operation, kinds)


def run(code: str, operation: Operation, kinds: Mapping[str, Any]) -> CompiledReader:
    """The function that the code of a reader defines."""
    names: dict[str, Any] = {
        "decode": msgspec.json.Decoder(_struct(operation, kinds)).decode,
        "astuple": astuple,
        "has_marks": _has_marks,
        "are_plain": _are_plain,
    }
    for at, field in enumerate(operation.fields):
        names[f"default{at}"] = field.default
        names[f"paths{at}"] = _paths(field)
        if isinstance(field, Integer | Number):
            names[f"low{at}"], names[f"high{at}"] = field.minimum.value, field.maximum.value
    exec(code, names)  # noqa: S102 -- of the declaration, the code has only numbers
    return cast("CompiledReader", names["read"])


def source(operation: Operation, kinds: Mapping[str, Any]) -> str:
    """The code of the reader of an operation, in which fields have numbers."""
    fields = list(enumerate(operation.fields))
    decoded = [f"value{at}" for at, field in fields if kinds[field.name]]
    values = [f"value{at}" for at, field in fields if field.name in operation.value_names]
    lines = [
        f"if len(body) > {SIZE_MAXIMUM}:",
        "    return None",
        "try:",
        f"    {', '.join(decoded)}, = astuple(decode(body))",
        "except (ValueError, RecursionError):",
        "    return None",
        "marks, paths, urls, links = 0, (), [], []",
    ]
    for at, field in fields:
        value = f"value{at}"
        if kinds[field.name]:
            lines += [f"if {value} is not None:", *_lines(field, at)]
            lines += ["else:", f"    {value} = default{at}"] if field.default is not None else []
        else:
            lines.append(f"{value} = default{at}")
    lines += [
        "if not has_marks(body, marks) or not are_plain([*urls, *links, '']):",
        "    return None",
        f"return ({', '.join(values)},), paths, urls",
    ]
    return "\n".join(["def read(body):", *[f"    {line}" for line in lines]])


def _lines(field: AnyField, at: int) -> Iterator[str]:
    """The code for a given value: it counts the quotation marks of key and value, and collects URLs."""
    value = f"value{at}"
    match field:
        case PictureList():
            yield f"    marks += 2 + 4 * len({value})"
            yield f"    paths += paths{at}[:len({value})]"
            yield f"    urls += [each.url for each in {value}]"
        case Picture():
            yield "    marks += 4"
            yield f"    paths += paths{at}"
            yield f"    urls.append({value})"
        case CallbackUrl():
            yield "    marks += 4"
            yield f"    links.append({value})"
        case Integer() | Number():
            yield "    marks += 2"
            yield f"    if not low{at} <= {value} <= high{at}:"
            yield "        return None"
            if isinstance(field, Number) and field.decimals:
                yield f"    if round({value}, {field.decimals.value}) != {value}:"
                yield "        return None"
        case Flag():
            yield "    marks += 2"
        case Text() | Choice():
            yield "    marks += 4"
        case Nested() | ListOf():
            pass
        case _:
            assert_never(field)


def _struct(operation: Operation, kinds: Mapping[str, Any]) -> type[msgspec.Struct]:
    """The type of a body, with fields `value0`, `value1`, ...; a given value is never None."""
    fields: list[Any] = []
    names: dict[str, str] = {}
    for at, field in enumerate(operation.fields):
        kind, value = kinds[field.name], f"value{at}"
        if kind:
            fields.append((value, kind) if field.required else (value, kind, None))
            names[value] = field.name
    return _defined("Body", fields, names)


def _defined(name: str, fields: list[Any], names: dict[str, str]) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, fields, rename=names, kw_only=True, forbid_unknown_fields=True, gc=False)


def kind_of(field: AnyField) -> Any:
    """The type with which msgspec decodes a given value; None for a field of other fields."""
    match field:
        case CallbackUrl() | Picture():
            longest = field.maximum.value if isinstance(field, Text) and field.maximum else AUTHORITY_MAXIMUM
            return Annotated[str, Meta(max_length=min(longest, AUTHORITY_MAXIMUM))]
        case Text(maximum=maximum):
            return Annotated[str, Meta(min_length=1, max_length=maximum.value if maximum else None)]
        case Choice():
            return cast("Any", Literal)[tuple(option for option in field.options.value if option)]
        case Integer():
            return int
        case Number():
            return int | float
        case Flag():
            return bool
        case PictureList():
            item = _defined("Item", [("url", kind_of(field.item))], {"url": field.item.name})
            shortest = max(field.minimum.value, 1)  # an empty list counts as missing
            return Annotated[list[item], Meta(min_length=shortest, max_length=field.maximum.value)]  # type: ignore[valid-type] # made above
        case Nested() | ListOf():
            return None
        case _:
            assert_never(field)


def _paths(field: AnyField) -> tuple[str, ...]:
    """The path of a picture, or of every picture of a list."""
    return tuple(path for _, path in field.paths) if isinstance(field, PictureList) else (field.name,)


def _has_marks(body: bytes, expected: int) -> bool:
    """Whether a body has this number of quotation marks, apart from those within strings.

    The decoder keeps the last of duplicate keys only, so the marks of the others are superfluous.
    """
    marks = body.count(b'"')
    # With escaped backslashes it is not plain which marks are escaped.
    return marks == expected or (b"\\\\" not in body and marks - body.count(b'\\"') == expected)


def _are_plain(urls: list[str]) -> bool:
    """Whether all of these, except the last, which is empty, are URLs that need no closer look."""
    text = "\n".join(urls)
    # A text with a newline could pass as two URLs.
    return _PLAIN_URLS.fullmatch(text) is not None and text.count("\n") == len(urls) - 1
