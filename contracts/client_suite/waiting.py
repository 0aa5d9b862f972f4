"""Properties of waiting: it ends where the task ends and only there, in time, and without hammering."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from hypothesis import strategies as st

from contracts.client_suite.adapter import ClientAdapter
from contracts.client_suite.bench import Attempt, Bench, Property, fault
from contracts.client_suite.reading import judge_outcome
from contracts.client_suite.scripts import out_of_order, shown, task
from contracts.client_suite.stand_in import Reply
from contracts.response_schemas import TASK_ID
from contracts.vocabulary import ASSUMED, KLING_PAGE, TERMINAL, TaskStatus

# Seconds to wait, and how much later is still in time: one pause between two queries, one request.
_DEADLINE: Final = 60.0
_SLACK: Final = 15.0
# The same for clients that take real time.
_REAL_DEADLINE: Final = 1.0
_REAL_SLACK: Final = 4.0
_PATIENCE: Final = 600.0
_REAL_PATIENCE: Final = 30.0
# More queries a second than this are hammering. Published clients ask every 1 to 10 seconds.
_MOST_A_SECOND: Final = 10
_SLOW: Final = 5.0

_UNKNOWN: Final = "queued"
_ROADS: Final = (
    (),
    (TaskStatus.PROCESSING,),
    (TaskStatus.SUBMITTED, TaskStatus.PROCESSING),
    (TaskStatus.SUBMITTED,) * 2 + (TaskStatus.PROCESSING,) * 4,
)


def waiting(adapter: ClientAdapter) -> Iterator[Property]:
    """The properties of waiting."""
    for end in sorted(TERMINAL):
        yield Property(
            id=f"client.ends_at_terminal[{end.value}]",
            sentence=f"waiting ends at {end.value}, with what the task came to, and asks no more",
            source=KLING_PAGE,
            check=partial(_ends_at, end),
        )
    for status in (TaskStatus.SUBMITTED, TaskStatus.PROCESSING, _UNKNOWN):
        name = status.value if isinstance(status, TaskStatus) else "unknown-status"
        yield Property(
            id=f"client.ends_only_at_terminal[{name}]",
            sentence="waiting goes on while the task has not ended, whatever its status is called",
            source=KLING_PAGE,
            check=partial(_goes_on, status),
        )
    running = task(TaskStatus.PROCESSING)
    troubles: dict[str, tuple[str, Reply]] = {
        "held": ("a task that does not end", shown(running)),
        "unavailable": ("a service that answers 503", out_of_order(503)),
    }
    if adapter.virtual_time:
        troubles["slow-replies"] = (
            f"a service that takes {_SLOW:g} s for each reply",
            shown(running, seconds=_SLOW),
        )
    for name, (whom, reply) in troubles.items():
        yield Property(
            id=f"client.keeps_deadline[{name}]",
            sentence=f"waiting for {whom} is over at the deadline, with an error, and nothing is sent after",
            source=ASSUMED,
            check=partial(_keeps_deadline, reply),
        )
    yield Property(
        id="client.pauses",
        sentence=f"while it waits it asks at most {_MOST_A_SECOND} times a second",
        source=ASSUMED,
        check=_pauses,
    )


def _ends_at(end: TaskStatus, bench: Bench) -> None:
    message = task(end, pictures=bench.pictures)

    def judge(road: tuple[TaskStatus, ...]) -> None:
        bench.play(queries=[*(shown(task(status)) for status in road), shown(message)])
        attempt = bench.wait(TASK_ID, _patience(bench))
        on_the_way = f"{' '.join(map(str, road))} {end}".strip()
        if attempt.overdue or not 1 <= len(attempt.queries) <= len(road) + 1:
            fault(
                f"{len(road) + 1} queries: the last one saw {end}",
                f"{len(attempt.queries)} queries, and {attempt}",
                tag=on_the_way,
            )
        if len(attempt.queries) > len(road):  # who ends too early is asked for that elsewhere
            judge_outcome(attempt, message, on_the_way)

    bench.for_all(st.sampled_from(_roads(bench)), judge, len(_ROADS))


def _roads(bench: Bench) -> tuple[tuple[TaskStatus, ...], ...]:
    return _ROADS if bench.adapter.virtual_time else _ROADS[:2]


def _goes_on(status: TaskStatus | str, bench: Bench) -> None:
    """What it makes of the end is asked elsewhere: here it only has to look once more."""
    looks = 3 if bench.adapter.virtual_time else 1
    end = shown(task(TaskStatus.SUCCEED, pictures=bench.pictures))
    bench.play(queries=[*[shown(task(status))] * looks, end])
    attempt = bench.wait(TASK_ID, _patience(bench))
    if len(attempt.queries) <= looks:
        fault(
            f"more than {looks} queries, as the task is {str(status)!r}",
            f"{len(attempt.queries)}, then {attempt}",
        )


def _keeps_deadline(reply: Reply, bench: Bench) -> None:
    deadline, slack = _deadline(bench)
    bench.play(queries=[reply])
    attempt = bench.wait(TASK_ID, deadline)
    if attempt.overdue or attempt.seconds > deadline + slack:
        fault(f"an end within {deadline:g} s, or a little later", f"{attempt.seconds:.0f} s: {attempt}")
    if attempt.error is None and attempt.status in TERMINAL:
        fault("an error: the task has not ended", attempt)
    if attempt.late:
        fault("nothing sent after the end of waiting", f"{attempt.late} requests, from another thread")


def _pauses(bench: Bench) -> None:
    deadline, _ = _deadline(bench)
    bench.play(queries=[shown(task(TaskStatus.PROCESSING))])
    attempt = bench.wait(TASK_ID, deadline)
    _require_pauses(attempt, max(attempt.seconds, deadline))


def _require_pauses(attempt: Attempt, seconds: float) -> None:
    if len(attempt.queries) > _MOST_A_SECOND * seconds:
        fault(
            f"at most {_MOST_A_SECOND * seconds:.0f} queries in {seconds:.0f} s",
            f"{len(attempt.queries)} queries",
        )


def _deadline(bench: Bench) -> tuple[float, float]:
    virtual = bench.adapter.virtual_time
    return (_DEADLINE, _SLACK) if virtual else (_REAL_DEADLINE, _REAL_SLACK)


def _patience(bench: Bench) -> float:
    return _PATIENCE if bench.adapter.virtual_time else _REAL_PATIENCE
