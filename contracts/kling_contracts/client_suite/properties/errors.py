"""Properties of error responses: every refusal, in each error shape, reaches the caller."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from kling_contracts.client_suite.attempts import Attempt
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.harness import Harness, Property, fault
from kling_contracts.client_suite.replies import answer, refused, task
from kling_contracts.client_suite.server import Reply
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.openapi.examples import REQUEST_ID, TASK_ID
from kling_contracts.vocabulary import KLING_ERRORS, TERMINAL, TaskStatus

_REPORTS_REFUSAL_HINT: Final = "raise where the HTTP status is 400 or more"

_REFUSED_CREATES: Final = (
    RefusalReason.BAD_KEY,
    RefusalReason.UNKNOWN_MODEL,
    RefusalReason.INVALID,
    RefusalReason.DUPLICATE_ID,
    RefusalReason.NO_BALANCE,
    RefusalReason.NO_SLOTS,
    RefusalReason.INTERNAL,
)
_DEADLINE: Final = 60.0
_REAL_DEADLINE: Final = 1.0
# The code of an envelope that is not a success, whatever the HTTP status.
_CODE: Final = 5000


def refusals(gateway: Gateway) -> Iterator[Property]:
    """The properties of what the service refuses."""
    for reason in _REFUSED_CREATES:
        yield Property(
            id=f"client.reports_refusal[{reason.value}]",
            hint=_REPORTS_REFUSAL_HINT,
            sentence="a create that the service refuses is an error to the caller",
            source=gateway.refusals[reason].source,
            check=partial(_reports_refusal, reason),
        )
    yield Property(
        id=f"client.reports_refusal[{RefusalReason.UNKNOWN_TASK.value}]",
        hint=_REPORTS_REFUSAL_HINT,
        sentence="a query for a task that is not there is an error to the caller",
        source=KLING_ERRORS,
        check=_reports_unknown_task,
    )
    for name, check in {
        "create": _codes_of_creates,
        "query": _codes_of_queries,
        "wait": _codes_of_waits,
    }.items():
        yield Property(
            id=f"client.reports_code[{name}]",
            hint="raise where `code` in the body is not 0, whatever the HTTP status",
            sentence="an answer whose `code` is not 0 is not a success, also under HTTP 200",
            source=KLING_ERRORS,
            check=check,
        )


def _reports_refusal(reason: RefusalReason, harness: Harness) -> None:
    reply = refused(harness.gateway, reason)
    harness.answer_with(creates=[reply], accepts=False)
    _require_error(harness.submit(smallest_body(harness)), reply)


def _reports_unknown_task(harness: Harness) -> None:
    reply = refused(harness.gateway, RefusalReason.UNKNOWN_TASK)
    harness.answer_with(queries=[reply])
    _require_error(harness.query(TASK_ID), reply)


def _require_error(attempt: Attempt, reply: Reply) -> None:
    if attempt.error is None or attempt.overdue:
        fault("an error", attempt, tag=f"HTTP {reply.status} {reply.body.decode()}")


def _coded(status: TaskStatus) -> Iterator[Reply]:
    """Answers with a code that is not a success, with and without data."""
    plain = {"code": _CODE, "message": "Server internal error", "request_id": REQUEST_ID}
    yield answer(plain)
    yield answer(plain | {"data": None})
    yield answer(plain | {"data": task(status).to_wire()})


def _codes_of_creates(harness: Harness) -> None:
    for reply in _coded(TaskStatus.SUBMITTED):
        harness.answer_with(creates=[reply], accepts=False)
        _require_error(harness.submit(smallest_body(harness)), reply)


def _codes_of_queries(harness: Harness) -> None:
    for reply in _coded(TaskStatus.SUCCEED):
        harness.answer_with(queries=[reply])
        _require_error(harness.query(TASK_ID), reply)


def _codes_of_waits(harness: Harness) -> None:
    """Some raise, others go on until the deadline; to neither has the task ended."""
    for reply in _coded(TaskStatus.SUCCEED):
        harness.answer_with(queries=[reply])
        attempt = harness.wait(TASK_ID, _DEADLINE if harness.adapter.virtual_time else _REAL_DEADLINE)
        if attempt.error is None and attempt.status in TERMINAL:
            fault("an error", attempt, tag=f"HTTP {reply.status} {reply.body.decode()}")
