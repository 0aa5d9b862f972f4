"""The end of a task, as it was seen: whether it came, as what, and after how long."""

from __future__ import annotations

from kling_contracts.verify.evidence import Evidence, Trace
from kling_contracts.verify.exchange import Exchange
from kling_contracts.vocabulary import TaskStatus


def ended(trace: Trace) -> bool:
    return trace.end is not None


def ended_as(trace: Trace, status: TaskStatus) -> bool:
    return trace.end is not None and trace.end.task.task_status == status


def task_of(evidence: Evidence, created: Exchange) -> Trace | None:
    """The task that a create made; None if its answer shows none."""
    return next((each for each in evidence.traces() if each.created is created), None)


def lasted(trace: Trace) -> float:
    """How long a task took to its end, by the stamps of the server, in seconds."""
    if trace.end is None:
        return 0.0
    task = trace.end.task
    return max((task.updated_at or 0) - (task.created_at or 0), 0) / 1000
