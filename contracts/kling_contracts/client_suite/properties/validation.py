"""Properties of local validation: invalid requests are not sent, valid requests are."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Final, TypeVar

from hypothesis import strategies as st

from kling_contracts.client_suite.adapter import ClientAdapter
from kling_contracts.client_suite.bodies import given_body, sent_body, smallest_body, submit
from kling_contracts.client_suite.harness import Harness, Property, fault, require_create, require_error
from kling_contracts.client_suite.replies import refused
from kling_contracts.gateways import Gateway, RefusalReason
from kling_contracts.image_files import png
from kling_contracts.operations import Operation, validate
from kling_contracts.strategies import BoundaryRequest, InvalidRequest, boundary_classes, invalid_classes
from kling_contracts.vocabulary import KLING_ERRORS, SEED

_ACCEPTS_VALID_HINT: Final = "relax the client's validation, or list in `fields` the fields that it can send"

# Bodies of 14 MB would take longer than all others together.
_FEW: Final = 1
_PER_CLASS: Final = 2
_BULKY: Final = "max_bytes"

# Typical requests.
_PLAIN: Final[tuple[Mapping[str, object], ...]] = (
    {},
    {"prompt": "two cats at sea, é漢😀"},
    {"n": 2},
    {"aspect_ratio": "3:2"},
    {"subject_image_list": [{"subject_image": f"http://example.com/{name}"} for name in ("a.png", "b?c=d")]},
    {"subject_image_list": [{"subject_image": b64encode(png(300, 300)).decode()}] * 2},
)

T = TypeVar("T")
Invalid = st.SearchStrategy[InvalidRequest]
Boundary = st.SearchStrategy[BoundaryRequest]


def validation(adapter: ClientAdapter, gateway: Gateway) -> Iterator[Property]:
    """The properties of validation, for the fields that the client can send."""
    operation = gateway.main
    if adapter.validates_locally:
        for rule_id, invalid in _by_rule(_invalid(gateway), operation, adapter.fields).items():
            yield Property(
                id=f"client.sends_only_valid[{rule_id}]",
                hint="check this rule before sending, or set `validates_locally = False`",
                sentence="a request that breaks this rule is refused before it is sent",
                source=operation.rules[rule_id].source,
                check=partial(_sends_only_valid, invalid),
            )
    else:
        yield Property(
            id="client.passes_refusals_on",
            hint="raise an error with the body's message if the HTTP status is 400 or higher",
            sentence="if the service refuses a request as invalid, the caller gets an error",
            source=KLING_ERRORS,
            check=_passes_refusals_on,
        )
    for rule_id, edges in _by_rule(_boundary(operation), operation, adapter.fields).items():
        yield Property(
            id=f"client.accepts_valid[{rule_id}]",
            hint=_ACCEPTS_VALID_HINT,
            sentence="a request exactly at the limit of this rule is sent",
            source=operation.rules[rule_id].source,
            check=partial(_accepts_edges, edges),
        )
    yield Property(
        id="client.accepts_valid",
        hint=_ACCEPTS_VALID_HINT,
        sentence="every request that the contract allows is sent",
        source=SEED,
        check=_accepts_valid,
    )


def _invalid(gateway: Gateway) -> Mapping[str, Invalid]:
    return invalid_classes(gateway.main, gateway=gateway, run="suite")


def _boundary(operation: Operation) -> Mapping[str, Boundary]:
    return boundary_classes(operation, run="suite")


def _by_rule(
    classes: Mapping[str, st.SearchStrategy[T]], operation: Operation, fields: Collection[str] | None
) -> dict[str, dict[str, st.SearchStrategy[T]]]:
    """The classes for the fields that the client can send, by rule; without bodies that are not objects."""
    found: dict[str, dict[str, st.SearchStrategy[T]]] = {}
    for label, values in classes.items():
        rule_id = label.partition(": ")[0]
        if rule_id != "body.type" and _concerns(rule_id, operation, fields):
            found.setdefault(rule_id, {})[label] = values
    return found


def _concerns(rule_id: str, operation: Operation, fields: Collection[str] | None) -> bool:
    if fields is None:
        return True
    return any(
        rule_id == rule.id for field in operation.fields if field.name in fields for rule in field.rules
    )


def _sends_only_valid(classes: Mapping[str, Invalid], harness: Harness) -> None:
    def judge(request: InvalidRequest) -> None:
        body = given_body(harness, request.body)
        attempt = submit(harness, body)
        rule = harness.operation.rules[request.rule_id]
        for sent in attempt.creates:
            violations = _violations(sent_body(sent), harness.operation)
            if violations:
                fault("an error, and no request", f"{sent}\n({violations})", rule=rule, tag=request.tag)

    for label, requests in classes.items():
        harness.for_all(requests, judge, _FEW if _BULKY in label else min(_PER_CLASS, harness.examples))


def _violations(body: object, operation: Operation) -> str:
    return "; ".join(map(str, validate(body, operation)))


def _accepts_edges(classes: Mapping[str, Boundary], harness: Harness) -> None:
    def judge(request: BoundaryRequest) -> None:
        attempt = submit(harness, given_body(harness, request.body))
        require_create(attempt, rule=harness.operation.rules[request.rule_id], tag=request.tag)

    for label, requests in classes.items():
        harness.for_all(requests, judge, _FEW if _BULKY in label else min(_PER_CLASS, harness.examples))


def _accepts_valid(harness: Harness) -> None:
    """Requests within the limits; those at a limit have their own properties."""
    for given in _PLAIN:
        require_create(submit(harness, given_body(harness, smallest_body(harness, **given))))


def _passes_refusals_on(harness: Harness) -> None:
    def judge(request: InvalidRequest) -> None:
        harness.answer_with(creates=[refused(harness.gateway, RefusalReason.INVALID)], accepts=False)
        attempt = harness.submit(given_body(harness, request.body))
        require_error(attempt, "an error, since the service refused the request")

    # The service's reply is the same for all; one request for each rule is enough.
    for classes in _by_rule(_invalid(harness.gateway), harness.operation, harness.adapter.fields).values():
        small = [requests for label, requests in classes.items() if _BULKY not in label]
        if small:
            harness.for_all(small[0], judge, _FEW)
