"""The gateways as tables: hosts, path prefix, routes, and the shape and text of every refusal.

What differs between CometAPI and Kling itself stands here and nowhere else.
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
from kling_contracts.vocabulary import (
    ASSUMED,
    COMET_ERRORS,
    COMET_LIVE,
    DEFAULT_PAGE_SIZE,
    ERRORS,
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
    """Why a request can be refused. The order of declaration is the order of the checks."""

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
    NO_BALANCE = "account.balance"
    NO_SLOTS = "account.slots"
    UNKNOWN_TASK = "task.exists"
    INTERNAL = "internal"


_SUFFIX: Final = " (request id: {request_id})"

# Only where a bearer may be a signed token.
TOKEN_REASONS: Final = (RefusalReason.BAD_TOKEN, RefusalReason.EARLY_TOKEN, RefusalReason.EXPIRED_TOKEN)


class ErrorShape(StrEnum):
    """The three shapes of an error body."""

    KLING = "kling"  # {"code": int, "message", "request_id"}
    TASK = "task"  # {"code": "snake_case", "message", "data": null}
    COMET = "comet"  # {"error": {"message", "type", "param", "code"}}


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a gateway answers in one situation.

    `message` is a template; which names it may use depends on the situation (`{message}` for what a
    validation says, `{id}`, `{model}`, `{method}`, `{path}`, always `{request_id}`).
    """

    status: int
    shape: ErrorShape
    code: int | str
    message: str
    source: Source

    def text(self, **values: object) -> str:
        """The message, without the request id that some gateways append to it."""
        return self.message.removesuffix(_SUFFIX).format(request_id="", **values)

    def body(self, request_id: str, **values: object) -> dict[str, object]:
        """The decoded JSON body of the refusal."""
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
    """A path of a gateway, and the operations that share it; `optional` ones have to be switched on.

    The body picks by selector, then the one that has none, then the first.
    """

    tail: str
    operations: tuple[Operation, ...]
    source: Source
    optional: tuple[Operation, ...] = ()

    def operation(self, body: object, enabled: Collection[str] = ()) -> Operation:
        """The operation that a decoded body asks for."""
        offered = (*self.operations, *(each for each in self.optional if each.name in enabled))
        keys = cast("dict[str, object]", body).keys() if isinstance(body, dict) else ()
        plain = [each for each in offered if each.selector is None]
        chosen = [each for each in offered if each.selector in keys]
        return (*chosen, *plain, *offered)[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gateway:
    """One way to reach the service. There is one of each; they are told apart by identity."""

    name: str
    title: str
    hosts: tuple[str, ...]
    prefix: str
    routes: tuple[Route, ...]
    refusals: Mapping[RefusalReason, Refusal]
    source: Source
    # Whether a task is found by its external id, whether GET on a create path lists tasks, whether a
    # bearer may be a signed token (JWT), and whether the model is looked for before all other checks.
    finds_external_ids: bool
    lists: bool
    takes_tokens: bool
    looks_for_model_first: bool
    # The operation that clients, checks and documents are about; None: the first one of the first route.
    focus: Operation | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def main(self) -> Operation:
        """The operation that clients, checks and documents are about."""
        return self.focus or self.routes[0].operations[0]

    def focused(self, operation: Operation) -> Gateway:
        """This gateway with `operation` as its `main`. Raises LookupError if no route offers it."""
        return self if operation is self.main else _focused(self, operation)

    def route_of(self, operation: Operation) -> Route:
        """The route that offers an operation. Raises LookupError if none does."""
        for route in self.routes:
            if operation in (*route.operations, *route.optional):
                return route
        raise LookupError(f"{self.title} has no route for the operation {operation.name!r}")

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation that a route offers or can offer."""
        return tuple(each for route in self.routes for each in (*route.operations, *route.optional))

    def find_operation(self, name: str) -> Operation:
        """The operation of this name. Raises LookupError that lists those there are."""
        known = {each.name: each for each in self.operations}
        if name not in known:
            raise LookupError(f"{self.title} has no operation {name!r}; it has {', '.join(known)}")
        return known[name]

    @cached_property
    def create_path(self) -> str:
        """The path at which tasks of the main operation are created."""
        return self.path(self.route_of(self.main))

    @cached_property
    def create_paths(self) -> Mapping[str, Route]:
        """Every path that tasks are created at."""
        return {self.path(route): route for route in self.routes}

    @cached_property
    def costs_path(self) -> str:
        """Where an account asks for its resource packs; many clients use it to see if a key is good."""
        return f"{self.prefix}/account/costs"

    @property
    def base_url(self) -> str:
        """Where the real service is, without the prefix."""
        return f"https://{self.hosts[0]}"

    def path(self, route: Route) -> str:
        return f"{self.prefix}/v1/{route.tail}"

    def refusal_for(self, rule: Rule) -> Refusal:
        """What is answered where the rule is broken: the table may know a rule by name (the model)."""
        named = [reason for reason in self.refusals if reason.value == rule.id]
        return self.refusals[named[0] if named else RefusalReason.INVALID]


@cache
def _focused(gateway: Gateway, operation: Operation) -> Gateway:
    gateway.route_of(operation)
    return replace(gateway, focus=operation)


def _kling(
    code: int, message: str | None = None, *, status: int | None = None, source: Source | None = None
) -> Refusal:
    row = ERRORS[code]
    return Refusal(status or row.status, ErrorShape.KLING, code, message or row.wording, source or row.source)


# What a refused request may look like instead, on any gateway: which of the three CometAPI uses on this
# route is not captured. The page itself describes Kling's envelope.
VALIDATION_SHAPES: Final[Mapping[str, Refusal]] = MappingProxyType(
    {
        "kling": Refusal(400, ErrorShape.KLING, 1201, "{message}", ASSUMED),
        "task": Refusal(400, ErrorShape.TASK, "fail_to_fetch_task", "{message}", ASSUMED),
        "comet": Refusal(
            400, ErrorShape.COMET, "invalid_request", "{message} (request id: {request_id})", ASSUMED
        ),
    }
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
            RefusalReason.DUPLICATE_ID: _kling(
                1201, "External_task_id {id} already exists", source=KLING_LIVE
            ),
            RefusalReason.NO_BALANCE: Refusal(
                403, ErrorShape.TASK, "insufficient_user_quota", "user quota is not enough", ASSUMED
            ),
            RefusalReason.NO_SLOTS: _kling(1303),
            RefusalReason.UNKNOWN_TASK: Refusal(
                400, ErrorShape.TASK, "task_not_exist", "task_not_exist", COMET_LIVE
            ),
            RefusalReason.INTERNAL: _kling(5000, status=500),
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
            RefusalReason.BAD_KEY: _kling(1002, "Authorization is invalid", source=ASSUMED),
            RefusalReason.BAD_TOKEN: _kling(1000),
            RefusalReason.EARLY_TOKEN: _kling(1003),
            RefusalReason.EXPIRED_TOKEN: _kling(1004),
            RefusalReason.NO_ROUTE: _kling(1203),
            # The table says 404 for a wrong method; 405 with Allow tells a caller more.
            RefusalReason.WRONG_METHOD: _kling(1202, status=405),
            RefusalReason.TOO_LARGE: _kling(1201, "request body too large", status=413, source=ASSUMED),
            RefusalReason.BAD_JSON: _kling(1201, "request body is not valid JSON: {message}", source=ASSUMED),
            RefusalReason.UNKNOWN_MODEL: _kling(1201, MODEL_UNKNOWN.template, source=KLING_LIVE),
            RefusalReason.INVALID: VALIDATION_SHAPES["kling"],
            RefusalReason.DUPLICATE_ID: _kling(
                1201, "External_task_id {id} already exists", source=KLING_LIVE
            ),
            RefusalReason.NO_BALANCE: _kling(1102),
            RefusalReason.NO_SLOTS: _kling(1303),
            RefusalReason.UNKNOWN_TASK: _kling(
                1201, "Task not found by id/external id: {id}", source=KLING_LIVE
            ),
            RefusalReason.INTERNAL: _kling(5000),
        }
    ),
)

# What is not under CometAPI's prefix is Kling's own: the empty prefix comes last.
GATEWAYS: Final = (COMETAPI, KLING)

# How a list is paged, in its query string.
PAGING: Final = (
    Integer(
        name="pageNum",
        doc="Which page, from 1 on.",
        source=KLING_PAGE,
        minimum=PAGE_FIRST,
        maximum=PAGE_LAST,
        default=PAGE_FIRST.value,
    ),
    Integer(
        name="pageSize",
        doc="How many tasks a page has, newest first.",
        source=KLING_PAGE,
        minimum=PAGE_SIZE_MINIMUM,
        maximum=PAGE_SIZE_MAXIMUM,
        default=DEFAULT_PAGE_SIZE.value,
    ),
)

# Every host of the service, and the one its pictures come from.
RESULT_HOST: Final = "cdn.klingai.com"
INTERCEPTED_HOSTS: Final = (*(host for gateway in GATEWAYS for host in gateway.hosts), RESULT_HOST)


def gateway_of(path: str, host: str, gateways: Sequence[Gateway] = GATEWAYS) -> Gateway:
    """The gateway that a request is for: by its host if that is one of the service's, else by its path.

    Where no prefix fits either, it is the last gateway.
    """
    for gateway in gateways:
        if host in gateway.hosts:
            return gateway
    for gateway in gateways:
        if path.startswith(f"{gateway.prefix}/") or not gateway.prefix:
            return gateway
    return gateways[-1]


def every_operation(gateways: Sequence[Gateway] = GATEWAYS) -> tuple[Operation, ...]:
    """Every operation that some gateway offers or can offer, each once."""
    routes = [route for gateway in gateways for route in gateway.routes]
    return tuple(dict.fromkeys(each for route in routes for each in (*route.operations, *route.optional)))
