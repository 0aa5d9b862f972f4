"""Properties of waiting: it ends where the task ends and only there, and in time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from hypothesis import strategies as st

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.attempts import Attempt
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.harness import Harness, Inconclusive, Property, fault
from kling_contracts.client_suite.properties.responses import judge_outcome
from kling_contracts.client_suite.replies import answer, out_of_order, shown, task
from kling_contracts.client_suite.server import STALL_SECONDS, ClientTimeout, Delivery, Reply
from kling_contracts.openapi.examples import TASK_ID
from kling_contracts.vocabulary import ASSUMED, KLING_PAGE, TERMINAL, TaskStatus

# Seconds to wait, and how much later is still in time: one pause between two queries, one request.
_DEADLINES: Final = (60.0, 80.0, 100.0)
_SLACK: Final = 15.0
# The same for clients that take real time.
_REAL_DEADLINE: Final = 1.0
_REAL_SLACK: Final = 4.0
_LONG_DEADLINE: Final = 600.0
_REAL_LONG_DEADLINE: Final = 30.0
_SLOW: Final = 5.0
# `service.timeout` where no reply arrives.
_SHORT: Final = 0.1

_SILENCE: Final = answer(None, delivery=Delivery.STALLED)

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
            hint="stop at `succeed` and `failed`; say why it failed, or raise that text",
            sentence=f"waiting ends at {end.value}, with what the task came to",
            source=KLING_PAGE,
            check=partial(_ends_at, end),
        )
    for status in (TaskStatus.SUBMITTED, TaskStatus.PROCESSING, _UNKNOWN):
        name = status.value if isinstance(status, TaskStatus) else "unknown-status"
        yield Property(
            id=f"client.ends_only_at_terminal[{name}]",
            hint="go on at all statuses but `succeed` and `failed`, also at new ones",
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
            hint="look at time.monotonic() before each query and each sleep",
            sentence=f"waiting for {whom} is over at the deadline, with an error, and nothing is sent after",
            source=ASSUMED,
            check=partial(_keeps_deadline, reply),
        )
    for name, check in {"create": _gives_up_a_create, "query": _gives_up_a_query}.items():
        yield Property(
            id=f"client.gives_up[{name}]",
            hint="give the HTTP library a timeout (`service.timeout`), also for queries",
            sentence=f"a {name} that gets no answer is not waited for for ever",
            source=ASSUMED,
            check=check,
        )


def _ends_at(end: TaskStatus, harness: Harness) -> None:
    message = task(end, pictures=harness.pictures)

    def judge(road: tuple[TaskStatus, ...]) -> None:
        harness.answer_with(queries=[*(shown(task(status)) for status in road), shown(message)])
        attempt = harness.wait(TASK_ID, _long_deadline(harness))
        on_the_way = f"{' '.join(map(str, road))} {end}".strip()
        # Some loop on the status alone, and fetch the result by another query.
        if attempt.overdue or not 1 <= len(attempt.queries) <= len(road) + 2:
            fault(
                f"{len(road) + 1} queries, the last of which saw {end}, and perhaps one for the result",
                f"{len(attempt.queries)} queries, and {attempt}",
                tag=on_the_way,
            )
        if len(attempt.queries) > len(road):  # an end that is too early is another property
            judge_outcome(attempt, message, on_the_way)

    harness.for_all(st.sampled_from(_roads(harness)), judge, len(_ROADS))


def _roads(harness: Harness) -> tuple[tuple[TaskStatus, ...], ...]:
    return _ROADS if harness.adapter.virtual_time else _ROADS[:2]


def _goes_on(status: TaskStatus | str, harness: Harness) -> None:
    """Reading the end is another property: here the client only has to query once more."""
    polls = 3 if harness.adapter.virtual_time else 1
    end = shown(task(TaskStatus.SUCCEED, pictures=harness.pictures))
    harness.answer_with(queries=[*[shown(task(status))] * polls, end])
    attempt = harness.wait(TASK_ID, _long_deadline(harness))
    if len(attempt.queries) <= polls:
        fault(
            f"more than {polls} queries, as the task is {str(status)!r}",
            f"{len(attempt.queries)}, then {attempt}",
        )


def _keeps_deadline(reply: Reply, harness: Harness) -> None:
    """For several deadlines: pauses that grow may end a little after any one of them."""
    deadlines, slack = _deadlines(harness)
    for deadline in deadlines:
        harness.answer_with(queries=[reply])
        attempt = harness.wait(TASK_ID, deadline)
        if attempt.overdue or attempt.seconds > deadline + slack:
            fault(f"an end within {deadline:g} s, or a little later", f"{attempt.seconds:.0f} s: {attempt}")
        if attempt.error is None and attempt.status in TERMINAL:
            fault("an error: the task has not ended", attempt)
        if attempt.late:
            fault(
                "nothing sent after the end of waiting",
                f"{attempt.late} requests, from a thread or task that was left behind",
            )


def _gives_up_a_create(harness: Harness) -> None:
    harness.timeout = _SHORT
    harness.answer_with(creates=[_SILENCE])
    _require_end(harness, harness.submit(smallest_body(harness)))


def _gives_up_a_query(harness: Harness) -> None:
    """A query that is sent again is answered."""
    harness.timeout = _SHORT
    harness.answer_with(queries=[_SILENCE, shown(task(TaskStatus.PROCESSING))])
    _require_end(harness, harness.query(TASK_ID))


def _require_end(harness: Harness, attempt: Attempt) -> None:
    """A client that ignores `service.timeout` may have its own timeout: the suite does not wait for it."""
    endured = harness.server.endured
    if ClientTimeout.ENDLESS in endured or attempt.overdue:
        fault(
            "a request with a timeout: `service.timeout`, or the client's own",
            f"one without, that still waited for its answer after {STALL_SECONDS:g} s, then {attempt}",
        )
    if ClientTimeout.UNSEEN in endured:
        raise Inconclusive(
            f"it waited for more than {STALL_SECONDS:g} s where `service.timeout` was {_SHORT:g} s; how long "
            "it would is not seen in another process, a library that is not Python, a loop of its own"
        )


def _deadlines(harness: Harness) -> tuple[tuple[float, ...], float]:
    virtual = harness.adapter.virtual_time
    return (_DEADLINES, _SLACK) if virtual else ((_REAL_DEADLINE,), _REAL_SLACK)


def _long_deadline(harness: Harness) -> float:
    return _LONG_DEADLINE if harness.adapter.virtual_time else _REAL_LONG_DEADLINE
