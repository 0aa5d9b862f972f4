"""A step of the campaign: what it sends, what it may cost, which checks it feeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase

from kling_contracts.verify.check import Need
from kling_contracts.verify.session import Session


class Stage(IntEnum):
    """When a step runs: what is free first, what costs most late, then what needs ended tasks."""

    READING = 0
    REFUSED = 1
    CREATING = 2
    RUNNING = 3
    LARGE = 4
    EXTRA = 5
    ENDING = 6
    ENDED = 7


@dataclass(frozen=True, kw_only=True)
class Step:
    """`reserves` is the largest number of images set aside at once, `keeps` what a right server creates.

    `feeds` are patterns of check ids (`refuses.*`). `requests` is how many are sent, roughly where a step
    waits for something.
    """

    name: str
    stage: Stage
    does: str
    run: Callable[[Session], None]
    requests: int
    feeds: tuple[str, ...]
    reserves: int = 0
    keeps: int = 0
    needs: frozenset[Need] = frozenset()
    must: bool = True

    def serves(self, check_id: str) -> bool:
        return any(fnmatchcase(check_id, pattern) for pattern in self.feeds)
