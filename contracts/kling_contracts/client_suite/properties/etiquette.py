"""Properties of etiquette: pauses between requests, Retry-After, interruption."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import partial
from itertools import pairwise
from typing import Final

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.harness import Harness, Inconclusive, Property, fault, require_no_end
from kling_contracts.client_suite.replies import (
    TOO_MANY,
    answer,
    created,
    out_of_order,
    shown,
    task,
    too_many,
)
from kling_contracts.client_suite.server import Delivery, Received, Reply
from kling_contracts.openapi.examples import TASK_ID
from kling_contracts.vocabulary import ASSUMED, TaskStatus

# Seconds for which pauses are measured.
_WATCHED: Final = 10.0
# The maximum rate of queries. Published clients poll every 1 to 10 seconds.
_MOST_A_SECOND: Final = 10
# Seconds of Retry-After, and the tolerances: dates have whole seconds. No source documents Retry-After, so a
# client that pauses for at least `_OWN_PAUSE` before a retry is not reported.
_RETRY_AFTER: Final = 20
_REAL_RETRY_AFTER: Final = 1
_OWN_PAUSE: Final = 0.5
_TOLERANCE: Final = 0.25
_DATE_TOLERANCE: Final = 1.25
# Seconds after which a wait is interrupted.
_INTERRUPTION: Final = 21.7

_RUNNING: Final = shown(task(TaskStatus.PROCESSING))


def etiquette(adapter: ClientAdapter) -> Iterator[Property]:
    """The properties of pauses, Retry-After and interruption."""
    troubles: dict[str, tuple[str, Reply]] = {
        "running": ("a running task", _RUNNING),
        "unavailable": ("a service that responds with 503", out_of_order(503)),
        "dropped": ("a service that drops connections", answer(None, delivery=Delivery.DROPPED)),
    }
    for name, (subject, reply) in troubles.items():
        yield Property(
            id=f"client.pauses[{name}]",
            hint="sleep for a second or more between two queries, also after a failed one",
            sentence=f"waiting for {subject} sends at most {_MOST_A_SECOND} queries a second",
            source=ASSUMED,
            check=partial(_pauses, reply),
        )
    retries: dict[str, tuple[str, Callable[[Harness], None]]] = {
        "create": ("a create", _retries_a_create),
        "query": ("a query", partial(_retries_a_query, _in_seconds, _TOLERANCE)),
        "date": ("a query (Retry-After as a date)", partial(_retries_a_query, _as_date, _DATE_TOLERANCE)),
    }
    for name, (request, check) in retries.items():
        yield Property(
            id=f"client.heeds_retry_after[{name}]",
            hint="sleep for the duration in Retry-After before a retry, or raise an error",
            sentence=f"after 429 with Retry-After, {request} is not repeated immediately",
            source=ASSUMED,
            check=check,
        )
    yield Property(
        id="client.stops_when_interrupted",
        hint="catch Exception around queries, not BaseException",
        sentence="an interrupted wait (Ctrl-C; for a coroutine: cancellation) sends no more queries",
        source=ASSUMED,
        check=_stops,
        skip="" if adapter.virtual_time else "the client does not wait in virtual time",
    )


def _pauses(reply: Reply, harness: Harness) -> None:
    deadline = min(harness.deadline, _WATCHED)
    harness.answer_with(queries=[reply])
    attempt = harness.wait(TASK_ID, deadline)
    # A client that raised early may have sent a few queries in quick succession before.
    seconds = max(attempt.seconds, deadline if attempt.error is None else 1.0)
    if len(attempt.queries) > _MOST_A_SECOND * seconds + 1:  # one more, since both ends count
        fault(
            f"at most {_MOST_A_SECOND * seconds:.0f} queries in {seconds:.0f} s",
            f"{len(attempt.queries)} queries",
        )


def _in_seconds(harness: Harness) -> str:
    return str(_wanted(harness))


def _as_date(harness: Harness) -> str:
    return formatdate(time.time() + _wanted(harness), usegmt=True)


def _wanted(harness: Harness) -> int:
    return _RETRY_AFTER if harness.adapter.virtual_time else _REAL_RETRY_AFTER


def _retries_a_query(retry_after: Callable[[Harness], str], tolerance: float, harness: Harness) -> None:
    end = shown(task(TaskStatus.SUCCEED, pictures=harness.pictures))
    reply = too_many(harness.gateway, retry_after(harness))
    harness.answer_with(queries=[reply, end])
    _require_pause(harness, harness.wait(TASK_ID, 4 * harness.deadline).queries, reply, tolerance)


def _retries_a_create(harness: Harness) -> None:
    reply = too_many(harness.gateway, _in_seconds(harness))
    harness.answer_with(creates=[reply, created(task(TaskStatus.SUBMITTED))])
    _require_pause(harness, harness.submit(smallest_body(harness)).creates, reply, _TOLERANCE)


def _require_pause(harness: Harness, sent: list[Received], reply: Reply, tolerance: float) -> None:
    after = dict(reply.headers)["Retry-After"]
    for first, second in list(pairwise(sent))[:1]:
        gap = second.at - first.at
        if gap < _OWN_PAUSE:
            fault(
                f"a pause of {_wanted(harness)} s, or an error",
                f"{second.method} repeated after {gap:.1f} s",
                tag=f"HTTP {TOO_MANY}, Retry-After: {after}",
            )
        if gap < _wanted(harness) - tolerance:
            raise Inconclusive(
                f"{second.method} repeated after the client's own pause of {gap:.1f} s, not the "
                f"{_wanted(harness)} s of Retry-After; no source documents that the service sends the header"
            )


def _stops(harness: Harness) -> None:
    harness.answer_with(queries=[_RUNNING])
    attempt = harness.wait(TASK_ID, harness.deadline, interruption=_INTERRUPTION)
    if attempt.unstopped is None:
        raise Inconclusive("the client did not sleep in the main thread, so it could not be interrupted")
    if attempt.unstopped or attempt.overdue:
        fault("no request after the interruption", f"{attempt.unstopped} more queries, and {attempt}")
    require_no_end(attempt, "an error, since the task has not ended")
