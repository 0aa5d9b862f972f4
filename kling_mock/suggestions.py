"""Parts of messages: unknown names, with suggestions; a number of things."""

from __future__ import annotations

from collections.abc import Iterable

from kling_contracts.suggestions import did_you_mean
from kling_contracts.vocabulary import TaskStatus


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A message such as "unknown field 'ratio'; did you mean 'aspect_ratio'?"."""
    names = list(dict.fromkeys(known))
    listed = f"known: {', '.join(names) or 'none'}"
    return f"unknown {kind} {name!r}; {did_you_mean(name, names, otherwise=listed)}"


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 task" or "2 tasks"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def status_of(name: str) -> TaskStatus:
    """The task status with this name. Raises ValueError with suggestions for an unknown one."""
    try:
        return TaskStatus(name)
    except ValueError:
        raise ValueError(unknown("status", name, [each.value for each in TaskStatus])) from None
