"""Refusals as data: the reasons, and the status, shape and text of an error response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kling_contracts.vocabulary import ASSUMED, ERRORS, KLING_ERRORS, Source


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


# The end of a message that repeats the request id.
REQUEST_ID: Final = " (request id: {request_id})"

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
    code; `wording` that for the text, `rule` that for the rule itself, where they differ.
    """

    status: int
    shape: ErrorShape
    code: int | str
    message: str
    source: Source
    wording: Source | None = None
    rule: Source | None = None

    @property
    def rule_source(self) -> Source:
        """The evidence for the rule that is broken, whatever the response to it."""
        return self.rule or self.source

    def text(self, **values: object) -> str:
        """The message, without the request id that some gateways append to it."""
        return self.message.removesuffix(REQUEST_ID).format(request_id="", **values)

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


def from_table(
    code: int,
    message: str | None = None,
    *,
    status: int | None = None,
    source: Source | None = None,
    wording: Source | None = None,
) -> Refusal:
    """A refusal in Kling's shape, with status and text of Kling's table of error codes unless given.

    Without `source` the table is the source; another status than that of the table is assumed. The evidence
    for a given text is `wording`, else `source`.
    """
    row = ERRORS[code]
    settled = KLING_ERRORS if status in (None, row.status) else ASSUMED
    return Refusal(
        status or row.status,
        ErrorShape.KLING,
        code,
        message or row.wording,
        source or settled,
        row.source if message is None else wording or source or ASSUMED,
    )


NOT_JSON: Final = from_table(1201, "request body is not valid JSON: {message}", source=ASSUMED)
# Error responses for an invalid request, by the setting `validation_errors`. CometAPI's page describes
# Kling's envelope; no response of this route is captured.
VALIDATION_SHAPES: Final[Mapping[str, Refusal]] = MappingProxyType(
    {
        "kling": Refusal(400, ErrorShape.KLING, 1201, "{message}", ASSUMED),
        "task": Refusal(400, ErrorShape.TASK, "fail_to_fetch_task", "{message}", ASSUMED),
        "comet": Refusal(400, ErrorShape.COMET, "invalid_request", "{message}" + REQUEST_ID, ASSUMED),
    }
)
