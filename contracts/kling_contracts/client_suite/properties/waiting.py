"""Properties of waiting: it ends when the task has ended, only then, and by the deadline."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from hypothesis import strategies as st

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.attempts import Attempt
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.harness import (
    REAL_DEADLINE,
    Harness,
    Inconclusive,
    Property,
    fault,
    require_no_end,
)
from kling_contracts.client_suite.properties.responses import judge_outcome
from kling_contracts.client_suite.replies import answer, out_of_order, shown, task
from kling_contracts.client_suite.server import STALL_SECONDS, ClientTimeout, Delivery, Reply
from kling_contracts.openapi.examples import TASK_ID
from kling_contracts.vocabulary import ASSUMED, KLING_PAGE, TERMINAL, TaskStatus

# Deadlines in seconds, and the tolerance: one pause between two queries, and one request.
_DEADLINES: Final = (60.0, 80.0, 100.0)
_SLACK: Final = 15.0
# The same for clients in real time.
_REAL_SLACK: Final = 4.0
_LONG_DEADLINE: Final = 600.0
_REAL_LONG_DEADLINE: Final = 30.0
_SLOW: Final = 5.0
# `service.timeout` in tests without a reply.
_SHORT: Final = 0.1

_SILENCE: Final = answer(None, delivery=Delivery.STALLED)

_UNKNOWN: Final = "queued"
# Statuses that a task has before its end.
_PATHS: Final = (
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
            hint="stop at `succeed` and `failed`; return or raise the reason of a failure",
            sentence=f"waiting ends at status {end.value}, with the result of the task",
            source=KLING_PAGE,
            check=partial(_ends_at, end),
        )
    for status in (TaskStatus.SUBMITTED, TaskStatus.PROCESSING, _UNKNOWN):
        name = status.value if isinstance(status, TaskStatus) else "unknown-status"
        yield Property(
            id=f"client.ends_only_at_terminal[{name}]",
            hint="keep polling at every status except `succeed` and `failed`, also at unknown ones",
            sentence="waiting continues while the task has not ended, also at an unknown status",
            source=KLING_PAGE,
            check=partial(_goes_on, status),
        )
    running = task(TaskStatus.PROCESSING)
    troubles: dict[str, tuple[str, Reply]] = {
        "held": ("a task that does not end", shown(running)),
        "unavailable": ("a service that responds with 503", out_of_order(503)),
    }
    if adapter.virtual_time:
        troubles["slow-replies"] = (
            f"a service that takes {_SLOW:g} s for each reply",
            shown(running, seconds=_SLOW),
        )
    for name, (subject, reply) in troubles.items():
        yield Property(
            id=f"client.keeps_deadline[{name}]",
            hint="compare time.monotonic() with the deadline before each query and each sleep",
            sentence=f"waiting for {subject} ends at the deadline, with an error and no further requests",
            source=ASSUMED,
            check=partial(_keeps_deadline, reply),
        )
    for name, check in {"create": _gives_up_a_create, "query": _gives_up_a_query}.items():
        yield Property(
            id=f"client.gives_up[{name}]",
            hint="pass a timeout (`service.timeout`) to the HTTP library, also for queries",
            sentence=f"a {name} without a response ends by a timeout",
            source=ASSUMED,
            check=check,
        )


def _ends_at(end: TaskStatus, harness: Harness) -> None:
    message = task(end, pictures=harness.pictures)

    def judge(path: tuple[TaskStatus, ...]) -> None:
        harness.answer_with(queries=[*(shown(task(status)) for status in path), shown(message)])
        attempt = harness.wait(TASK_ID, _long_deadline(harness))
        statuses = f"{' '.join(map(str, path))} {end}".strip()
        # Some clients poll for the status only, and get the result by another query.
        if attempt.overdue or not 1 <= len(attempt.queries) <= len(path) + 2:
            fault(
                f"{len(path) + 1} queries until {end}, and at most one more for the result",
                f"{len(attempt.queries)} queries, and {attempt}",
                tag=statuses,
            )
        if len(attempt.queries) > len(path):  # an end that is too early is another property
            judge_outcome(attempt, message, statuses)

    harness.for_all(st.sampled_from(_paths(harness)), judge, len(_PATHS))


def _paths(harness: Harness) -> tuple[tuple[TaskStatus, ...], ...]:
    return _PATHS if harness.adapter.virtual_time else _PATHS[:2]


def _goes_on(status: TaskStatus | str, harness: Harness) -> None:
    """The client must poll once more; parsing the end is another property."""
    polls = 3 if harness.adapter.virtual_time else 1
    end = shown(task(TaskStatus.SUCCEED, pictures=harness.pictures))
    harness.answer_with(queries=[*[shown(task(status))] * polls, end])
    attempt = harness.wait(TASK_ID, _long_deadline(harness))
    if len(attempt.queries) <= polls:
        fault(
            f"more than {polls} queries, since the status is {str(status)!r}",
            f"{len(attempt.queries)} queries, and {attempt}",
        )


def _keeps_deadline(reply: Reply, harness: Harness) -> None:
    """Several deadlines, because growing pauses may happen to end shortly after one of them."""
    deadlines, slack = _deadlines(harness)
    for deadline in deadlines:
        harness.answer_with(queries=[reply])
        attempt = harness.wait(TASK_ID, deadline)
        if attempt.overdue or attempt.seconds > deadline + slack:
            fault(
                f"an end after {deadline:g} s (tolerance {slack:g} s)", f"{attempt.seconds:.0f} s: {attempt}"
            )
        require_no_end(attempt, "an error, since the task has not ended")
        if attempt.late:
            fault(
                "no request after the end of waiting",
                f"{attempt.late} requests, from a thread or task that is still running",
            )


def _gives_up_a_create(harness: Harness) -> None:
    harness.timeout = _SHORT
    harness.answer_with(creates=[_SILENCE])
    _require_end(harness, harness.submit(smallest_body(harness)))


def _gives_up_a_query(harness: Harness) -> None:
    """The first query gets no reply; a retry does."""
    harness.timeout = _SHORT
    harness.answer_with(queries=[_SILENCE, shown(task(TaskStatus.PROCESSING))])
    _require_end(harness, harness.query(TASK_ID))


def _require_end(harness: Harness, attempt: Attempt) -> None:
    """A client that ignores `service.timeout` may have its own timeout, for which the suite does not wait."""
    outlasted = harness.server.outlasted
    if ClientTimeout.ENDLESS in outlasted or attempt.overdue:
        fault(
            "a request with a timeout: `service.timeout`, or the client's own",
            f"a request without one, still waiting after {STALL_SECONDS:g} s, then {attempt}",
        )
    if ClientTimeout.UNSEEN in outlasted:
        raise Inconclusive(
            f"the client waited for more than {STALL_SECONDS:g} s with a `service.timeout` of {_SHORT:g} s; "
            "its own timeout is unknown (another process, a library not in Python, or its own event loop)"
        )


def _deadlines(harness: Harness) -> tuple[tuple[float, ...], float]:
    virtual = harness.adapter.virtual_time
    return (_DEADLINES, _SLACK) if virtual else ((REAL_DEADLINE,), _REAL_SLACK)


def _long_deadline(harness: Harness) -> float:
    return _LONG_DEADLINE if harness.adapter.virtual_time else _REAL_LONG_DEADLINE
