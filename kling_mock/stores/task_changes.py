"""The state of a task after each record about it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec.structs import replace

from kling_mock.records import AttemptRecord, FaultRecord, PlanRecord, PollRecord, TaskState

TaskChange = PlanRecord | PollRecord | FaultRecord | AttemptRecord


def changed(state: TaskState, record: TaskChange) -> TaskState:
    """The state of a task after a record about it."""
    return TASK_CHANGES[type(record)](state, record)


def _plan(state: TaskState, record: PlanRecord) -> TaskState:
    return replace(state, plan=record.plan, version=state.version + 1)


def _poll(state: TaskState, record: PollRecord) -> TaskState:
    times = state.times if record.at is None else (*state.times, record.at)
    return TaskState(
        state.record,
        state.plan,
        state.version + 1,
        state.polls + record.answered,
        times,
        state.attempts,
        state.fault_uses,
        state.unanswered + (not record.answered),
    )


def _fault(state: TaskState, record: FaultRecord) -> TaskState:
    return replace(state, fault_uses=record.uses, version=state.version + 1)


def _attempt(state: TaskState, record: AttemptRecord) -> TaskState:
    return replace(state, attempts=(*state.attempts, record))


# Each function accepts the type of record under which it is listed.
TASK_CHANGES: Final[Mapping[type[TaskChange], Callable[[TaskState, Any], TaskState]]] = MappingProxyType(
    {PlanRecord: _plan, PollRecord: _poll, FaultRecord: _fault, AttemptRecord: _attempt}
)
