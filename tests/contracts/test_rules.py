"""Completeness of rules and gateways: sentence, requirement, wording, source, error code."""

import pytest

from kling_contracts.gateways import GATEWAYS, TOKEN_REASONS, ErrorShape, Gateway, RefusalReason
from kling_contracts.operations import OPERATIONS, Operation
from kling_contracts.rules import EMPTY, Effect, Rule, ValidationResult, Violation
from kling_contracts.vocabulary import ASSUMED, ERRORS, Confidence, Origin

operations = pytest.mark.parametrize("operation", OPERATIONS, ids=[each.name for each in OPERATIONS])
gateways = pytest.mark.parametrize("gateway", GATEWAYS, ids=[each.name for each in GATEWAYS])


@operations
def test_rule_ids_are_unique(operation: Operation) -> None:
    """Rule ids of an operation are unique, and begin with the name of a field."""
    ids = [rule.id for field in operation.fields for rule in field.rules]
    assert len(set(ids)) == len(ids)
    assert len(operation.rules) == len(ids) + 2  # and two rules about the body
    names = {field.name for field in operation.fields} | {"subject_image", "body"}
    assert {rule_id.split(".")[0] for rule_id in operation.rules} <= names


@operations
def test_rules_are_complete(operation: Operation) -> None:
    """Every rule has a sentence, a source, a wording with a source, and a code of the error table."""
    for rule_id, rule in operation.rules.items():
        assert rule.id == rule_id
        assert rule.sentence
        assert rule.source.reference
        assert rule.wording.template
        assert rule.wording.source.reference
        assert ERRORS[rule.code].status == rule.status == 400
        assert rule.effect in Effect


@operations
def test_fields_are_complete(operation: Operation) -> None:
    """Every field has a description and a source; names and aliases are unique; defaults are valid."""
    names = [name for field in operation.fields for name in (field.name, *field.aliases)]
    assert len(set(names)) == len(names)
    assert operation.keys == set(names)
    for field in operation.fields:
        assert field.doc
        assert field.source.reference
        assert not (field.required and field.default is not None)
    assert operation.defaults == {"model_name": "kling-v2", "n": 1, "aspect_ratio": "16:9"}


def test_the_page_is_covered() -> None:
    """The fields are those of CometAPI's page, in its order and spelling."""
    assert [field.name for field in OPERATIONS[0].fields] == [
        "subject_image_list",
        "model_name",
        "prompt",
        "scence_image",
        "style_image",
        "n",
        "aspect_ratio",
        "callback_url",
        "external_task_id",
    ]
    assert [field.name for field in OPERATIONS[0].fields if field.required] == ["subject_image_list"]


@gateways
def test_gateways_have_every_refusal(gateway: Gateway) -> None:
    """Each reason has an error response of its shape; those about tokens if the gateway accepts tokens."""
    expected = [each for each in RefusalReason if gateway.takes_tokens or each not in TOKEN_REASONS]
    assert list(gateway.refusals) == expected
    keys = {
        ErrorShape.KLING: {"code", "message", "request_id"},
        ErrorShape.TASK: {"code", "message", "data"},
        ErrorShape.COMET: {"error"},
    }
    for refusal in gateway.refusals.values():
        body = refusal.body("rid", message="m", id="{i}", model="{m}", method="PUT", path="/{p}", parts="2")
        assert set(body) == keys[refusal.shape]
        assert refusal.status >= 400
        assert refusal.source.reference


def test_confidence_follows_from_the_origin() -> None:
    """Confidence is low if and only if the origin is `assumed`."""
    for operation in OPERATIONS:
        for rule in operation.rules.values():
            assumed = rule.source.origin is Origin.ASSUMED
            assert (rule.source.confidence is Confidence.LOW) == assumed
            assert str(rule.source).startswith(rule.source.origin)


def test_violations() -> None:
    rule = Rule(
        id="n.minimum",
        sentence="n is at least 1",
        requirement="must be at least 1",
        source=ASSUMED,
        wording=EMPTY,
    )
    broken = Violation("n", rule, "0", "n cannot be empty")
    assert (broken.status, broken.code) == (400, 1201)
    assert str(broken) == "n: must be at least 1; got 0"
    assert str(broken._replace(received="it is missing")) == "n: must be at least 1; it is missing"


def test_null_is_absent_by_default() -> None:
    values: tuple[object, ...] = (None, "", 0, False)
    assert [ValidationResult().absent(value) for value in values] == [True, True, False, False]
    assert [ValidationResult(null_is_absent=False).absent(value) for value in values[:2]] == [False, True]
