"""Comparison of compiled readers with `Operation.read` and the decoder of Python."""

from __future__ import annotations

import json
from typing import NoReturn

from kling_contracts.compiled_readers import CompiledReader, UsualBody, compiled_reader
from kling_contracts.operations import Operation
from tests.contracts.reader_bodies import forms


def expected(operation: Operation, body: bytes) -> UsualBody | None:
    """The result for a valid body without inline pictures and notes; None for any other body."""

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("duplicate keys")
        return dict(pairs)

    def constant(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        value = json.loads(body.decode(), object_pairs_hook=members, parse_constant=constant)
    except (ValueError, RecursionError):
        return None
    reading = operation.read(value)
    urls = [picture.url for picture in reading.pictures if picture.url is not None]
    if reading.violations or reading.notes or len(urls) != len(reading.pictures):
        return None
    values = {**operation.defaults, **reading.values}
    items = tuple(values.get(name) for name in operation.value_names)
    return items, tuple(picture.field for picture in reading.pictures), urls


def agrees(read: CompiledReader, operation: Operation, body: bytes) -> bool:
    """Whether the result is the expected one, or the reader leaves the body to `Operation.read`."""
    found = read(body)
    return found is None or repr(found) == repr(expected(operation, body))


def read_alike(operation: Operation, body: object) -> bool:
    """Whether the compiled reader, if there is one, agrees on a body, however it is written."""
    read = compiled_reader(operation)
    return read is None or all(agrees(read, operation, text) for text in forms(body))
