"""State as JSON lines: a header, one line for each item, and a last line with their number and checksum."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, cast

from kling_mock.stores.record_format import VERSION, Item, decode, encode

FORMAT: Final = "kling-mock state"


def dump(items: Iterable[Item]) -> bytes:
    """The lines of a state."""
    lines = [json.dumps({"format": FORMAT, "version": VERSION}).encode()]
    lines += [encode(item) for item in items]
    text = b"\n".join(lines) + b"\n"
    end = {"end": FORMAT, "items": len(lines) - 1, "sha256": sha256(text).hexdigest()}
    return text + json.dumps(end).encode() + b"\n"


def parse(data: bytes, shown: Callable[[Sequence[bytes]], Iterable[bytes]] = iter) -> list[Item]:
    """The items of a state; `shown` may show the progress.

    Raises ValueError if the lines are foreign, newer, changed or incomplete.
    """
    lines = data.split(b"\n")
    version = _version(lines[0])
    if len(lines) < 3 or lines[-1] or not _is_object_with(lines[-2], "end", FORMAT):
        raise ValueError("it is incomplete: the last line is missing; export it again")
    end = cast("dict[str, object]", json.loads(lines[-2]))
    text = data[: len(data) - len(lines[-2]) - 1]
    if end.get("items") != len(lines) - 3 or end.get("sha256") != sha256(text).hexdigest():
        raise ValueError("it was changed after the export (its checksum differs); export it again")
    items: list[Item] = []
    for number, line in enumerate(shown(lines[1:-2]), 2):
        try:
            item = decode(line, version)
        except ValueError as error:
            raise ValueError(f"line {number}: {error!s:.200}") from None
        if item is not None:
            items.append(item)
    return items


def _version(line: bytes) -> int:
    """The version in a header."""
    header = json.loads(line) if _is_object_with(line, "format", FORMAT) else None
    version: object = None if header is None else header.get("version")
    if not isinstance(version, int) or version < 1:
        raise ValueError("it is not a state exported by kling-mock")
    if version > VERSION:
        raise ValueError(
            f"it has version {version} of the format, and this kling-mock reads up to {VERSION}; "
            "upgrade kling-mock"
        )
    return version


def _is_object_with(line: bytes, key: str, value: str) -> bool:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and cast("dict[str, object]", found).get(key) == value
