"""The tables of error responses and gateways, typed by hand a second time: errors, shapes, paths, pages."""

from __future__ import annotations

import pytest

from kling_contracts.gateways import (
    COMETAPI,
    GATEWAYS,
    INTERCEPTED_HOSTS,
    KLING,
    PAGING,
    VALIDATION_SHAPES,
    Gateway,
    Refusal,
    RefusalReason,
    every_operation,
    gateway_of,
)
from kling_contracts.operations import MULTI_IMAGE
from kling_contracts.vocabulary import ERRORS, Origin

# The meaning of each code in the official table, shortened.
MEANINGS = {
    1000: "authentication failed",
    1001: "Authorization header empty",
    1002: "Authorization value invalid",
    1003: "token not yet valid",
    1004: "token expired",
    1100: "account abnormal",
    1101: "account in arrears",
    1102: "resource pack used up",
    1103: "no permission for the resource",
    1200: "parameters invalid",
    1201: "wrong key or illegal value",
    1202: "HTTP method invalid",
    1203: "resource does not exist",
    1300: "blocked by platform policy",
    1301: "content-security policy",
    1302: "too many requests",
    1303: "concurrency limit",
    1304: "IP allow-list policy",
    5000: "server error",
    5001: "unavailable",
    5002: "internal timeout",
}

# status, message, and whether the message is captured or, once, documented
CODES = {
    1000: (401, "Authentication failed"),
    1001: (401, "Authorization is empty"),
    1002: (401, "The token was expected to have 3 parts, but got 0"),
    1003: (401, "The token is not yet valid"),
    1004: (401, "The token has expired"),
    1100: (429, "Account exception"),
    1101: (429, "Account in arrears"),
    1102: (429, "Account balance not enough"),
    1103: (403, "No permission"),
    1200: (400, "Request parameters are invalid"),
    1201: (400, "Parameter value is invalid"),
    1202: (404, "The requested method is invalid"),
    1203: (404, "The requested resource does not exist"),
    1300: (400, "Blocked by platform policy"),
    1301: (400, "Failure to pass the risk control system"),
    1302: (429, "Too many requests"),
    1303: (429, "parallel task over resource pack limit"),
    1304: (429, "IP is not in the allow list"),
    5000: (500, "Internal server error"),
    5001: (503, "Service temporarily unavailable"),
    5002: (504, "Internal timeout"),
}
REQUEST_ID = " (request id: {request_id})"
COMET_TOKEN = (401, "comet", "", "invalid token (request id: {request_id})")
SHARED = {
    "body.json": (400, "kling", 1201, "request body is not valid JSON: {message}"),
    "body.valid": (400, "kling", 1201, "{message}"),
    "external_task_id.unique": (400, "kling", 1201, "External_task_id {id} already exists"),
    "account.rate": (429, "kling", 1302, "Too many requests"),
    "account.slots": (429, "kling", 1303, "parallel task over resource pack limit"),
    "internal": (500, "kling", 5000, "Internal server error"),
}
REFUSALS = {
    "cometapi": {
        **SHARED,
        "auth.missing": COMET_TOKEN,
        "auth.malformed": COMET_TOKEN,
        "auth.key": COMET_TOKEN,
        "route.path": (404, "comet", "", "Invalid URL ({method} {path}) (request id: {request_id})"),
        "route.method": (405, "comet", "", "Method {method} is not allowed here (request id: {request_id})"),
        "body.max_bytes": (413, "task", "read_request_body_failed", "request body too large"),
        "model_name.enum": (
            503,
            "comet",
            "model_not_found",
            f"no available channel for group default and model {{model}} (distributor){REQUEST_ID}",
        ),
        "account.credit": (403, "task", "insufficient_user_quota", "user quota is not enough"),
        "account.balance": (403, "task", "insufficient_user_quota", "user quota is not enough"),
        "task.exists": (400, "task", "task_not_exist", "task_not_exist"),
    },
    "kling": {
        **SHARED,
        "auth.missing": (401, "kling", 1001, "Authorization is empty"),
        "auth.malformed": (401, "kling", 1002, "The token was expected to have 3 parts, but got {parts}"),
        "auth.key": (401, "kling", 1002, "Authorization is invalid"),
        "auth.token": (401, "kling", 1000, "Authentication failed"),
        "auth.not_before": (401, "kling", 1003, "The token is not yet valid"),
        "auth.expired": (401, "kling", 1004, "The token has expired"),
        "route.path": (404, "kling", 1203, "The requested resource does not exist"),
        "route.method": (405, "kling", 1202, "The requested method is invalid"),
        "body.max_bytes": (413, "kling", 1201, "request body too large"),
        "model_name.enum": (400, "kling", 1201, "model is not supported"),
        "account.credit": (429, "kling", 1101, "Account in arrears"),
        "account.balance": (429, "kling", 1102, "Account balance not enough"),
        "task.exists": (400, "kling", 1201, "Task not found by id/external id: {id}"),
    },
}


