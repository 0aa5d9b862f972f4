"""The life cycle of a task: the legal transitions, and a check of observations of a task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from kling_contracts.messages import Result, ResultMedia, TaskMessage
from kling_contracts.vocabulary import ResultKind, TaskStatus

_S = TaskStatus

# A failing task may skip `processing` (captured: failed 1.65 s after its creation).
TRANSITIONS: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = MappingProxyType(
    {
        _S.SUBMITTED: frozenset({_S.PROCESSING, _S.FAILED}),
        _S.PROCESSING: frozenset({_S.SUCCEED, _S.FAILED}),
        _S.SUCCEED: frozenset(),
        _S.FAILED: frozenset(),
    }
)


def _reachable(status: TaskStatus) -> frozenset[TaskStatus]:
    found = {status}
    pending = [status]
    while pending:
        new = TRANSITIONS[pending.pop()] - found
        found |= new
        pending.extend(new)
    return frozenset(found)


# The states that a later poll can observe: the reflexive, transitive closure of TRANSITIONS.
REACHABLE: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = MappingProxyType(
    {status: _reachable(status) for status in TaskStatus}
)


@dataclass(frozen=True, slots=True)
class LifecycleViolation:
    """A broken rule of the life cycle. `at` is the index of the observation."""

    rule: str
    at: int
    sentence: str

    def __str__(self) -> str:
        return f"observation {self.at}: {self.sentence} ({self.rule})"


def check_lifecycle(
    observations: Sequence[TaskMessage],
    *,
    n: int | None = None,
    complete: bool = False,
    kind: ResultKind = ResultKind.IMAGES,
) -> tuple[LifecycleViolation, ...]:
    """The violations in observations of one task, oldest observation first; empty if there are none.

    `n` is the number of results requested, if known, and `kind` their expected kind. `complete` means that
    the observations include every change (all callbacks, for example), so that a skipped state is a
    violation; polls can miss `processing`.
    """
    return tuple(_violations(observations, n, kind, complete=complete))


def _violations(
    observations: Sequence[TaskMessage], n: int | None, kind: ResultKind, *, complete: bool
) -> Iterator[LifecycleViolation]:
    for at, seen in enumerate(observations):
        yield from _check_one(seen, at, n, kind)
    for at, (before, after) in enumerate(pairwise(observations), start=1):
        yield from _check_pair(before, after, at, complete=complete)


def _check_one(seen: TaskMessage, at: int, n: int | None, kind: ResultKind) -> Iterator[LifecycleViolation]:
    status = seen.task_status
    if not isinstance(status, TaskStatus):
        yield LifecycleViolation("status.word", at, f"task_status {status!r} is not a status of this API")
        return
    for name, stamp in (("created_at", seen.created_at), ("updated_at", seen.updated_at)):
        # Seconds (10^9) and microseconds (10^15) are the usual wrong units.
        if stamp is None or not 10**12 <= stamp < 10**13:
            yield LifecycleViolation("time.unit", at, f"{name} {stamp!r} is not in Unix milliseconds")
    if seen.created_at and seen.updated_at and seen.updated_at < seen.created_at:
        yield LifecycleViolation("time.order", at, "updated_at is before created_at")
    results = seen.results_of(kind)
    # Results of another kind do not count.
    if (status is TaskStatus.SUCCEED) != bool(results) or (seen.results and not results):
        yield LifecycleViolation("images.presence", at, f"task has {len(results)} {kind} in status {status}")
    if status is TaskStatus.SUCCEED:
        yield from _check_results(results, at, n, kind)
    if status is TaskStatus.FAILED and not (seen.task_status_msg or "").strip():
        yield LifecycleViolation("failed.message", at, "failed task has no task_status_msg")
    if not status.terminal and seen.task_status_msg:
        yield LifecycleViolation("running.message", at, f"task in status {status} has a task_status_msg")
    if status is TaskStatus.SUCCEED and seen.task_status_msg:
        yield LifecycleViolation("succeed.message", at, "succeeded task has a task_status_msg")


def _check_results(
    results: Sequence[Result], at: int, n: int | None, kind: ResultKind
) -> Iterator[LifecycleViolation]:
    if n is not None and len(results) != n:
        yield LifecycleViolation("images.count", at, f"task has {len(results)} {kind}; {n} were requested")
    media = [result for result in results if isinstance(result, ResultMedia)]
    indices = [result.index for result in results if not isinstance(result, ResultMedia)]
    if indices != list(range(len(indices))):
        yield LifecycleViolation("images.index", at, f"indices are {indices}, not 0, 1, ...")
    ids = {result.id for result in media}
    if None in ids or len(ids) != len(media):
        yield LifecycleViolation(
            "media.id", at, f"{kind} have missing or equal ids: {[it.id for it in media]}"
        )
    for each in media:
        if not _is_duration(each.duration):
            yield LifecycleViolation(
                "media.duration", at, f"duration {each.duration!r} is not a positive number of seconds"
            )
    if len({result.url for result in results}) != len(results):
        yield LifecycleViolation("images.distinct", at, f"two {kind} have the same URL")
    for result in results:
        if not result.url.startswith(("https://", "http://")):
            yield LifecycleViolation("images.absolute", at, f"URL {result.url!r} is not absolute")


def _is_duration(text: str | None) -> bool:
    try:
        return 0 < float(text or "") < math.inf
    except ValueError:
        return False


def _check_pair(
    before: TaskMessage, after: TaskMessage, at: int, *, complete: bool
) -> Iterator[LifecycleViolation]:
    old, new = before.task_status, after.task_status
    if before.task_id != after.task_id:
        yield LifecycleViolation("task.id", at, f"task_id changed from {before.task_id} to {after.task_id}")
    if before.created_at != after.created_at:
        yield LifecycleViolation("time.created", at, "created_at changed")
    # A missing timestamp is reported by time.unit.
    if before.updated_at and after.updated_at and before.updated_at > after.updated_at:
        yield LifecycleViolation("time.decreasing", at, "updated_at decreased")
    if not (isinstance(old, TaskStatus) and isinstance(new, TaskStatus)):
        return
    if old is new and before.updated_at != after.updated_at:
        yield LifecycleViolation("time.unchanged", at, f"updated_at changed while the status stayed {new}")
    if old.terminal and old is not new:
        yield LifecycleViolation("state.absorbing", at, f"terminal status {old} changed to {new}")
    elif new not in REACHABLE[old]:
        yield LifecycleViolation("state.order", at, f"status changed from {old} to {new}")
    elif complete and old is not new and new not in TRANSITIONS[old]:
        yield LifecycleViolation("state.skipped", at, f"status changed from {old} directly to {new}")
    elif old.terminal and _end(before) != _end(after):
        yield LifecycleViolation("state.stable", at, "results or message of a finished task changed")


def _end(task: TaskMessage) -> tuple[object, ...]:
    return (task.results, task.task_status_msg, task.external_task_id, task.final_unit_deduction)
