"""What spoils tasks: all of them wherever they are shown, or each by what was seen of it before."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Final

from kling_contracts.witnesses.message import Answer, Ask, Callback, Object
from kling_contracts.witnesses.witness import Behind, Faulty, Group

Spoil = Callable[[Object], object]

ENDS: Final = ("succeed", "failed")


class EveryTask(Faulty):
    """Spoils each task object wherever it is shown: answers, lists, callbacks."""

    def spoil(self, task: Object) -> None:
        """Change a task object."""

    def after(self, ask: Ask, answer: Answer) -> None:
        for task in answer.tasks:
            self.spoil(task)

    def call_back(self, callback: Callback) -> list[Callback]:
        self.spoil(callback.task)
        return [callback]


def everywhere(group: Group, catches: str) -> Callable[[Spoil], Spoil]:
    """A witness that is a function: it spoils every task object."""

    def note(spoil: Spoil) -> Spoil:
        class Spoiling(EveryTask):
            def spoil(self, task: Object) -> None:
                spoil(task)

        group.add(catches, spoil.__name__, (spoil.__doc__ or "").strip(), Spoiling)
        return spoil

    return note


def whole(value: object) -> int:
    """A stamp or an index, 0 if it is none."""
    return value if isinstance(value, int) else 0


class PerTask(Faulty):
    """Remembers something of each task by its id."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.reads: dict[str, int] = {}
        self.first: dict[str, Object] = {}
        self.latest: dict[str, Object] = {}

    def after(self, ask: Ask, answer: Answer) -> None:
        task = answer.task
        if task and ask.task_id:
            name = str(task["task_id"])
            self.reads[name] = self.reads.get(name, 0) + 1
            right = copy.deepcopy(task)
            self.spoil(name, task)
            self.first.setdefault(name, right)
            self.latest[name] = right

    def spoil(self, name: str, task: Object) -> None:
        """Change the task that a query shows."""

    def ended_reads(self, name: str, task: Object) -> int:
        """Which look at an ended task this is, from 1."""
        key = f"{name} ended"
        if task["task_status"] in ENDS:
            self.reads[key] = self.reads.get(key, 0) + 1
        return self.reads.get(key, 0)
