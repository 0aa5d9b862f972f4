"""The request bodies of the verifier: valid or with one fault, for any operation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kling_contracts.cases.invalid import minimal_value
from kling_contracts.composite_fields import ListOf
from kling_contracts.image_fields import PictureList
from kling_contracts.openapi.requests import request_schema
from kling_contracts.operations import TEXT_TO_IMAGE, Operation
from kling_contracts.rules import Effect
from kling_contracts.verify.bodies import Body, faults, minimal, with_field
from tests.contracts.test_trial_operations import Judge
from tests.trial_operations import EXPAND, SERIES, SOUND, SPEECH, TRIAL_OPERATIONS, VIDEO

EVERY = (*TRIAL_OPERATIONS, TEXT_TO_IMAGE)
operations = pytest.mark.parametrize("operation", EVERY, ids=[each.name for each in EVERY])


def broken(operation: Operation, body: object) -> list[str]:
    return [violation.rule.id for violation in operation.read(body).violations]


@operations
def test_the_minimal_body_is_valid_and_minimal(operation: Operation) -> None:
    body = minimal(operation)
    assert broken(operation, body) == []
    assert Judge(request_schema(operation)).is_valid(body)
    for name in body:
        rest = {key: value for key, value in body.items() if key != name}
        assert broken(operation, rest) != [], f"{name} is not needed"


def test_minimal_bodies_as_typed_here() -> None:
    def names(operation: Operation) -> set[str]:
        return set(minimal(operation))

    assert names(EXPAND) == {"image", "up_expansion_ratio", "down_expansion_ratio"}
    assert names(VIDEO) == {"prompt"}
    assert names(SERIES) == {"prompt", "series_amount"}
    assert names(SOUND) == {"video_id"}
    assert minimal(SPEECH) == {"text": "a boat", "voice_language": "zh"}


@operations
def test_each_field_can_be_added(operation: Operation) -> None:
    """Constraints hold: a field excludes others, or adds those that it requires."""
    for field in operation.fields:
        body = with_field(operation, field.name, minimal_value(field))
        assert field.name in body
        assert broken(operation, body) == []


@operations
def test_each_fault_breaks_its_rule_only_and_each_rule_has_one(operation: Operation) -> None:
    """Except the rules about the body as a whole, which other tests break."""
    found: set[str] = set()
    for fault in faults(operation):
        assert broken(operation, fault.body) == [fault.rule.id], fault.tag
        found.add(fault.rule.id)
    refused = [rule.id for rule in operation.rules.values() if rule.effect is Effect.REFUSED]
    assert found == {rule for rule in refused if not rule.startswith("body.")}


@operations
def test_no_two_faults_are_alike(operation: Operation) -> None:
    names = [(fault.rule.id, fault.tag) for fault in faults(operation)]
    assert len(set(names)) == len(names)


# Small errors of a server: the body as the server misreads it before it validates it correctly.
Mistake = Callable[[Body], Body]


def without_last_items(body: Body) -> Body:
    return {key: value[:-1] if isinstance(value, list) else value for key, value in body.items()}


def inner(outer: str, change: Callable[[Body], Body]) -> Mistake:
    def seen(body: Body) -> Body:
        value = body.get(outer)
        return body | {outer: change(value)} if isinstance(value, dict) else body

    return seen


def without_config(camera: Body) -> Body:
    return {key: value for key, value in camera.items() if key != "config"}


def first_source(body: Body) -> Body:
    return {key: value for key, value in body.items() if key != "video_url" or "video_id" not in body}


def one_is_true(body: Body) -> Body:
    return body | ({"sound": False} if body.get("sound") in (0, 1) else {})


def rounded(body: Body) -> Body:
    scale = body.get("cfg_scale")
    return body | {"cfg_scale": round(scale, 2)} if isinstance(scale, float) else body


MISTAKES: dict[str, tuple[Operation, Mistake]] = {
    "ignores the last items": (SERIES, without_last_items),
    "any config": (VIDEO, inner("camera_control", without_config)),
    "uses the first of several": (SOUND, first_source),
    "an amount is never needed": (SERIES, lambda body: {"series_amount": 2} | body),
    "1 is true": (VIDEO, one_is_true),
    "rounds": (VIDEO, rounded),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_errors_of_a_server_are_caught(name: str) -> None:
    operation, mistaken = MISTAKES[name]
    assert any(broken(operation, mistaken(fault.body)) == [] for fault in faults(operation))


@operations
def test_lists_with_invalid_items_have_a_legal_length(operation: Operation) -> None:
    for field in operation.fields:
        if isinstance(field, ListOf | PictureList):
            for fault in faults(operation):
                value = fault.body.get(field.name)
                if isinstance(value, list) and fault.rule.id.startswith(f"{field.name}.{field.item.name}."):
                    assert field.minimum.value <= len(value) <= field.maximum.value