def told(refusal: Refusal) -> tuple[int, str, int | str, str]:
    return refusal.status, refusal.shape.value, refusal.code, refusal.message


def test_the_error_table_is_as_typed_here() -> None:
    assert {code: (row.status, row.wording) for code, row in ERRORS.items()} == CODES
    assert {code: row.meaning for code, row in ERRORS.items()} == MEANINGS
    assert all(row.code == code for code, row in ERRORS.items())
    seen = {code for code, row in ERRORS.items() if row.source.origin is not Origin.ASSUMED}
    assert seen == {1002, 1102, 1303}


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda each: each.name)
def test_refusals_are_as_typed_here(gateway: Gateway) -> None:
    assert {at.value: told(refusal) for at, refusal in gateway.refusals.items()} == REFUSALS[gateway.name]


def test_captured_messages() -> None:
    """The messages that are captured or documented, not assumed."""
    found = {
        gateway.name: {at.value: each.source.origin.value for at, each in gateway.refusals.items()}
        for gateway in GATEWAYS
    }
    sure = {
        name: {at: word for at, word in rows.items() if word != "assumed"} for name, rows in found.items()
    }
    assert sure == {
        "cometapi": {
            "auth.missing": "reseller",
            "auth.malformed": "reseller",
            "auth.key": "reseller",
            "model_name.enum": "captured",
            "task.exists": "captured",
        },
        "kling": {
            "auth.missing": "official",
            "auth.malformed": "official",
            "auth.key": "official",
            "auth.token": "official",
            "auth.not_before": "official",
            "auth.expired": "official",
            "route.path": "official",
            "model_name.enum": "captured",
            "body.valid": "official",
            "external_task_id.unique": "captured",
            "account.rate": "official",
            "account.credit": "official",
            "account.balance": "official",
            "account.slots": "official",
            "task.exists": "captured",
            "internal": "official",
        },
    }


def test_texts_and_rules_with_other_evidence_than_their_response() -> None:
    """The page of the seed states rules whose responses it does not show; texts are captured."""
    rows = [(gateway.name, at.value, each) for gateway in GATEWAYS for at, each in gateway.refusals.items()]
    texts = {(name, at) for name, at, each in rows if (each.wording or each.source).origin is Origin.CAPTURED}
    assert texts == {
        ("cometapi", "model_name.enum"),
        ("cometapi", "external_task_id.unique"),
        ("cometapi", "task.exists"),
        ("kling", "auth.malformed"),
        ("kling", "model_name.enum"),
        ("kling", "external_task_id.unique"),
        ("kling", "account.balance"),
        ("kling", "task.exists"),
    }
    rules = {(name, at): each.rule_source.origin.value for name, at, each in rows if each.rule}
    assert rules == {
        ("cometapi", "auth.missing"): "seed",
        ("cometapi", "body.json"): "seed",
        ("cometapi", "external_task_id.unique"): "seed",
        ("kling", "body.json"): "official",
    }


def test_shapes_of_a_refused_request_are_as_typed_here() -> None:
    """The three shapes of the setting `validation_errors`, as whole bodies."""
    bodies = {name: each.body("r-1", message="m") for name, each in VALIDATION_SHAPES.items()}
    assert bodies == {
        "kling": {"code": 1201, "message": "m", "request_id": "r-1"},
        "task": {"code": "fail_to_fetch_task", "message": "m", "data": None},
        "comet": {
            "error": {
                "message": "m (request id: r-1)",
                "type": "comet_api_error",
                "param": "",
                "code": "invalid_request",
            }
        },
    }
    assert {each.status for each in VALIDATION_SHAPES.values()} == {400}


