"""Requests combine the values of several fields, so that faults in combinations are found and named."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from kling_contracts.checks.combined_faults import values_of_fault, values_with
from kling_contracts.checks.combined_requests import requests_of
from kling_contracts.checks.field_values import Value, body_with, values_in, values_of
from kling_contracts.checks.invalid_bodies import families_of, others_of, repeated_of
from kling_contracts.checks.pair_coverage import pairs_covered
from kling_contracts.checks.request_combinations import body_in
from kling_contracts.checks.request_features import VALID
from kling_contracts.gateways import COMETAPI, GATEWAYS, KLING, Gateway
from kling_contracts.registry import SUITE, steps_of
from kling_contracts.verify.model import Requirement, Step
from kling_contracts.verify.plan import Options, images_for_all, plan, totals_of
from tests.contracts.verify.conftest import SOUND
from tests.contracts.verify.faulty_servers.base import SERVER, Fault
from tests.contracts.verify.faulty_servers.catalogue import FAULTS
from tests.trial_operations import SOUND as SOUND_FOR_VIDEO
from tests.trial_operations import SPEECH, TRIAL

if TYPE_CHECKING:
    from tests.contracts.verify.conftest import Campaign

COMBINATIONS = [fault for fault in FAULTS if "together with" in fault.description]
MAIN = pytest.mark.parametrize("gateway", GATEWAYS, ids=str)
# Operations with and without constraints on several fields.
EVERY = pytest.mark.parametrize(
    "gateway",
    [*GATEWAYS, TRIAL.focused(SOUND_FOR_VIDEO), TRIAL.focused(SPEECH)],
    ids=lambda it: f"{it}-{it.main.name}",
)


def _options(gateway: Gateway, images: int) -> Options:
    return Options(base_url=SERVER, api_key="sk", gateway=gateway, max_images=images)


def _images_for_all(gateway: Gateway) -> int:
    return images_for_all(_options(gateway, 0), SUITE)


@EVERY
def test_each_invalid_request_breaks_one_rule(gateway: Gateway) -> None:
    operation = gateway.main
    every = [each for family in families_of(gateway) for each in family]
    every += [*repeated_of(gateway), *others_of(gateway)]
    small = [each for each in every if not each.large]
    assert [
        each.tag
        for each in small
        if {it.rule.id for it in operation.read(each.body).violations} != {each.rule.id}
    ] == []


@EVERY
def test_the_values_of_a_request_are_recognised(gateway: Gateway) -> None:
    operation = gateway.main
    for value, feature in values_of(operation).items():
        assert value in values_in(operation, body_with({}, feature, operation.field(value.field)))


@EVERY
def test_every_pair_of_a_rule_and_a_value_is_covered(gateway: Gateway) -> None:
    """Computed here by brute force; rules about the size of an image are broken alone."""
    operation = gateway.main
    sent: dict[str, set[Value]] = {}
    for each in (
        *(it for family in families_of(gateway) for it in family),
        *repeated_of(gateway),
        *others_of(gateway),
    ):
        sent.setdefault(each.rule.id, set()).update(values_of_fault(operation, each))
    for family in families_of(gateway):
        missing = set(values_with(operation, family)) - sent[family[0].rule.id]
        assert missing == set()


@MAIN
def test_every_pair_of_valid_values_is_covered(gateway: Gateway) -> None:
    operation = gateway.main
    bodies = [body_in(operation, request) for request in requests_of(gateway)]
    together = [values_in(operation, body) for body in bodies]
    values = list(values_of(operation))
    missing = [
        (one, other)
        for one in values
        for other in values
        if one.field < other.field and not any({one, other} <= each for each in together)
    ]
    assert missing == []
    assert all(not operation.read(body).violations for body in bodies)


@MAIN
def test_no_combination_is_superfluous(gateway: Gateway) -> None:
    """Each has a pair of values that no other create has."""
    operation = gateway.main
    pairs = {
        request.name: set(combinations(sorted(values_in(operation, body_in(operation, request))), 2))
        for request in requests_of(gateway)
    }
    times = Counter(pair for each in pairs.values() for pair in each)
    spare = [request.name for request in requests_of(gateway) if request.spare]
    assert [name for name in spare if all(times[pair] > 1 for pair in pairs[name])] == []


@MAIN
def test_a_refused_value_is_reported_by_one_check(gateway: Gateway) -> None:
    """A value at a limit has the check of the limit in every create."""
    features = [feature for request in requests_of(gateway) for feature in request.features]
    own = [feature.fields for feature in features if feature.about != VALID]
    assert [feature for feature in features if feature.about == VALID and feature.fields in own] == []


@MAIN
def test_the_share_within_the_budget(gateway: Gateway) -> None:
    """With 20 images all required steps run; more images add pairs, up to the number for all."""
    enough = _images_for_all(gateway)
    shares: list[float] = []
    for images in (20, 40, enough):
        planned = plan(_options(gateway, images), SUITE)
        without = {each.step.name for each in planned if each.missing is Requirement.BUDGET}
        assert all(not each.step.required for each in planned if each.step.name in without)
        assert totals_of(planned)[2] <= images
        shares.append(pairs_covered(gateway, planned).share)
    assert shares[0] > 0.8
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert without == set()
    fewer = plan(_options(gateway, enough - 1), SUITE)
    assert Requirement.BUDGET in {each.missing for each in fewer}


def test_without_a_limit_the_combinations_are_not_sent() -> None:
    """A kling-mock without --max-images: its run does not get longer."""
    options = replace(_options(KLING, 0), max_images=None)
    omitted = [each.step for each in plan(options, SUITE, mock=True) if each.missing is Requirement.BUDGET]
    assert omitted
    assert all(step.spare for step in omitted)


def _few_steps(gateway: Gateway, *, creates: bool) -> tuple[Step, ...]:
    """The refusals, or the combined creates and the queries for their tasks; not the largest images."""
    if not creates:
        return tuple(
            it for it in steps_of(gateway) if it.name.startswith("refused: ") and "bytes" not in it.name
        )
    names = ("accepted: ", "tasks: until", "lists: ", "result images")
    return tuple(
        it for it in steps_of(gateway) if it.name.startswith(names) and it.name != "accepted: large picture"
    )


# The values that a finding must name; empty if the creates within its budget do not show which value matters.
NAMED = {
    "ratio with a scene": "aspect_ratio given together with scene_image",
    "another default with the alias": "",
    "one image with a style": "n above 1 together with style_image given",
    "prompt in bytes with a model": "prompt 2500 han together with model_name kling-v2-1",
    "four subjects in one ratio": "4 pictures together with aspect_ratio 3:4",
    "no echo with a callback": "external_task_id given together with callback_url given",
    "two tasks for one ratio": "",
    "long prompt in one ratio": "2501 ascii; together with aspect_ratio 21:9",
    "any model with several images": "; together with n above 1",
    "any callback without an id": "; together with external_task_id absent",
}


@pytest.mark.parametrize("fault", COMBINATIONS, ids=str)
def test_a_fault_in_a_combination_is_found(fault: Fault, campaign: Campaign) -> None:
    """By its check, with the two values."""
    gateway = fault.gateways[-1]
    steps = partial(_few_steps, creates=not fault.catches.startswith("refuses."))
    images = max(fault.images, 60 if fault.name in NAMED else 0)
    outcome = campaign(gateway, fault, images=images, only=[fault.catches], suite=replace(SUITE, steps=steps))
    assert outcome.found == {fault.catches}
    assert NAMED.get(fault.name, "together with") in outcome.findings


def test_no_finding_on_a_correct_server(campaign: Campaign) -> None:
    """With every combination."""
    images = _images_for_all(COMETAPI)
    outcome = campaign(
        COMETAPI, SOUND, images=images, suite=replace(SUITE, steps=partial(_few_steps, creates=True))
    )
    assert outcome.findings == ""
    assert outcome.report.run_info.images == sum(it.creates for it in outcome.report.steps)


def test_there_are_faults_in_combinations() -> None:
    assert len(COMBINATIONS) >= 12
    assert NAMED.keys() <= {fault.name for fault in COMBINATIONS}
