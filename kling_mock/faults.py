"""Faults of a task: wrong replies to its queries and downloads, while the task itself stays right. Pure.

A fault is one record; its kind is a row of `KINDS`. It can be shown to queries in some statuses of the task;
of those it skips the first `after`, and ends after `polls` more or after `seconds`. Faults that change the
status are decided first, then those that change the task object, by the status that the reply shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from msgspec import Struct

from kling_contracts.vocabulary import TaskStatus
from kling_mock.argument_checks import check_positive, check_whole
from kling_mock.suggestions import unknown

SUBMITTED, PROCESSING, SUCCEED, FAILED = TaskStatus
UNFINISHED: Final = frozenset({SUBMITTED, PROCESSING})
ENDED: Final = frozenset({SUCCEED, FAILED})
ALWAYS: Final = UNFINISHED | ENDED

# The fields that `nulls_fields` sets by default: a client can do without them.
_OPTIONAL_KEYS: Final = ("task_status_msg", "task_info", "final_unit_deduction")
UNKNOWN_FIELDS: Final[Mapping[str, object]] = MappingProxyType({"progress": "50%", "extra": {"queue": []}})
# The fault of `pictures_are`.
PICTURE_FAULTS: Final = ("refused", "expired", "redirect", "html", "truncated", "slow")


if TYPE_CHECKING:
    FaultValue = Any  # depends on the kind
else:  # the types that `stores.record_format` decodes
    FaultValue = None | int | str | tuple[Any, ...] | dict[str, Any]


class Fault(Struct, frozen=True):
    """A fault of one task. `value` depends on the kind; `script` is the id of the script that caused it.

    Of the queries to which it can be shown it skips the first `after`, and ends after `polls` more, or this
    number of `seconds` after the change of the status (or the creation) with which it begins.
    """

    kind: str
    value: FaultValue = None
    after: int = 0
    polls: int | None = None
    seconds: float | None = None
    script: int | None = None

    def describe(self) -> str:
        value = "" if self.value is None or self.value == PROCESSING else f" {_text(self.value)}"
        parts = [f"after {self.after} {'query' if self.after == 1 else 'queries'}"] if self.after else []
        parts += [] if self.polls is None else ["once" if self.polls == 1 else f"{self.polls} times"]
        parts += [] if self.seconds is None else [f"for {self.seconds:g} s"]
        return f"{self.kind}{value}{' (' if parts else ''}{', '.join(parts)}{')' if parts else ''}"


def _text(value: object) -> str:
    return ", ".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else str(value)


class FaultUse(NamedTuple):
    """The number of queries to which a fault could be shown, and to which it was shown."""

    possible: int = 0
    shown: int = 0


class Stage(IntEnum):
    """The order in which faults are decided; those of downloads are not about queries."""

    HIDES = 0
    STATUS = 1
    MESSAGE = 2
    DOWNLOAD = 3


class FaultKind(NamedTuple):
    """A kind of fault.

    `statuses` are those in which it can be shown, `aspects` the parts of the behaviour that it decides.
    `scope` describes the queries in messages.
    """

    stage: Stage
    statuses: Callable[[Fault], frozenset[TaskStatus]]
    scope: str
    change: Callable[[dict[str, Any], Fault], None] | None = None
    aspects: frozenset[str] = frozenset()


class Moment(NamedTuple):
    """A query or download: the true status, the instants of its beginning, of the creation and of now."""

    status: TaskStatus
    at: float
    created: float
    now: float


class Sight(NamedTuple):
    """The view of one query: whether the task is unknown to it, the status and the faults that it shows."""

    hidden: bool
    status: TaskStatus
    faults: tuple[Fault, ...]
    uses: tuple[FaultUse, ...]


def uses_of(faults: Sequence[Fault], recorded: Sequence[FaultUse]) -> list[FaultUse]:
    """The uses of each fault; the later ones, which have no record yet, are unused."""
    return [*recorded, *[FaultUse()] * (len(faults) - len(recorded))]


def see(faults: Sequence[Fault], uses: Sequence[FaultUse], moment: Moment) -> Sight:
    """The faults that are shown to a query, and their number of uses after it."""
    counts = uses_of(faults, uses)
    seen: list[Fault] = []
    status = moment.status
    for stage in (Stage.HIDES, Stage.STATUS, Stage.MESSAGE):
        for position, fault in enumerate(faults):
            kind = KINDS[fault.kind]
            if kind.stage is not stage or status not in kind.statuses(fault):
                continue
            shown = is_shown(fault, counts[position], moment)
            possible, before = counts[position]
            counts[position] = FaultUse(possible + 1, before + shown)
            if not shown:
                continue
            seen.append(fault)
            if stage is Stage.HIDES:
                return Sight(True, status, tuple(seen), tuple(counts))
            if stage is Stage.STATUS:
                status = TaskStatus(fault.value)
    return Sight(False, status, tuple(seen), tuple(counts))


def is_shown(fault: Fault, use: FaultUse, moment: Moment) -> bool:
    """Whether a fault that can be shown has begun and has not ended."""
    if use.possible < fault.after or (fault.polls is not None and use.shown >= fault.polls):
        return False
    if fault.seconds is None:
        return True
    begins = moment.created if KINDS[fault.kind].statuses(fault) == ALWAYS else moment.at
    return moment.now < begins + fault.seconds


def change_task(task: dict[str, Any], faults: Sequence[Fault]) -> None:
    """Apply the faults that a query shows to its task object."""
    for fault in sorted(faults, key=lambda each: _ORDER[each.kind]):
        change = KINDS[fault.kind].change
        if change is not None:
            change(task, fault)


# -- the kinds


def _in(*statuses: TaskStatus) -> Callable[[Fault], frozenset[TaskStatus]]:
    found = frozenset(statuses)
    return lambda _: found


def _later(fault: Fault) -> frozenset[TaskStatus]:
    return ENDED if fault.value == PROCESSING else ENDED | {PROCESSING}


def _shown_at(fault: Fault) -> frozenset[TaskStatus]:
    return frozenset({fault.value[1]})


def _results(task: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The key and the list of the results of a succeeded task."""
    ((key, results),) = task["task_result"].items()
    return key, results