def test_gateways_are_as_typed_here() -> None:
    """Name, prefix, hosts, create path, costs path, base URL, and the four flags."""
    assert [
        (
            *(each.name, each.prefix, each.hosts, each.create_path, each.costs_path, each.base_url),
            *(each.finds_external_ids, each.lists, each.takes_tokens, each.looks_for_model_first),
        )
        for each in GATEWAYS
    ] == [
        (
            *("cometapi", "/kling", ("api.cometapi.com",)),
            *("/kling/v1/images/generations", "/kling/account/costs", "https://api.cometapi.com"),
            *(False, False, False, True),
        ),
        (
            *("kling", "", ("api-singapore.klingai.com", "api.klingai.com", "api-beijing.klingai.com")),
            *("/v1/images/multi-image2image", "/account/costs", "https://api-singapore.klingai.com"),
            *(True, True, True, False),
        ),
    ]
    assert (
        *("api.cometapi.com", "api-singapore.klingai.com", "api.klingai.com", "api-beijing.klingai.com"),
        "cdn.klingai.com",
    ) == INTERCEPTED_HOSTS


def test_routes_are_as_typed_here() -> None:
    """Path, operations, optional operations, and the kind of evidence."""
    assert [
        (
            path,
            [each.name for each in route.operations],
            [each.name for each in route.optional],
            route.source.origin.value,
        )
        for gateway in GATEWAYS
        for path, route in gateway.create_paths.items()
    ] == [
        ("/kling/v1/images/generations", ["multi-image"], ["text-to-image"], "seed"),
        ("/kling/v1/images/multi-image2image", ["multi-image2image"], [], "captured"),
        ("/v1/images/multi-image2image", ["multi-image2image"], [], "official"),
        ("/v1/images/generations", ["text-to-image"], [], "official"),
    ]
    assert [each.name for each in every_operation()] == ["multi-image", "text-to-image", "multi-image2image"]


@pytest.mark.parametrize(
    ("body", "enabled", "name"),
    [
        ({"subject_image_list": []}, (), "multi-image"),
        ({"subject_image_list": None, "prompt": "a"}, ("text-to-image",), "multi-image"),
        ({"prompt": "a"}, (), "multi-image"),
        ({"prompt": "a"}, ("text-to-image",), "text-to-image"),
        ({"prompt": "a"}, ("image-to-text",), "multi-image"),
        ({}, ("text-to-image",), "text-to-image"),
        (["subject_image_list"], (), "multi-image"),
        (["subject_image_list"], ("text-to-image",), "text-to-image"),
        (None, (), "multi-image"),
    ],
)
def test_the_body_picks_its_operation(body: object, enabled: tuple[str, ...], name: str) -> None:
    assert COMETAPI.routes[0].operation(body, enabled).name == name


@pytest.mark.parametrize(
    ("path", "host", "gateway"),
    [
        ("/kling/v1/images/generations", "localhost", COMETAPI),
        ("/kling/", "localhost", COMETAPI),
        ("/kling", "localhost", KLING),
        ("/klingon/v1", "localhost", KLING),
        ("/v1/kling/images", "localhost", KLING),
        ("/v1/images/generations", "localhost", KLING),
        ("", "", KLING),
        ("/v1/images/generations", "api.cometapi.com", COMETAPI),
        ("/kling/v1/images/generations", "api.klingai.com", KLING),
        ("/kling/v1/images/generations", "api-beijing.klingai.com", KLING),
        ("/kling/v1/images/generations", "cdn.klingai.com", COMETAPI),
    ],
)
def test_the_host_picks_the_gateway_and_then_the_path(path: str, host: str, gateway: Gateway) -> None:
    assert gateway_of(path, host).name == gateway.name


@pytest.mark.parametrize(
    ("gateway", "rule", "told"),
    [
        (COMETAPI, "model_name.enum", (503, "model_not_found")),
        (KLING, "model_name.enum", (400, 1201)),
        (COMETAPI, "model_name.type", (400, 1201)),
        (COMETAPI, "body.type", (400, 1201)),
        (COMETAPI, "subject_image.url", (400, 1201)),
    ],
)
def test_error_response_of_a_broken_rule(gateway: Gateway, rule: str, told: tuple[int, int | str]) -> None:
    """The error response of the rule's id if the gateway has one, else that of INVALID."""
    refusal = gateway.refusal_for(MULTI_IMAGE.rules[rule])
    assert (refusal.status, refusal.code) == told
    named = rule == "model_name.enum"
    assert refusal is gateway.refusals[RefusalReason.UNKNOWN_MODEL if named else RefusalReason.INVALID]


def test_pages_are_as_typed_here() -> None:
    """Minimum and maximum of page number and page size; 30 tasks by default."""
    assert [(each.name, each.minimum.value, each.maximum.value, each.default) for each in PAGING] == [
        ("pageNum", 1, 1000, 1),
        ("pageSize", 1, 500, 30),
    ]
