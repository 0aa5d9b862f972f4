"""What Schemathesis has to be told beside the OpenAPI document; `schemathesis.toml` names this module.

Importing it registers two hooks for all of Schemathesis: one puts requests into a form that no schema can
ask for, one knows the two refusals that are right although no schema calls for them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final, cast
from uuid import uuid4

import schemathesis
from schemathesis import HookContext, Response
from schemathesis.core.failures import Failure, ServerError
from schemathesis.openapi.checks import RejectedPositiveData

from kling_contracts.gateways import ErrorShape, Gateway, Refusal, RefusalReason, Route, gateway_of
from kling_contracts.operations import validate

EXTERNAL_ID: Final = "external_task_id"
# The library leaves the body of a hook's signature open.
Case = schemathesis.Case[Any]
_hook: Final = cast("Callable[[Callable[..., object]], object]", schemathesis.hook)  # pyright: ignore[reportUnknownMemberType]

# An account remembers external ids for 30 days: what was sent before this run must not be sent again.
_RUN: Final = uuid4().hex[:8]
_numbers: Final = count(1)


@_hook
def before_call(
    context: HookContext,  # noqa: ARG001 -- the names of a hook's arguments are given
    case: Case,
    kwargs: dict[str, object],  # noqa: ARG001 -- as above
) -> None:
    """Make a given external id new, and a whole number in the query string a row of digits.

    Uniqueness is a rule of the account. And 2.0 is an integer to JSON Schema, whereas a query string has
    no numbers, only texts, of which the service reads `2`.
    """
    body: object = case.body
    if isinstance(body, dict):
        given = cast("dict[str, object]", body)
        external_id = given.get(EXTERNAL_ID)
        if isinstance(external_id, str) and external_id:
            meant = external_id.partition(f"-{_RUN}-")[0]  # an id that was sent may be drawn again
            fresh: Any = {**given, EXTERNAL_ID: f"{meant}-{_RUN}-{next(_numbers)}"}
            case.body = fresh  # a copy: examples are shared
    query = cast("dict[str, object]", case.query or {})
    for name, value in query.items():
        if isinstance(value, float) and value.is_integer():
            query[name] = int(value)


@_hook
def filter_failure(
    context: HookContext,  # noqa: ARG001 -- as above
    failure: Failure,
    case: Case,
    response: Response,
) -> bool:
    """Drop a failure that is none; False means dropped.

    A well-formed id of no task is refused with 400, where Schemathesis expects 404. On CometAPI an unknown
    model is 503, which Schemathesis takes for a crash: it is right only for a body with an unknown model.
    """
    gateway = gateway_of(case.operation.path, host="")
    match failure:
        case RejectedPositiveData():
            queried = case.method == "GET" and "{task_id}" in case.operation.path
            return not (queried and _is(gateway.refusals[RefusalReason.UNKNOWN_TASK], response))
        case ServerError():
            unknown = _names_unknown_model(gateway, case)
            return not (unknown and _is(gateway.refusals[RefusalReason.UNKNOWN_MODEL], response))
        case _:
            return True


def _names_unknown_model(gateway: Gateway, case: Case) -> bool:
    body: object = case.body
    routes = {gateway.path(route): route for route in gateway.routes}
    route: Route | None = routes.get(case.operation.path)
    if route is None:
        return False
    violations = validate(body, route.operation(body))
    return any(violation.rule.id == RefusalReason.UNKNOWN_MODEL for violation in violations)


def _is(refusal: Refusal, response: Response) -> bool:
    """Whether an answer is this refusal: its status, and its code in the place that its shape has for it."""
    if response.status_code != refusal.status:
        return False
    try:
        body: object = response.json()
    except ValueError:
        return False
    if refusal.shape is ErrorShape.COMET and isinstance(body, dict):
        body = cast("dict[str, object]", body).get("error")
    return isinstance(body, dict) and cast("dict[str, object]", body).get("code") == refusal.code
