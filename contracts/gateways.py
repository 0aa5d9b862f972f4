"""The gateways as tables: hosts, path prefix, routes, and the shape and text of every refusal.

What differs between CometAPI and Kling itself stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, Operation
from contracts.vocabulary import (
    ASSUMED,
    COMET_ERRORS,
    COMET_LIVE,
    ERRORS,
    KLING_LIVE,
    SEED,
    Source,
)


class Situation(StrEnum):
    """Why a request can be refused. The order of declaration is the order of the checks."""

    NO_KEY = "auth.missing"
    BAD_KEY = "auth.key"
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


class Shape(StrEnum):
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
    shape: Shape
    code: int | str
    message: str
    source: Source

    def body(self, request_id: str, **values: object) -> dict[str, object]:
        """The decoded JSON body of the refusal."""
        message = self.message.format(request_id=request_id, **values)
        match self.shape:
            case Shape.KLING:
                return {"code": self.code, "message": message, "request_id": request_id}
            case Shape.TASK:
                return {"code": self.code, "message": message, "data": None}
            case Shape.COMET:
                error = {"message": message, "type": "comet_api_error", "param": "", "code": self.code}
                return {"error": error}


@dataclass(frozen=True, slots=True)
class Route:
    """A path of a gateway. The body picks among `operations` by their selector; the first is the default."""

    tail: str
    operations: tuple[Operation, ...]
    source: Source

    def operation(self, body: object) -> Operation:
        """The operation that a decoded body asks for."""
        if isinstance(body, dict):
            for operation in self.operations:
                if operation.selector is not None and operation.selector in body:
                    return operation
        return self.operations[0]


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """One way to reach the service."""

    name: str
    title: str
    hosts: tuple[str, ...]
    prefix: str
    routes: tuple[Route, ...]
    refusals: Mapping[Situation, Refusal]
    finds_external_ids: bool
    source: Source
    create_path: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "create_path", self.path(self.routes[0]))

    @property
    def base_url(self) -> str:
        """Where the real service is, without the prefix."""
        return f"https://{self.hosts[0]}"

    def path(self, route: Route) -> str:
        return f"{self.prefix}/v1/{route.tail}"


def _kling(
    code: int, message: str | None = None, *, status: int | None = None, source: Source | None = None
) -> Refusal:
    row = ERRORS[code]
    return Refusal(status or row.status, Shape.KLING, code, message or row.wording, source or row.source)


# What a refused request may look like instead, on any gateway: which of the three CometAPI uses on this
# route is not captured. The page itself describes Kling's envelope.
VALIDATION_SHAPES: Final[Mapping[str, Refusal]] = MappingProxyType(
    {
        "kling": Refusal(400, Shape.KLING, 1201, "{message}", SEED),
        "task": Refusal(400, Shape.TASK, "fail_to_fetch_task", "{message}", ASSUMED),
        "comet": Refusal(
            400, Shape.COMET, "invalid_request", "{message} (request id: {request_id})", ASSUMED
        ),
    }
)

_SUFFIX: Final = " (request id: {request_id})"

COMETAPI: Final = Gateway(
    name="cometapi",
    title="CometAPI",
    hosts=("api.cometapi.com",),
    prefix="/kling",
    source=SEED,
    finds_external_ids=False,
    routes=(
        Route("images/generations", (MULTI_IMAGE,), SEED),
        Route("images/multi-image2image", (MULTI_IMAGE2IMAGE,), KLING_LIVE),
    ),
    refusals=MappingProxyType(
        {
            Situation.NO_KEY: Refusal(401, Shape.COMET, "", "invalid token" + _SUFFIX, COMET_ERRORS),
            Situation.BAD_KEY: Refusal(401, Shape.COMET, "", "invalid token" + _SUFFIX, COMET_ERRORS),
            Situation.NO_ROUTE: Refusal(
                404, Shape.COMET, "", "Invalid URL ({method} {path})" + _SUFFIX, ASSUMED
            ),
            Situation.WRONG_METHOD: Refusal(
                405, Shape.COMET, "", "Method {method} is not allowed here" + _SUFFIX, ASSUMED
            ),
            Situation.TOO_LARGE: Refusal(
                413, Shape.TASK, "read_request_body_failed", "request body too large", ASSUMED
            ),
            Situation.BAD_JSON: _kling(1201, "request body is not valid JSON: {message}", source=ASSUMED),
            Situation.UNKNOWN_MODEL: Refusal(
                503,
                Shape.COMET,
                "model_not_found",
                "no available channel for group default and model {model} (distributor)" + _SUFFIX,
                COMET_LIVE,
            ),
            Situation.INVALID: VALIDATION_SHAPES["kling"],
            Situation.DUPLICATE_ID: _kling(1201, "External_task_id {id} already exists", source=KLING_LIVE),
            Situation.NO_BALANCE: Refusal(
                403, Shape.TASK, "insufficient_user_quota", "user quota is not enough", ASSUMED
            ),
            Situation.NO_SLOTS: _kling(1303),
            Situation.UNKNOWN_TASK: Refusal(400, Shape.TASK, "task_not_exist", "task_not_exist", COMET_LIVE),
            Situation.INTERNAL: _kling(5000, status=500),
        }
    ),
)

GATEWAYS: Final = (COMETAPI,)

# Every host of the service, on either gateway, and the one its pictures come from.
INTERCEPTED_HOSTS: Final = (
    "api.cometapi.com",
    "api.klingai.com",
    "api-singapore.klingai.com",
    "api-beijing.klingai.com",
    "cdn.klingai.com",
)
