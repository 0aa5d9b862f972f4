"""Response bodies of the real service, captured or documented; transcribed by hand into `captured/`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import cast

from kling_contracts.vocabulary import Origin


class MessageKind(StrEnum):
    """The kind of message of a captured body."""

    CREATED = "created"  # response to a create request
    STATE = "state"  # response to a query
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A captured response: source, date (as exact as known), HTTP status and body.

    `omitted` lists the paths that the source masks or omits; `body` does not have them.
    """

    name: str
    source: str
    origin: Origin
    date: str
    status: int
    kind: MessageKind
    omitted: tuple[str, ...]
    note: str
    body: dict[str, object]


@cache
def captures() -> tuple[Capture, ...]:
    """All captured responses, sorted by name."""
    folder = files("kling_contracts") / "captured"
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return tuple(
        _read(entry.name.removesuffix(".json"), entry.read_text(encoding="utf-8"))
        for entry in entries
        if entry.name.endswith(".json")
    )


def _read(name: str, text: str) -> Capture:
    entry = cast("dict[str, object]", json.loads(text))
    return Capture(
        name=name,
        source=cast("str", entry["source"]),
        origin=Origin(cast("str", entry["mark"])),
        date=cast("str", entry["date"]),
        status=cast("int", entry["status"]),
        kind=MessageKind(cast("str", entry["kind"])),
        omitted=tuple(cast("list[str]", entry["omitted"])),
        note=cast("str", entry["note"]),
        body=cast("dict[str, object]", entry["body"]),
    )