def _no_images(task: dict[str, Any], _: Fault) -> None:
    task["task_result"] = {_results(task)[0]: []}


def _no_index(task: dict[str, Any], _: Fault) -> None:
    key, results = _results(task)
    shown = [{name: value for name, value in each.items() if name != "index"} for each in results]
    task["task_result"] = {key: shown}


def _other_count(task: dict[str, Any], fault: Fault) -> None:
    key, results = _results(task)
    count = cast("int", fault.value)
    more = [{**results[-1], "index": index} for index in range(len(results), count)]
    task["task_result"] = {key: [*results[:count], *more]}


def _other_word(task: dict[str, Any], fault: Fault) -> None:
    task["task_status"] = fault.value[0]


def _more_fields(task: dict[str, Any], fault: Fault) -> None:
    task.update(fault.value or UNKNOWN_FIELDS)


def _nulls(task: dict[str, Any], fault: Fault) -> None:
    names = fault.value or _OPTIONAL_KEYS
    task.update(dict.fromkeys(names))
    if not fault.value and task["task_status"] not in ENDED:
        task["task_result"] = None


def _no_message(task: dict[str, Any], _: Fault) -> None:
    task.pop("task_status_msg", None)


def _seconds(task: dict[str, Any], _: Fault) -> None:
    for name in ("created_at", "updated_at"):
        task[name] //= 1000


_ANY: Final = _in(*TaskStatus)
_ON_SUCCESS: Final = _in(SUCCEED)
_ON_FAILURE: Final = _in(FAILED)
KINDS: Final[Mapping[str, FaultKind]] = MappingProxyType(
    {
        "appears_late": FaultKind(Stage.HIDES, _ANY, "soon after the creation"),
        "sticks": FaultKind(Stage.STATUS, _in(*ENDED), "after the end", aspects=frozenset({"status"})),
        "goes_back": FaultKind(
            Stage.STATUS, _later, "after a later status was shown", aspects=frozenset({"status"})
        ),
        "reads_stale": FaultKind(
            Stage.STATUS, _in(*ENDED), "after the end was shown", aspects=frozenset({"status"})
        ),
        "shows_status": FaultKind(Stage.MESSAGE, _shown_at, "in that status", _other_word),
        "miscounts": FaultKind(
            Stage.MESSAGE, _ON_SUCCESS, "that show success", _other_count, frozenset({"images"})
        ),
        "omits_images": FaultKind(
            Stage.MESSAGE, _ON_SUCCESS, "that show success", _no_images, frozenset({"images", "index"})
        ),
        "omits_index": FaultKind(
            Stage.MESSAGE, _ON_SUCCESS, "that show success", _no_index, frozenset({"index"})
        ),
        "omits_message": FaultKind(Stage.MESSAGE, _ON_FAILURE, "that show a failure", _no_message),
        "adds_fields": FaultKind(Stage.MESSAGE, _ANY, "of the task", _more_fields),
        "nulls_fields": FaultKind(Stage.MESSAGE, _ANY, "of the task", _nulls),
        "timestamps_in_seconds": FaultKind(Stage.MESSAGE, _ANY, "of the task", _seconds),
        "changes_shape": FaultKind(Stage.MESSAGE, _ANY, "of the task"),
        "pictures_are": FaultKind(Stage.DOWNLOAD, _ON_SUCCESS, "of result pictures"),
    }
)
_ORDER: Final = {kind: position for position, kind in enumerate(KINDS)}
# Faults that only a task with this end can show.
SUCCESS_ONLY: Final = frozenset(name for name, kind in KINDS.items() if kind.statuses is _ON_SUCCESS)
FAILURE_ONLY: Final = frozenset(name for name, kind in KINDS.items() if kind.statuses is _ON_FAILURE)


def make_fault(kind: str, value: object = None, **extent: object) -> Fault:
    """A fault of this kind. Raises ValueError, TypeError for an extent that is not one."""
    for name, given in extent.items():
        if name in ("after", "polls"):
            check_whole(name, given, 0 if name == "after" else 1)
        elif name == "seconds":
            check_positive(name, given)
        else:
            raise TypeError(unknown("argument", name, ("after", "polls", "seconds")))
    return Fault(kind, value, **cast("dict[str, Any]", extent))
