"""Payments: the tasks that cost units, and the explanation of a wrong number of paid images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from kling_contracts.vocabulary import TaskStatus
from kling_mock.criteria import shown
from kling_mock.records import CallRecord, TaskRecord, TaskState
from kling_mock.task_request import TaskRequest
from kling_mock.testing.journal import SHOWN, elapsed, line, printable

# The number of the latest paid tasks that are compared in pairs.
COMPARED: Final = 60


class Payment(NamedTuple):
    """A task that costs units: it has succeeded, or is unfinished and its units are reserved."""

    record: TaskRecord
    status: TaskStatus


def payments(tasks: Sequence[TaskState], now: float) -> list[Payment]:
    """The payments of these tasks; failed tasks are free."""
    found = [Payment(task.record, task.at(now).status) for task in tasks]
    return [each for each in found if each.status is not TaskStatus.FAILED]


def explain(paid: Sequence[Payment], images: int, calls: Sequence[CallRecord]) -> str:
    """The message for an unexpected number of paid images: the payments, and the most similar requests.

    `calls` are the create requests of the journal, which may have dropped some.
    """
    found = sum(each.record.request.n for each in paid)
    lines = [f"expected {_images(images)} to be paid; found {found}, of {len(paid)} tasks:"]
    start = paid[0].record.created if paid else 0.0
    for record, status in paid[-SHOWN:]:
        units = f"{_images(record.request.n)}, {record.units} units"
        lines.append(f"  {elapsed(start, record.created)} task {record.id} {status}: {units}")
    if len(paid) > SHOWN:
        lines.insert(1, f"  {len(paid) - SHOWN} earlier ones")
    pair = _closest(paid) if found > images else None
    if pair is not None:
        lines += _double(*pair, {call.task_id: call for call in calls if call.task_id is not None})
    if found < images:
        refused = [call for call in calls if call.task_id is None]
        lines += ["refused create requests:", *(f"  {line(call)}" for call in refused[-SHOWN:])]
        lines += [] if refused else ["  none"]
    return "\n".join(map(printable, lines))


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _closest(paid: Sequence[Payment]) -> tuple[TaskRecord, TaskRecord] | None:
    """The two requests of one account with the fewest differences; of those, the closest in time."""
    records = [each.record for each in paid[-COMPARED:]]
    pairs = [(one, other) for one, other in combinations(records, 2) if one.account == other.account]
    return min(pairs, key=_distance, default=None)


def _distance(pair: tuple[TaskRecord, TaskRecord]) -> tuple[int, float]:
    one, other = pair
    return len(differences(one.request, other.request)), other.created - one.created


def _double(one: TaskRecord, other: TaskRecord, calls: Mapping[str | None, CallRecord]) -> Iterator[str]:
    unequal = differences(one.request, other.request)
    kind = "similar" if unequal else "equal"
    yield f"two {kind} requests were paid, {other.created - one.created:.3f} s apart:"
    for record in (one, other):
        call = calls.get(record.id)
        yield f"  task {record.id}, dropped from the journal" if call is None else f"  {line(call)}"
    for name, (first, second) in unequal.items():
        yield f"    {name}: {shown(first)}, then {shown(second)}"
    if not unequal:
        yield "    the bodies are equal"


def differences(one: TaskRequest, other: TaskRequest) -> Mapping[str, tuple[object, object]]:
    """The fields that differ, with both values (None: not given); pictures as URL or SHA-256."""
    first, second = _fields(one), _fields(other)
    names = dict.fromkeys((*first, *second))
    return {
        name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    }


def _fields(request: TaskRequest) -> Mapping[str, object]:
    pictures = {each.field: each.url or f"sha256:{each.sha256}" for each in request.pictures}
    marked = {"watermark_info": {"enabled": True}} if request.watermark else {}
    return {**request.values, **pictures, **marked}
