"""All operations can be verified: no finding on the fake, faults found by their checks, recordings judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_contracts.checks.combined_requests import requests_of
from kling_contracts.checks.valid_request import body_of
from kling_contracts.gateways import COMETAPI, GATEWAYS, KLING, Gateway
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE, Operation
from kling_contracts.registry import checks_of, judge_recording, steps_of
from kling_contracts.rules import Effect
from kling_contracts.verify.budget import images_in
from kling_contracts.verify.model import Verdict
from kling_contracts.verify.plan import Options
from kling_contracts.verify.recorder import write_recording
from kling_contracts.verify.recording import BadRecording
from kling_contracts.verify.reports.json_report import as_json
from kling_contracts.verify.reports.wording import circumstances
from tests.contracts.verify.conftest import CONDITIONAL, serve, suite_of
from tests.contracts.verify.faulty_operations import OPERATION_FAULTS, TARGETS, OperationFault
from tests.contracts.verify.faulty_servers.base import SERVER
from tests.contracts.verify.pasting import scripts_of, shown_again
from tests.profiles import FULL
from tests.rows import some_rows
from tests.trial_operations import SPEECH, TRIAL, TRIAL_KLING, VIDEO

if TYPE_CHECKING:
    from tests.contracts.verify.conftest import Campaign

EVERY = pytest.mark.parametrize(
    ("gateway", "operation"), TARGETS, ids=[f"{gateway}-{operation.name}" for gateway, operation in TARGETS]
)
# `make test`: each operation of a trial gateway on one of them.
CLEAN = [target for target in TARGETS if FULL or target[0] is not TRIAL_KLING or target[1] is SPEECH]
GATEWAY_OF = {operation.name: gateway for gateway, operation in reversed(TARGETS)}


@some_rows(
    ("gateway", "operation"),
    CLEAN,
    usual=3,
    ids=[f"{gateway}-{operation.name}" for gateway, operation in CLEAN],
)
def test_clean(gateway: Gateway, operation: Operation, campaign: Campaign) -> None:
    """On the fake every check of the operation passes, except those of videos and audios, which it lacks."""
    outcome = campaign(gateway, operation=operation, images=None, signed=True)
    assert outcome.findings == ""
    quiet = {f"result_images.{name}" for name in ("downloadable", "content_type", "stable")}
    assert outcome.undecided == (set() if operation.result.drawn else quiet)
    report = outcome.report
    open_ = {each.check.id for each in report.results if each.verdict is not Verdict.PASS}
    assert open_ - CONDITIONAL == outcome.undecided
    creates = len([each for each in report.evidence.creates if each.accepted])
    assert len(report.evidence.histories()) == creates
    assert report.run_info.images == sum(
        images_in(each.asked_object) for each in report.evidence.creates if each.accepted
    )


def _usual() -> list[OperationFault]:
    """One of the faults that the same checks find in several operations; `make faulty-servers` runs all."""
    by_checks: dict[frozenset[str], list[OperationFault]] = {}
    for fault in OPERATION_FAULTS:
        by_checks.setdefault(fault.finds, []).append(fault)
    return [faults[at % len(faults)] for at, faults in enumerate(by_checks.values())]


@some_rows("fault", OPERATION_FAULTS if FULL else _usual(), usual=2, ids=str)
def test_found(fault: OperationFault, light_campaign: Campaign) -> None:
    """Each fault is found by its checks and no others; the script of the report reproduces it."""
    gateway = GATEWAY_OF[fault.operation.name]
    only = () if FULL else fault.finds
    suite = {} if FULL else {"suite": suite_of(only)}
    outcome = light_campaign(gateway, fault.fault, operation=fault.operation, images=None, only=only, **suite)
    assert outcome.found == fault.finds, outcome.findings
    for result in outcome.report.findings:
        script = scripts_of(result, outcome.report).httpx
        assert len(script.splitlines()) <= 5, script
        assert shown_again(outcome, result, script), script
        sound = serve(gateway.focused(fault.operation))
        sound.clock.advance(outcome.served.clock.now() - sound.clock.now())
        assert not shown_again(outcome, result, script, sound), script


def test_each_operation_has_faults() -> None:
    """Every operation has at least three faults, so that its verification is not vacuous."""
    names = [fault.operation.name for fault in OPERATION_FAULTS]
    assert {name for name in names if names.count(name) >= 3} == {it.name for _, it in TARGETS}
    assert len({str(fault) for fault in OPERATION_FAULTS}) == len(OPERATION_FAULTS)


@EVERY
def test_valid_requests_are_valid_and_cover_every_limit(gateway: Gateway, operation: Operation) -> None:
    """According to the contract's validation. Every limit of a request has a valid value at it."""
    requests = requests_of(gateway.focused(operation))
    for request in requests:
        body = body_of(operation, request.features)
        assert not operation.read(body).violations, request.name
        assert request.images == images_in(body)
    abouts = {about for request in requests for about in request.abouts}
    limits = ("maximum", "minimum", "max_length", "enum", "range", "decimals", "max_items")
    known = {
        rule.id
        for rule in operation.rules.values()
        if rule.effect is Effect.REFUSED and rule.id.rpartition(".")[2] in limits
    }
    assert known <= abouts
    assert len({request.name for request in requests}) == len(requests)


