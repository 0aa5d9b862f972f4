"""Properties of error responses: every refusal, in each error shape, reaches the caller."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.harness import Harness, Property, require_error, require_no_end
from kling_contracts.client_suite.replies import answer, refused, task
from kling_contracts.client_suite.server import Reply
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.openapi.examples import REQUEST_ID, TASK_ID
from kling_contracts.vocabulary import KLING_ERRORS, TaskStatus

_REPORTS_REFUSAL_HINT: Final = "raise an error if the HTTP status is 400 or higher"

_REFUSED_CREATES: Final = (
    RefusalReason.BAD_KEY,
    RefusalReason.UNKNOWN_MODEL,
    RefusalReason.INVALID,
    RefusalReason.DUPLICATE_ID,
    RefusalReason.NO_BALANCE,
    RefusalReason.NO_SLOTS,
    RefusalReason.INTERNAL,
)
# An error code, sent with HTTP status 200.
_CODE: Final = 5000


def refusals(gateway: Gateway) -> Iterator[Property]:
    """The properties of error responses."""
    for reason in _REFUSED_CREATES:
        yield Property(
            id=f"client.reports_refusal[{reason.value}]",
            hint=_REPORTS_REFUSAL_HINT,
            sentence="if the service refuses a create, the caller gets an error",
            source=gateway.refusals[reason].source,
            check=partial(_reports_refusal, reason),
        )
    yield Property(
        id=f"client.reports_refusal[{RefusalReason.UNKNOWN_TASK.value}]",
        hint=_REPORTS_REFUSAL_HINT,
        sentence="if a task does not exist, the caller of a query gets an error",
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
            hint="raise an error if `code` in the body is not 0, also with HTTP status 200",
            sentence="a response whose `code` is not 0 is an error, also with HTTP status 200",
            source=KLING_ERRORS,
            check=check,
        )


def _reports_refusal(reason: RefusalReason, harness: Harness) -> None:
    reply = refused(harness.gateway, reason)
    harness.answer_with(creates=[reply], accepts=False)
    require_error(harness.submit(smallest_body(harness)), tag=_described(reply))


def _reports_unknown_task(harness: Harness) -> None:
    reply = refused(harness.gateway, RefusalReason.UNKNOWN_TASK)
    harness.answer_with(queries=[reply])
    require_error(harness.query(TASK_ID), tag=_described(reply))


def _described(reply: Reply) -> str:
    return f"HTTP {reply.status} {reply.body.decode()}"


def _coded(status: TaskStatus) -> Iterator[Reply]:
    """Replies with an error code, with and without data."""
    plain = {"code": _CODE, "message": "Server internal error", "request_id": REQUEST_ID}
    yield answer(plain)
    yield answer(plain | {"data": None})
    yield answer(plain | {"data": task(status).to_wire()})


def _codes_of_creates(harness: Harness) -> None:
    for reply in _coded(TaskStatus.SUBMITTED):
        harness.answer_with(creates=[reply], accepts=False)
        require_error(harness.submit(smallest_body(harness)), tag=_described(reply))


def _codes_of_queries(harness: Harness) -> None:
    for reply in _coded(TaskStatus.SUCCEED):
        harness.answer_with(queries=[reply])
        require_error(harness.query(TASK_ID), tag=_described(reply))


def _codes_of_waits(harness: Harness) -> None:
    """A client may raise, or poll until the deadline; it must not report an end of the task."""
    for reply in _coded(TaskStatus.SUCCEED):
        harness.answer_with(queries=[reply])
        attempt = harness.wait(TASK_ID, harness.deadline)
        require_no_end(attempt, "an error", tag=_described(reply))
