"""How a run went: what a report tells of it besides what was seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Course:
    """`images` were spent of `limit` (None: no limit); `started` is Unix time, `seconds` how long it took.

    `mock`: against a kling-mock, by its own word. `interrupted`: it did not come to its end; `note` says how
    far it came, where that is known.
    """

    images: int = 0
    limit: int | None = 0
    mock: bool = False
    started: float = 0.0
    seconds: float = 0.0
    interrupted: bool = False
    note: str = ""