@EVERY
def test_no_check_is_about_a_field_that_the_operation_lacks(gateway: Gateway, operation: Operation) -> None:
    """Checks and steps of callbacks, external ids, models and images exist only with their fields."""
    target = gateway.focused(operation)
    ids = {check.id for check in checks_of(target)}
    groups = {each.partition(".")[0] for each in ids}
    fields = {field.name for field in operation.fields}
    assert ("external_ids" in groups) is ("external_task_id" in fields)
    assert ("callbacks" in groups) is ("callback_url" in fields and not operation.synchronous)
    assert ("errors.unknown_model" in ids) is ("model_name" in fields)
    assert ("result_images.ratio" in ids) is ("aspect_ratio" in fields)
    assert ("lifecycle.media.id" in ids) is (not operation.result.drawn)
    assert ("polling.no_observer_effect" in ids) is not operation.synchronous
    for step in steps_of(target):
        assert any(step.covers(check_id) for check_id in ids), step.name
    names = [step.name for step in steps_of(target)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("gateway", "main", "checks", "steps"),
    [(COMETAPI, MULTI_IMAGE, 143, 105), (KLING, MULTI_IMAGE2IMAGE, 158, 110)],
    ids=["cometapi", "kling"],
)
def test_the_main_operations_keep_their_checks_and_steps(
    gateway: Gateway, main: Operation, checks: int, steps: int
) -> None:
    """The plan is the same with and without the name of the main operation."""
    assert gateway.focused(main) is gateway
    options = Options(base_url=SERVER, api_key="sk", gateway=gateway, operation=main.name)
    assert options.target is gateway
    assert (len(checks_of(gateway)), len(steps_of(gateway))) == (checks, steps)


def test_an_operation_that_the_gateway_lacks() -> None:
    """The error names the gateway and the operation."""
    for chosen in ("text-to-video", VIDEO):
        options = Options(base_url=SERVER, api_key="sk", gateway=KLING, operation=chosen)
        with pytest.raises(LookupError, match=r"Kling(:| has no).*'(text-to-video|trial-video)'"):
            _ = options.target
    assert Options(base_url=SERVER, api_key="sk", gateway=TRIAL, operation=SPEECH).target.main is SPEECH


@pytest.mark.parametrize(
    ("gateway", "operation"), [(KLING, TEXT_TO_IMAGE), (TRIAL, SPEECH)], ids=["text-to-image", "speech"]
)
def test_a_recording_knows_its_operation(
    gateway: Gateway, operation: Operation, light_campaign: Campaign, tmp_path: Path
) -> None:
    """A judged recording has the same verdicts, and reports name the operation."""
    outcome = light_campaign(gateway, operation=operation, only=("accepts.valid", "refuses.prompt.*"))
    write_recording(outcome.report, tmp_path / "run")
    head = json.loads((tmp_path / "run").read_text().splitlines()[0])
    assert (head["gateway"], head["operation"]) == (gateway.name, operation.name)
    again = judge_recording(tmp_path / "run", gateways=(*GATEWAYS, TRIAL))
    assert again.evidence.operation is operation
    verdicts = [(result.check.id, result.verdict) for result in again.results]
    assert verdicts == [(result.check.id, result.verdict) for result in outcome.report.results]
    assert as_json(again)["operation"] == operation.name
    assert operation.title in circumstances(again)


def test_a_recording_without_operation_is_about_the_main_one(
    light_campaign: Campaign, tmp_path: Path
) -> None:
    """An operation that the gateway does not offer is an error."""
    outcome = light_campaign(COMETAPI, only=("errors.unknown_path",))
    write_recording(outcome.report, tmp_path / "run")
    first, *rest = (tmp_path / "run").read_text().splitlines()
    head = json.loads(first)
    assert head.pop("operation") == MULTI_IMAGE.name
    (tmp_path / "old").write_text("\n".join([json.dumps(head), *rest, ""]))
    again = judge_recording(tmp_path / "old")
    assert again.evidence.gateway is COMETAPI
    assert "operation" not in as_json(again)
    (tmp_path / "bad").write_text("\n".join([json.dumps(head | {"operation": "tts"}), *rest, ""]))
    with pytest.raises(BadRecording, match="CometAPI: unknown operation 'tts'"):
        judge_recording(tmp_path / "bad")
