"""Why a request was sent."""

from __future__ import annotations

from typing import NamedTuple


class Probe(NamedTuple):
    """Why a request was sent: its kind (`refuse`, `accept`, `poll`, ...), what it is about, in which way."""

    kind: str
    about: str = ""
    tag: str = ""

    def __str__(self) -> str:
        return " / ".join(part for part in self if part)
