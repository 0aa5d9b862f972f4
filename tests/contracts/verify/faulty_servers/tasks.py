"""Helpers for faulty servers that change task objects, or tasks by the number of polls."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Final

from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Callback, Object, Request, Response

Mutation = Callable[[Object], object]

ENDS: Final = ("succeed", "failed")


class EveryTask(FaultyServer):
    """Changes each task object in responses, lists and callbacks."""

    def mutate(self, task: Object) -> None:
        """Change a task object."""

    def after(self, request: Request, response: Response) -> None:
        for task in response.tasks:
            self.mutate(task)

    def call_back(self, callback: Callback) -> list[Callback]:
        self.mutate(callback.task)
        return [callback]


def everywhere(group: Group, catches: str) -> Callable[[Mutation], Mutation]:
    """A faulty server as a function that changes every task object."""

    def note(mutate: Mutation) -> Mutation:
        class Mutating(EveryTask):
            def mutate(self, task: Object) -> None:
                mutate(task)

        group.add(catches, mutate.__name__, (mutate.__doc__ or "").strip(), Mutating)
        return mutate

    return note


def whole(value: object) -> int:
    """A timestamp or an index; 0 for another type."""
    return value if isinstance(value, int) else 0


class PerTask(FaultyServer):
    """Stores data for each task by its id."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.reads: dict[str, int] = {}
        self.first: dict[str, Object] = {}
        self.latest: dict[str, Object] = {}

    def after(self, request: Request, response: Response) -> None:
        task = response.task
        if task and request.task_id:
            name = str(task["task_id"])
            self.reads[name] = self.reads.get(name, 0) + 1
            right = copy.deepcopy(task)
            self.mutate(name, task)
            self.first.setdefault(name, right)
            self.latest[name] = right

    def mutate(self, name: str, task: Object) -> None:
        """Change the task that a query shows."""

    def ended_reads(self, name: str, task: Object) -> int:
        """The number of this poll of an ended task, from 1."""
        key = f"{name} ended"
        if task["task_status"] in ENDS:
            self.reads[key] = self.reads.get(key, 0) + 1
        return self.reads.get(key, 0)
