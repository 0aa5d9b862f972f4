"""jsonschema on the published document and the validator agree."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

from kling_contracts.gateways import GATEWAYS
from kling_contracts.openapi import build
from kling_contracts.operations import MULTI_IMAGE, OPERATIONS, TEXT_TO_IMAGE, Operation, validate
from kling_contracts.rules import Effect, Violation
from kling_contracts.strategies import BoundaryRequest, FailingRequest, InvalidRequest, valid_requests
from tests.profiles import share

if TYPE_CHECKING:
    from tests.contracts.conftest import HostileBodies


Tagged = BoundaryRequest | InvalidRequest | FailingRequest
URL = "https://example.com/a.png"
JUDGED = (*OPERATIONS, TEXT_TO_IMAGE)
_PUBLISHED = {
    name: schema
    for gateway in GATEWAYS
    for name, schema in cast("Any", build(gateway))["components"]["schemas"].items()
}
SCHEMAS = {
    operation.name: Draft202012Validator(_PUBLISHED[name])
    for operation, name in zip(
        JUDGED, ("MultiImageRequest", "MultiImage2imageRequest", "TextToImageRequest"), strict=True
    )
}
# Rules that the schema cannot express, excluded from the comparison:
BEYOND_SCHEMA: tuple[Callable[[Violation], object], ...] = (
    # lone surrogates: not expressible in JSON Schema
    lambda violation: violation.rule.id.endswith(".unicode"),
    # ports above 65535 (the pattern would be unreadable), and surrogates inside a URL
    lambda violation: violation.rule.id.endswith(".url") and re.search(r":\d{5}|\\u[dD]", violation.value),
)


def agree(body: object, operation: Operation = MULTI_IMAGE) -> bool:
    """The schema accepts if and only if no rule refuses, except rules that it cannot express."""
    refused = [each for each in validate(body, operation) if each.effect is Effect.REFUSED]
    if refused and all(any(beyond(each) for beyond in BEYOND_SCHEMA) for each in refused):
        return True
    return bool(SCHEMAS[operation.name].is_valid(body)) == (not refused)


def test_every_class_of_requests(sample: list[Tagged]) -> None:
    """Both agree on more than seven hundred requests: on limits, beyond them, and with failing tasks."""
    # Without megabytes of base64, where the pattern is slow; test_boundaries covers the limit in bytes.
    light = [case for case in sample if not case.rule_id.endswith("max_bytes")]
    assert len(light) > 700
    assert [case for case in light if not agree(case.body)] == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=[each.name for each in OPERATIONS])
def test_valid_requests(operation: Operation) -> None:
    """The schema accepts valid requests."""

    @share(0.8)
    @given(valid_requests(operation))
    def check(body: object) -> None:
        assert agree(body, operation)

    check()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(URL),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("operation", JUDGED, ids=[each.name for each in JUDGED])
def test_hostile_bodies(operation: Operation, hostile_bodies: HostileBodies) -> None:
    """For any values of the fields, both refuse or both accept."""

    @share(1.5)
    @given(hostile_bodies(operation, json_values))
    def check(body: object) -> None:
        assert agree(body, operation)

    check()


def test_infinite_numbers() -> None:
    """Infinity and NaN, parsed from `1e400` and `NaN`, are not integers for either."""
    for number in (math.inf, -math.inf, math.nan):
        assert agree({"subject_image_list": [{"subject_image": URL}] * 2, "n": number})
