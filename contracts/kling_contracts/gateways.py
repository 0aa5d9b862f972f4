"""The gateways as data: hosts, path prefix, routes, and the status, shape and text of every error response.

All differences between CometAPI and Kling are declared here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, cached_property
from types import MappingProxyType
from typing import Final, cast

from kling_contracts.fields import Integer
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE, Operation
from kling_contracts.rules import MODEL_UNKNOWN, Rule
from kling_contracts.suggestions import did_you_mean
from kling_contracts.vocabulary import (
    ASSUMED,
    COMET_ERRORS,
    COMET_LIVE,
    DEFAULT_PAGE_SIZE,
    ERRORS,
    KLING_ERRORS,
    KLING_GENERATION,
    KLING_LIVE,
    KLING_PAGE,
    PAGE_FIRST,
    PAGE_LAST,
    PAGE_SIZE_MAXIMUM,
    PAGE_SIZE_MINIMUM,
    SEED,
    Source,
)


class RefusalReason(StrEnum):
    """Reasons for refusing a request, in the order in which they are checked."""

    NO_KEY = "auth.missing"
    MALFORMED_KEY = "auth.malformed"
    BAD_KEY = "auth.key"
    BAD_TOKEN = "auth.token"
    EARLY_TOKEN = "auth.not_before"
    EXPIRED_TOKEN = "auth.expired"
    NO_ROUTE = "route.path"
    WRONG_METHOD = "route.method"
    TOO_LARGE = "body.max_bytes"
    BAD_JSON = "body.json"
    UNKNOWN_MODEL = "model_name.enum"
    INVALID = "body.valid"
    DUPLICATE_ID = "external_task_id.unique"
    TOO_MANY = "account.rate"
    IN_ARREARS = "account.credit"
    NO_BALANCE = "account.balance"
    NO_SLOTS = "account.slots"
    UNKNOWN_TASK = "task.exists"
    INTERNAL = "internal"


_SUFFIX: Final = " (request id: {request_id})"

# Only for gateways that accept signed tokens.
TOKEN_REASONS: Final = (RefusalReason.BAD_TOKEN, RefusalReason.EARLY_TOKEN, RefusalReason.EXPIRED_TOKEN)


class ErrorShape(StrEnum):
    """The three shapes of the body of an error response."""

    KLING = "kling"  # {"code": int, "message", "request_id"}
    TASK = "task"  # {"code": "snake_case", "message", "data": null}
    COMET = "comet"  # {"error": {"message", "type", "param", "code"}}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error response of a gateway for one reason.

    `message` is a template with the placeholder `{request_id}` and, depending on the reason, `{message}` (of
    a violation), `{id}`, `{model}`, `{method}` or `{path}`. `source` is the evidence for status, shape and
    code; `wording` that for the text, where it differs.
    """

    status: int
    shape: ErrorShape
    code: int | str
    message: str
    source: Source
    wording: Source | None = None

    def text(self, **values: object) -> str:
        """The message, without the request id that some gateways append to it."""
        return self.message.removesuffix(_SUFFIX).format(request_id="", **values)

    def body(self, request_id: str, **values: object) -> dict[str, object]:
        """The JSON body; `values` are those of the placeholders of `message`."""
        message = self.message.format(request_id=request_id, **values)
        match self.shape:
            case ErrorShape.KLING:
                return {"code": self.code, "message": message, "request_id": request_id}
            case ErrorShape.TASK:
                return {"code": self.code, "message": message, "data": None}
            case ErrorShape.COMET:
                error = {"message": message, "type": "comet_api_error", "param": "", "code": self.code}
                return {"error": error}


