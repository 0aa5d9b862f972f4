"""Servers with wrong timestamps."""

from __future__ import annotations

from typing import Final

from tests.contracts.verify.faulty_servers.base import Group
from tests.contracts.verify.faulty_servers.messages import Object
from tests.contracts.verify.faulty_servers.tasks import ENDS, EveryTask, PerTask, everywhere, whole

group: Final = Group()


@everywhere(group, "lifecycle.time.unit")
def seconds(task: Object) -> None:
    """Timestamps are in seconds."""
    task["created_at"] = whole(task["created_at"]) // 1000
    task["updated_at"] = whole(task["updated_at"]) // 1000


@everywhere(group, "lifecycle.time.unit")
def microseconds(task: Object) -> None:
    """Timestamps are in microseconds."""
    task["created_at"] = whole(task["created_at"]) * 1000
    task["updated_at"] = whole(task["updated_at"]) * 1000


@everywhere(group, "lifecycle.time.unit")
def texts_for_stamps(task: Object) -> None:
    """Timestamps are strings."""
    task["created_at"], task["updated_at"] = str(task["created_at"]), str(task["updated_at"])


@everywhere(group, "lifecycle.time.unit")
def fractions(task: Object) -> None:
    """Timestamps are fractional seconds."""
    task["created_at"] = whole(task["created_at"]) / 1000
    task["updated_at"] = whole(task["updated_at"]) / 1000


@everywhere(group, "lifecycle.time.unit")
def dates(task: Object) -> None:
    """Timestamps are ISO dates."""
    task["created_at"] = task["updated_at"] = "2026-01-01T00:00:00Z"


@everywhere(group, "lifecycle.time.unit")
def float_stamps(task: Object) -> None:
    """Timestamps are fractional milliseconds."""
    task["created_at"], task["updated_at"] = (
        float(whole(task["created_at"])),
        float(whole(task["updated_at"])),
    )


@everywhere(group, "lifecycle.time.order")
def swapped_stamps(task: Object) -> None:
    """updated_at is before created_at."""
    task["updated_at"] = 2 * whole(task["created_at"]) - whole(task["updated_at"])


@group.server("lifecycle.time.created")
class CreatedNow(PerTask):
    """created_at changes during processing."""

    def mutate(self, name: str, task: Object) -> None:
        if task["task_status"] == "processing":
            task["created_at"] = whole(task["created_at"]) + self.reads[name]


@group.server("lifecycle.time.decreasing")
class SeveralClocks(EveryTask):
    """The terminal status has an updated_at of a slow clock."""

    def mutate(self, task: Object) -> None:
        if task["task_status"] in ENDS:
            task["updated_at"] = whole(task["created_at"]) + 1


@group.server("lifecycle.time.unchanged")
class UpdatedNow(PerTask):
    """updated_at changes with every poll."""

    def mutate(self, name: str, task: Object) -> None:
        task["updated_at"] = whole(task["updated_at"]) + self.reads[name]


@group.server("lifecycle.time.unchanged")
class ProcessingTicks(PerTask):
    """updated_at changes during processing."""

    def mutate(self, name: str, task: Object) -> None:
        if task["task_status"] == "processing":
            task["updated_at"] = whole(task["updated_at"]) + self.reads[name]


@everywhere(group, "lifecycle.clock")
def another_time_zone(task: Object) -> None:
    """Timestamps are eight hours ahead."""
    for name in ("created_at", "updated_at"):
        task[name] = whole(task[name]) + 8 * 3600 * 1000


@everywhere(group, "lifecycle.clock")
def a_constant_epoch(task: Object) -> None:
    """created_at is always the same date in the past."""
    offset = whole(task["updated_at"]) - whole(task["created_at"])
    task["created_at"], task["updated_at"] = 1722769557708, 1722769557708 + offset


@everywhere(group, "lifecycle.time.moves")
def never_updated(task: Object) -> None:
    """updated_at is always equal to created_at."""
    task["updated_at"] = task["created_at"]
