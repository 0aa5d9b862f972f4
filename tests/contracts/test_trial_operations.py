"""Derived strategies, schemas and compiled readers for the trial operations and plain generation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators  # type: ignore[import-untyped]  # ships no types
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]  # ships no types

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.gateways import COMETAPI
from kling_contracts.openapi.requests import request_schema
from kling_contracts.operations import TEXT_TO_IMAGE, Operation
from kling_contracts.rules import Effect
from kling_contracts.strategies import (
    BoundaryRequest,
    FailingRequest,
    InvalidRequest,
    boundary_classes,
    failing_classes,
    invalid_classes,
    valid_requests,
)
from kling_contracts.strategies.fields import valid_values
from tests.contracts.reader_comparison import read_alike
from tests.profiles import CI, FULL
from tests.rows import some_rows
from tests.trial_operations import SERIES, SOUND, TRIAL, TRIAL_OPERATIONS, VIDEO

Tagged = BoundaryRequest | InvalidRequest | FailingRequest
EVERY = (*TRIAL_OPERATIONS, TEXT_TO_IMAGE)
operations = pytest.mark.parametrize("operation", EVERY, ids=[each.name for each in EVERY])
some_operations = some_rows("operation", EVERY, usual=3, ids=[each.name for each in EVERY])


def rules_broken(body: object, operation: Operation) -> list[str]:
    return [violation.rule.id for violation in operation.read(body).violations]


def _multiple_of(_: object, step: float, number: object, __: object) -> Any:
    """`multipleOf` with decimals, as specified; jsonschema divides floats, where 0.3 / 0.1 is not 3."""
    known = isinstance(number, int | float) and not isinstance(number, bool)
    if known and Fraction(repr(number)) % Fraction(repr(step)):
        yield ValidationError(f"{number} is not a multiple of {step}")


Judge = validators.extend(Draft202012Validator, {"multipleOf": _multiple_of})


@pytest.mark.parametrize("operation", TRIAL_OPERATIONS, ids=[each.name for each in TRIAL_OPERATIONS])
def test_the_gateway_offers_them(operation: Operation) -> None:
    assert TRIAL.find_operation(operation.name) is operation
    assert TRIAL.focused(operation).create_path == f"/kling/v1/{operation.tail}"


@operations
def test_valid_requests(operation: Operation) -> None:
    """Valid requests break no rule, the schema accepts them, and they use every name of a field."""
    schema = Judge(request_schema(operation))
    keys: Counter[str] = Counter()

    @settings(CI, max_examples=60)
    @given(valid_requests(operation))
    def check(body: dict[str, object]) -> None:
        keys.update(body.keys())
        assert rules_broken(body, operation) == []
        assert read_alike(operation, body)
        schema.validate(body)

    check()
    assert set(keys) == operation.keys


def draw_each(classes: Mapping[str, st.SearchStrategy[Tagged]], examples: int) -> list[Tagged]:
    found: list[Tagged] = []
    light = [each for label, each in classes.items() if "max_bytes" not in label]

    for start in range(0, len(light), 10):

        @settings(CI, max_examples=examples)
        @given(st.tuples(*light[start : start + 10]))
        def collect(cases: tuple[Tagged, ...]) -> None:
            found.extend(cases)

        collect()
    return found


# Number of requests of each class; `make faulty-servers` draws more.
DRAWN = 4 if FULL else 1


@some_operations
def test_every_class_breaks_its_rule_and_the_schema_agrees(operation: Operation) -> None:
    """On a limit no rule is broken, beyond it exactly that one; the schema agrees, except on surrogates."""
    schema = Judge(request_schema(operation))
    cases = [
        *draw_each(boundary_classes(operation), DRAWN),
        *draw_each(invalid_classes(operation, gateway=COMETAPI), DRAWN),
        *draw_each(failing_classes(operation), 2),
    ]
    assert len(cases) > 50 * DRAWN
    for case in cases:
        due = [] if isinstance(case, BoundaryRequest) else [case.rule_id]
        assert rules_broken(case.body, operation) == due, (case.label, case.body)
        assert read_alike(operation, case.body), case
        if not case.rule_id.endswith(".unicode") and case.tag != "port" and "\\ud" not in ascii(case.body):
            assert schema.is_valid(case.body) == (not isinstance(case, InvalidRequest)), case


JSON_VALUES: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    | st.just("https://example.com/a.png"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


def hostile(fields: Sequence[AnyField]) -> st.SearchStrategy[object]:
    """Strategy for objects whose fields, at every depth and under any name, are valid, invalid or absent."""
    values = {name: hostile_values(each) for each in fields for name in each.names}
    return st.fixed_dictionaries({}, optional=values)


def hostile_values(each: AnyField) -> st.SearchStrategy[object]:
    match each:
        case Nested():
            return valid_values(each) | hostile(each.fields) | JSON_VALUES
        case ListOf():
            return st.lists(hostile_values(each.item), max_size=each.maximum.value + 1) | JSON_VALUES
        case _:
            return valid_values(each) | JSON_VALUES


@some_operations
def test_schema_and_validator_agree_on_any_values(operation: Operation) -> None:
    """Schema and validator agree; every violation is of a rule of the operation."""
    schema = Judge(request_schema(operation))
    verdicts: Counter[bool] = Counter()

    @settings(CI, max_examples=50)
    @given(hostile(operation.fields))
    def check(body: dict[str, object]) -> None:
        violations = operation.read(body).violations
        assert {each.rule.id for each in violations} <= operation.rules.keys()
        assert read_alike(operation, body)
        refused = any(each.effect is Effect.REFUSED for each in violations)
        verdicts[refused] += 1
        assert schema.is_valid(body) is not refused

    check()
    assert verdicts[True] > 10


@operations
def test_every_rule_has_a_class(operation: Operation) -> None:
    """The strategies cover every rule."""
    refused = {rule.id for rule in operation.rules.values() if rule.effect is Effect.REFUSED}
    failing = set(operation.rules) - refused
    assert {label.partition(": ")[0] for label in invalid_classes(operation)} == refused
    assert {label.partition(": ")[0] for label in failing_classes(operation)} == failing


def test_constraints_are_approached_from_both_sides() -> None:
    """The tags of constraints: each field alone, none, two, all; required and given or missing; optional."""

    def tags(labels: Mapping[str, object], rule: str) -> set[str]:
        return {label.partition(": ")[2] for label in labels if label.startswith(f"{rule}: ")}

    one = "video_id.exactly_one"
    assert tags(boundary_classes(SOUND), one) == {"video_id", "video_url", "image"}
    assert tags(invalid_classes(SOUND), one) == {"none", "all", "two"}
    for operation, rule in (
        (SERIES, "series_amount.required_when"),
        (VIDEO, "duration.required_when"),
        (VIDEO, "cfg_scale.required_when"),
    ):
        assert tags(boundary_classes(operation), rule) == {"given", "not needed"}
        default = {"by default"} if operation is SERIES else set[str]()
        assert tags(invalid_classes(operation), rule) == {"absent", "null", "empty text"} | default


def test_valid_requests_shrink_to_the_least() -> None:
    """Valid requests shrink to the first source, or to the amount that the default requires."""

    def least(operation: Operation) -> dict[str, object]:
        return find(valid_requests(operation), lambda _: True, settings=settings(CI, max_examples=80))

    assert least(VIDEO) == {"prompt": "0"}
    assert least(SERIES) == {"prompt": "0", "series_amount": 2}
    assert len(least(SOUND)) == 1
