"""Hooks for Schemathesis, which complete the OpenAPI document; `schemathesis.toml` names this module.

Importing it registers two global hooks. One changes requests in ways that a schema cannot state. The other
accepts two error responses that are right although Schemathesis reports them.
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
# Generic in the type of the API operation, which hooks leave open.
_Case = schemathesis.Case[Any]
_hook: Final = cast("Callable[[Callable[..., object]], object]", schemathesis.hook)  # pyright: ignore[reportUnknownMemberType]  # partly untyped

# External ids are unique for 30 days, so ids must differ from those of earlier runs.
_RUN: Final = uuid4().hex[:8]
_numbers: Final = count(1)


@_hook
def before_call(
    context: HookContext,  # noqa: ARG001 -- Schemathesis passes arguments by name
    case: _Case,
    kwargs: dict[str, object],  # noqa: ARG001 -- as above
) -> None:
    """Make external ids unique, and write whole numbers in the query string without a decimal point.

    External ids are unique within an account. To JSON Schema 2.0 is an integer, but in a query string the
    service accepts only `2`.
    """
    body: object = case.body
    if isinstance(body, dict):
        given = cast("dict[str, object]", body)
        external_id = given.get(EXTERNAL_ID)
        if isinstance(external_id, str) and external_id:
            meant = external_id.partition(f"-{_RUN}-")[0]  # an id of an earlier call may be drawn again
            fresh: Any = {**given, EXTERNAL_ID: f"{meant}-{_RUN}-{next(_numbers)}"}
            case.body = fresh  # a copy, as Schemathesis shares examples
    query = cast("dict[str, object]", case.query or {})
    for name, value in query.items():
        if isinstance(value, float) and value.is_integer():
            query[name] = int(value)


@_hook
def filter_failure(
    context: HookContext,  # noqa: ARG001 -- as above
    failure: Failure,
    case: _Case,
    response: Response,
) -> bool:
    """Whether to report a failure: False for two error responses that are right.

    An unknown task id is refused with 400; Schemathesis expects 404. CometAPI refuses an unknown model with
    503; Schemathesis reports it as a crash. It is accepted only if the model of the body is unknown.
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


def _names_unknown_model(gateway: Gateway, case: _Case) -> bool:
    body: object = case.body
    routes = {gateway.path(route): route for route in gateway.routes}
    route: Route | None = routes.get(case.operation.path)
    if route is None:
        return False
    violations = validate(body, route.operation(body))
    return any(violation.rule.id == RefusalReason.UNKNOWN_MODEL for violation in violations)


def _is(refusal: Refusal, response: Response) -> bool:
    """Whether a response has the status and the error code of a refusal."""
    if response.status_code != refusal.status:
        return False
    try:
        body: object = response.json()
    except ValueError:
        return False
    if refusal.shape is ErrorShape.COMET and isinstance(body, dict):
        body = cast("dict[str, object]", body).get("error")
    return isinstance(body, dict) and cast("dict[str, object]", body).get("code") == refusal.code
