"""The list of equivalent faults, which change no behaviour, each with a reason.

An entry identifies a fault by its module, its function, class or constant, and the changed lines. So it still
matches after the lines are moved, and no longer matches after they are edited.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a fault: module, function, lines before and after, with normalised blanks."""

    module: str
    where: str
    before: str
    after: str

    @classmethod
    def between(cls, module: str, where: str, source: str, text: str) -> Change:
        lines = list(difflib.ndiff(source.splitlines(), text.splitlines()))
        old, new = ((_flat(line[2:] for line in lines if line.startswith(sign))) for sign in "-+")
        return cls(module, where, old, new)

    def __str__(self) -> str:
        return f"{self.module}, {self.where or 'top'}\n  - {self.before}\n  + {self.after or '(nothing)'}"


@dataclass(frozen=True, slots=True)
class Equivalent:
    """An accepted fault, or several faults of one line with the same reason."""

    module: str
    where: str
    before: str
    after: tuple[str, ...]
    reason: str

    def accepts(self, change: Change) -> bool:
        mine, its = (self.module, self.where, self.before), (change.module, change.where, change.before)
        return mine == its and change.after in self.after

    def __str__(self) -> str:
        return f"{self.module}, {self.where or 'top'}: {self.before}"


def read_accepted(path: Path) -> tuple[Equivalent, ...]:
    """Read the list. Raises ValueError for an entry with a missing or unknown key."""
    entries: list[Equivalent] = []
    for number, row in enumerate(tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", ()), 1):
        if set(row) != {"module", "where", "before", "after", "reason"} or not row["reason"]:
            raise ValueError(f"{path.name}: entry {number} needs module, where, before, after and a reason")
        after = [row["after"]] if isinstance(row["after"], str) else row["after"]
        before, flat = _flat([row["before"]]), tuple(_flat([each]) for each in after)
        entries.append(Equivalent(row["module"], row["where"], before, flat, row["reason"]))
    return tuple(entries)


def accepting(entries: Iterable[Equivalent], change: Change) -> Equivalent | None:
    """The entry that accepts a fault, or None."""
    return next((entry for entry in entries if entry.accepts(change)), None)


def _flat(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())
