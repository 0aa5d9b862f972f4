"""Bodies that the real service, or a page about it, has shown; transcribed by hand into `captured/`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import cast

from kling_contracts.vocabulary import Origin


class MessageKind(StrEnum):
    """Which message a captured body is."""

    CREATED = "created"  # the answer to a create request
    STATE = "state"  # the answer to a query
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A captured answer: where and when it was seen (a date as exact as known), HTTP status and body.

    `omitted` are the paths of what the source masks or does not tell; they are left out of the body.
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
    """All captured answers, by name."""
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
