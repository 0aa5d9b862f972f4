"""CometAPI as data. It stands before Kling, and has error responses of its own."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from kling_contracts.gateways.base import Gateway, Route
from kling_contracts.gateways.refusals import (
    NOT_JSON,
    REQUEST_ID,
    VALIDATION_SHAPES,
    ErrorShape,
    Refusal,
    RefusalReason,
    from_table,
)
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE
from kling_contracts.vocabulary import ASSUMED, COMET_ERRORS, COMET_LIVE, KLING_LIVE, SEED

# CometAPI bills in advance: one refusal for each balance that is used up.
_NO_QUOTA: Final = Refusal(
    403, ErrorShape.TASK, "insufficient_user_quota", "user quota is not enough", ASSUMED
)
_INVALID_TOKEN: Final = Refusal(401, ErrorShape.COMET, "", "invalid token" + REQUEST_ID, COMET_ERRORS)

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
            RefusalReason.NO_KEY: replace(_INVALID_TOKEN, rule=SEED),
            RefusalReason.MALFORMED_KEY: _INVALID_TOKEN,
            RefusalReason.BAD_KEY: _INVALID_TOKEN,
            RefusalReason.NO_ROUTE: Refusal(
                404, ErrorShape.COMET, "", "Invalid URL ({method} {path})" + REQUEST_ID, ASSUMED
            ),
            RefusalReason.WRONG_METHOD: Refusal(
                405, ErrorShape.COMET, "", "Method {method} is not allowed here" + REQUEST_ID, ASSUMED
            ),
            RefusalReason.TOO_LARGE: Refusal(
                413, ErrorShape.TASK, "read_request_body_failed", "request body too large", ASSUMED
            ),
            RefusalReason.BAD_JSON: replace(NOT_JSON, rule=SEED),
            RefusalReason.UNKNOWN_MODEL: Refusal(
                503,
                ErrorShape.COMET,
                "model_not_found",
                "no available channel for group default and model {model} (distributor)" + REQUEST_ID,
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
                rule=SEED,
            ),
            RefusalReason.TOO_MANY: from_table(1302, source=ASSUMED),
            RefusalReason.IN_ARREARS: _NO_QUOTA,
            RefusalReason.NO_BALANCE: _NO_QUOTA,
            RefusalReason.NO_SLOTS: from_table(1303, source=ASSUMED),
            RefusalReason.UNKNOWN_TASK: Refusal(
                400, ErrorShape.TASK, "task_not_exist", "task_not_exist", COMET_LIVE
            ),
            RefusalReason.INTERNAL: from_table(5000, source=ASSUMED),
        }
    ),
)