@dataclass(frozen=True, slots=True)
class Route:
    """A path of a gateway, and the operations that share it; `optional` ones must be enabled.

    The operation of a body is the first whose selector is a key of the body, else the one without a selector,
    else the first.
    """

    tail: str
    operations: tuple[Operation, ...]
    source: Source
    optional: tuple[Operation, ...] = ()

    def operation(self, body: object, enabled: Collection[str] = ()) -> Operation:
        """The operation of a decoded body; `enabled` are the names of enabled optional operations."""
        offered = (*self.operations, *(each for each in self.optional if each.name in enabled))
        keys = cast("dict[str, object]", body).keys() if isinstance(body, dict) else ()
        plain = [each for each in offered if each.selector is None]
        chosen = [each for each in offered if each.selector in keys]
        return (*chosen, *plain, *offered)[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gateway:
    """One provider of the service. Gateways are singletons and compare by identity.

    `finds_external_ids`: a query accepts the external id as well. `lists`: GET on a create path lists tasks.
    `takes_tokens`: the bearer may be a signed token (JWT). `looks_for_model_first`: the model is checked
    before everything else in the body. `focus` is the operation for clients, checks and documents; None: the
    first operation of the first route.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    prefix: str
    routes: tuple[Route, ...]
    refusals: Mapping[RefusalReason, Refusal]
    source: Source
    finds_external_ids: bool
    lists: bool
    takes_tokens: bool
    looks_for_model_first: bool
    focus: Operation | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def main(self) -> Operation:
        """The operation for clients, checks and documents: `focus`, or the first one."""
        return self.focus or self.routes[0].operations[0]

    def focused(self, operation: Operation) -> Gateway:
        """A copy of the gateway with `operation` as `main`. Raises LookupError if no route offers it."""
        return self if operation is self.main else _focused(self, operation)

    def route_of(self, operation: Operation) -> Route:
        """The route that offers an operation. Raises LookupError if there is none."""
        for route in self.routes:
            if operation in (*route.operations, *route.optional):
                return route
        raise LookupError(f"{self.title} has no route for the operation {operation.name!r}")

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of all routes, optional ones included."""
        return tuple(each for route in self.routes for each in (*route.operations, *route.optional))

    def find_operation(self, name: str) -> Operation:
        """The operation of this name. Raises LookupError, which suggests or lists names."""
        known = {each.name: each for each in self.operations}
        if name not in known:
            raise LookupError(f"{self.title}: unknown operation {name!r}; {did_you_mean(name, known)}")
        return known[name]

    @cached_property
    def create_path(self) -> str:
        """The path of create requests of the main operation."""
        return self.path(self.route_of(self.main))

    @cached_property
    def create_paths(self) -> Mapping[str, Route]:
        """The path of create requests of every route."""
        return {self.path(route): route for route in self.routes}

    @cached_property
    def costs_path(self) -> str:
        """The path of the account's resource packs; many clients use it to validate a key."""
        return f"{self.prefix}/account/costs"

    @property
    def base_url(self) -> str:
        """The URL of the real service, without the prefix."""
        return f"https://{self.hosts[0]}"

    def path(self, route: Route) -> str:
        """The path of create requests of a route, with the prefix of the gateway."""
        return f"{self.prefix}/v1/{route.tail}"

    def refusal_for(self, rule: Rule) -> Refusal:
        """The error response for a broken rule: that of the rule's id (unknown model), else of INVALID."""
        named = [reason for reason in self.refusals if reason.value == rule.id]
        return self.refusals[named[0] if named else RefusalReason.INVALID]


@cache
def _focused(gateway: Gateway, operation: Operation) -> Gateway:
    gateway.route_of(operation)
    return replace(gateway, focus=operation)


def _kling(
    code: int, message: str | None = None, *, status: int | None = None, source: Source | None = None
) -> Refusal:
    """A refusal in Kling's shape: the table settles status and code, unless `source` is given."""
    row = ERRORS[code]
    settled = KLING_ERRORS if status in (None, row.status) else ASSUMED
    return Refusal(
        status or row.status,
        ErrorShape.KLING,
        code,
        message or row.wording,
        source or settled,
        row.source if message is None else ASSUMED,
    )


# Error responses for an invalid request, by the setting `validation_errors`. CometAPI's page describes
# Kling's envelope; no response of this route is captured.
VALIDATION_SHAPES: Final[Mapping[str, Refusal]] = MappingProxyType(
    {
        "kling": Refusal(400, ErrorShape.KLING, 1201, "{message}", ASSUMED),
        "task": Refusal(400, ErrorShape.TASK, "fail_to_fetch_task", "{message}", ASSUMED),
        "comet": Refusal(
            400, ErrorShape.COMET, "invalid_request", "{message} (request id: {request_id})", ASSUMED
        ),
    }
)

# CometAPI bills in advance: one refusal, whatever is used up.
_NO_QUOTA: Final = Refusal(
    403, ErrorShape.TASK, "insufficient_user_quota", "user quota is not enough", ASSUMED
)
_INVALID_TOKEN: Final = Refusal(401, ErrorShape.COMET, "", "invalid token" + _SUFFIX, COMET_ERRORS)

COMETAPI: Final = Gateway(
    name="cometapi",
    title="CometAPI",
    hosts=("api.cometapi.com",),
    prefix="/kling",
    source=SEED,
    finds_external_ids=False,
    lists=False,
    takes_tokens=False,
    looks_for_model_first=True,
    routes=(
        Route("images/generations", (MULTI_IMAGE,), SEED, optional=(TEXT_TO_IMAGE,)),
        Route("images/multi-image2image", (MULTI_IMAGE2IMAGE,), KLING_LIVE),
    ),
    refusals=MappingProxyType(
        {
            RefusalReason.NO_KEY: _INVALID_TOKEN,
            RefusalReason.MALFORMED_KEY: _INVALID_TOKEN,
            RefusalReason.BAD_KEY: _INVALID_TOKEN,
            RefusalReason.NO_ROUTE: Refusal(
                404, ErrorShape.COMET, "", "Invalid URL ({method} {path})" + _SUFFIX, ASSUMED
            ),
            RefusalReason.WRONG_METHOD: Refusal(
                405, ErrorShape.COMET, "", "Method {method} is not allowed here" + _SUFFIX, ASSUMED
            ),
            RefusalReason.TOO_LARGE: Refusal(
                413, ErrorShape.TASK, "read_request_body_failed", "request body too large", ASSUMED
            ),
            RefusalReason.BAD_JSON: _kling(1201, "request body is not valid JSON: {message}", source=ASSUMED),
            RefusalReason.UNKNOWN_MODEL: Refusal(
                503,
                ErrorShape.COMET,
                "model_not_found",
                "no available channel for group default and model {model} (distributor)" + _SUFFIX,
                COMET_LIVE,
            ),
            RefusalReason.INVALID: VALIDATION_SHAPES["kling"],
            RefusalReason.DUPLICATE_ID: Refusal(
                400,
                ErrorShape.KLING,
                1201,
                "External_task_id {id} already exists",
                ASSUMED,
                wording=KLING_LIVE,
            ),
            RefusalReason.TOO_MANY: _kling(1302, source=ASSUMED),
            RefusalReason.IN_ARREARS: _NO_QUOTA,
            RefusalReason.NO_BALANCE: _NO_QUOTA,
            RefusalReason.NO_SLOTS: _kling(1303, source=ASSUMED),
            RefusalReason.UNKNOWN_TASK: Refusal(
                400, ErrorShape.TASK, "task_not_exist", "task_not_exist", COMET_LIVE
            ),
            RefusalReason.INTERNAL: _kling(5000, source=ASSUMED),
        }
    ),
)

KLING: Final = Gateway(
    name="kling",
    title="Kling",
    hosts=("api-singapore.klingai.com", "api.klingai.com", "api-beijing.klingai.com"),
    prefix="",
    source=KLING_PAGE,
    finds_external_ids=True,
    lists=True,
    takes_tokens=True,
    looks_for_model_first=False,
    routes=(
        Route("images/multi-image2image", (MULTI_IMAGE2IMAGE,), KLING_PAGE),
        Route("images/generations", (TEXT_TO_IMAGE,), KLING_GENERATION),
    ),
    refusals=MappingProxyType(
        {
            RefusalReason.NO_KEY: _kling(1001),
            RefusalReason.MALFORMED_KEY: _kling(
                1002, "The token was expected to have 3 parts, but got {parts}"
            ),
            RefusalReason.BAD_KEY: _kling(1002, "Authorization is invalid"),
            RefusalReason.BAD_TOKEN: _kling(1000),
            RefusalReason.EARLY_TOKEN: _kling(1003),
            RefusalReason.EXPIRED_TOKEN: _kling(1004),
            RefusalReason.NO_ROUTE: _kling(1203),
            # The official status is 404; 405 with Allow is more helpful.
            RefusalReason.WRONG_METHOD: _kling(1202, status=405),
            RefusalReason.TOO_LARGE: _kling(1201, "request body too large", status=413, source=ASSUMED),
            RefusalReason.BAD_JSON: _kling(1201, "request body is not valid JSON: {message}", source=ASSUMED),
            RefusalReason.UNKNOWN_MODEL: _kling(1201, MODEL_UNKNOWN.template, source=KLING_LIVE),
            RefusalReason.INVALID: replace(VALIDATION_SHAPES["kling"], source=KLING_ERRORS),
            RefusalReason.DUPLICATE_ID: _kling(
                1201, "External_task_id {id} already exists", source=KLING_LIVE
            ),
            RefusalReason.TOO_MANY: _kling(1302),
            RefusalReason.IN_ARREARS: _kling(1101),
            RefusalReason.NO_BALANCE: _kling(1102),
            RefusalReason.NO_SLOTS: _kling(1303),
            RefusalReason.UNKNOWN_TASK: _kling(
                1201, "Task not found by id/external id: {id}", source=KLING_LIVE
            ),
            RefusalReason.INTERNAL: _kling(5000),
        }
    ),
)

# In order of matching: Kling's empty prefix matches every path.
GATEWAYS: Final = (COMETAPI, KLING)

# Query parameters of a list.
PAGING: Final = (
    Integer(
        name="pageNum",
        doc="The page number, from 1.",
        source=KLING_PAGE,
        minimum=PAGE_FIRST,
        maximum=PAGE_LAST,
        default=PAGE_FIRST.value,
    ),
    Integer(
        name="pageSize",
        doc="The number of tasks on a page, newest first.",
        source=KLING_PAGE,
        minimum=PAGE_SIZE_MINIMUM,
        maximum=PAGE_SIZE_MAXIMUM,
        default=DEFAULT_PAGE_SIZE.value,
    ),
)

# The hosts of all gateways, and that of result URLs.
RESULT_HOST: Final = "cdn.klingai.com"
INTERCEPTED_HOSTS: Final = (*(host for gateway in GATEWAYS for host in gateway.hosts), RESULT_HOST)


def gateway_of(path: str, host: str, gateways: Sequence[Gateway] = GATEWAYS) -> Gateway:
    """The gateway of a request: by its host, else by the prefix of its path, else the last gateway."""
    for gateway in gateways:
        if host in gateway.hosts:
            return gateway
    for gateway in gateways:
        if path.startswith(f"{gateway.prefix}/") or not gateway.prefix:
            return gateway
    return gateways[-1]


def every_operation(gateways: Sequence[Gateway] = GATEWAYS) -> tuple[Operation, ...]:
    """Every operation of the gateways, optional ones included, without duplicates."""
    routes = [route for gateway in gateways for route in gateway.routes]
    return tuple(dict.fromkeys(each for route in routes for each in (*route.operations, *route.optional)))
