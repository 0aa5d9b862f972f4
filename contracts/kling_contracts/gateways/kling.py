"""Kling itself as data."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from kling_contracts.gateways.base import Gateway, Route
from kling_contracts.gateways.refusals import NOT_JSON, VALIDATION_SHAPES, RefusalReason, from_table
from kling_contracts.operations import MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE
from kling_contracts.rules import MODEL_UNKNOWN
from kling_contracts.vocabulary import ASSUMED, KLING_ERRORS, KLING_GENERATION, KLING_LIVE, KLING_PAGE

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
            RefusalReason.NO_KEY: from_table(1001),
            RefusalReason.MALFORMED_KEY: from_table(
                1002, "The token was expected to have 3 parts, but got {parts}", wording=KLING_LIVE
            ),
            RefusalReason.BAD_KEY: from_table(1002, "Authorization is invalid"),
            RefusalReason.BAD_TOKEN: from_table(1000),
            RefusalReason.EARLY_TOKEN: from_table(1003),
            RefusalReason.EXPIRED_TOKEN: from_table(1004),
            RefusalReason.NO_ROUTE: from_table(1203),
            # The official status is 404; 405 with Allow is more helpful.
            RefusalReason.WRONG_METHOD: from_table(1202, status=405),
            RefusalReason.TOO_LARGE: from_table(1201, "request body too large", status=413, source=ASSUMED),
            RefusalReason.BAD_JSON: replace(NOT_JSON, rule=KLING_PAGE),
            RefusalReason.UNKNOWN_MODEL: from_table(1201, MODEL_UNKNOWN.template, source=KLING_LIVE),
            RefusalReason.INVALID: replace(VALIDATION_SHAPES["kling"], source=KLING_ERRORS),
            RefusalReason.DUPLICATE_ID: from_table(
                1201, "External_task_id {id} already exists", source=KLING_LIVE
            ),
            RefusalReason.TOO_MANY: from_table(1302),
            RefusalReason.IN_ARREARS: from_table(1101),
            RefusalReason.NO_BALANCE: from_table(1102),
            RefusalReason.NO_SLOTS: from_table(1303),
            RefusalReason.UNKNOWN_TASK: from_table(
                1201, "Task not found by id/external id: {id}", source=KLING_LIVE
            ),
            RefusalReason.INTERNAL: from_table(5000),
        }
    ),
)
