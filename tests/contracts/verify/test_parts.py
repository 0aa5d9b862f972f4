"""Unit tests of the verifier: exchanges, bodies, the catalogue of checks."""

from __future__ import annotations

import fnmatch

import pytest

from kling_contracts.checks.lifecycle_rules import RULES
from kling_contracts.checks.new_tasks import shape_problem
from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.lifecycle import check_lifecycle
from kling_contracts.registry import checks_of, steps_of
from kling_contracts.verify.bodies import faults, minimal
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext
from kling_contracts.verify.plan import Options
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.report import RunInfo, judged
from kling_contracts.verify.session import encode
from kling_contracts.vocabulary import SEED

GATEWAYS = pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda gateway: gateway.name)


def exchange(**fields: object) -> Exchange:
    plain = {
        "number": 0,
        "probe": Probe(ProbeKind.REFUSE),
        "credential": "first",
        "method": "POST",
        "target": "/",
        "headers": (),
        "body": b"{}",
        "sent_at": 0.0,
        "received_at": 0.0,
        "status": 200,
        "answer_headers": (("Content-Type", "Application/JSON; charset=utf-8"),),
    }
    return Exchange(**(plain | fields))  # type: ignore[arg-type]  # fields of any type


# -- exchanges


def test_only_some_answers_prove_a_refusal() -> None:
    """A 4xx status or an error code does; an answer with a task id or a server error does not."""
    proofs = [
        exchange(status=400, answer=b"whatever"),
        exchange(status=429, answer=b""),
        exchange(status=200, answer=b'{"code": 1201, "message": "no"}'),
        exchange(status=503, answer=b'{"error": {"code": "model_not_found"}}'),
    ]
    doubts = [
        exchange(status=200, answer=b'{"code": 0}'),
        exchange(status=200, answer=b"<html>"),
        exchange(status=500, answer=b'{"code": 5000}'),
        exchange(status=503, answer=b'{"error": {"code": "busy"}}'),
        exchange(status=400, answer=b'{"code": 1201, "data": {"task_id": "1"}}'),
        exchange(status=0, failure="ReadTimeout"),
        exchange(status=302),
        # The success words of other gateways, with the id at different places.
        exchange(status=200, answer=b'{"code": "success", "data": {"id": "1"}}'),
        exchange(status=200, answer=b'{"code": "success", "task_id": "1"}'),
        exchange(status=200, answer=b'{"code": "success", "data": "1"}'),
        exchange(status=200, answer=b'{"code": 200, "message": "ok"}'),
        exchange(status=200, answer=b'{"code": 200, "data": {"id": "1"}}'),
    ]
    assert all(each.proves_refusal for each in proofs)
    assert not any(each.proves_refusal for each in doubts)


def test_hostile_answers_are_read_without_failing() -> None:
    for answer in (
        b"",
        b"null",
        b"[]",
        b'{"data": []}',
        b'{"error": 1, "code": true}',
        b"[" * 99_999,
        b"\xff",
    ):
        each = exchange(answer=answer)
        assert each.task is None
        assert each.listed == ()
        assert isinstance(each.accepted, bool)
        assert each.shown.startswith("200")
        assert each.content_type == "application/json"


# -- bodies


@GATEWAYS
def test_each_fault_breaks_its_rule_and_no_other(gateway: Gateway) -> None:
    """According to the contract's validation, which other tests compare with hand-typed tables."""
    operation = gateway.main
    assert not operation.read(minimal(operation)).violations
    seen = set()
    for fault in faults(operation):
        violations = operation.read(fault.body).violations
        assert {each.rule.id for each in violations} == {fault.rule.id}, fault.tag
        seen.add(fault.rule.id)
    refusing = {rule.id for rule in operation.rules.values() if rule.effect == "refused"}
    assert refusing - seen == {"body.type", "body.unicode"}


def test_bodies_are_encoded_as_utf_8_or_escaped() -> None:
    assert encode({"p": "é"}) == '{"p": "é"}'.encode()
    assert encode({"p": "é"}, escaped=True) == b'{"p": "\\u00e9"}'
    assert encode({"p": "\ud83d"}) == b'{"p": "\\ud83d"}'


# -- the catalogue


@GATEWAYS
def test_ids_are_unique_and_every_check_has_a_step(gateway: Gateway) -> None:
    checks, steps = checks_of(gateway), steps_of(gateway)
    ids = [check.id for check in checks]
    assert len(ids) == len(set(ids))
    assert len(steps) == len({step.name for step in steps})
    assert not [check.id for check in checks if not any(step.covers(check.id) for step in steps)]
    for step in steps:
        assert all(
            any(step.covers(check_id) for check_id in ids) for check_id in ids if step.covers(check_id)
        )
        assert any(step.covers(check_id) for check_id in ids), step.name


@GATEWAYS
def test_every_check_that_takes_precedence_exists(gateway: Gateway) -> None:
    ids = [check.id for check in checks_of(gateway)]
    patterns = {pattern for check in checks_of(gateway) for pattern in check.unless}
    assert patterns
    assert all(fnmatch.filter(ids, pattern) for pattern in patterns)


def failing(check_id: str, *numbers: int, unless: tuple[str, ...] = ()) -> Check:
    """A check that examines all exchanges and fails for these."""

    def check_lifecycle(evidence: Evidence, context: CheckContext) -> None:
        for each in evidence.exchanges:
            holds = each.number not in numbers
            context.expect(holds, "no", expected="", actual="", shown=(each,))

    return Check(id=check_id, sentence="", source=SEED, judge=check_lifecycle, unless=unless)


@pytest.mark.parametrize(
    ("unless", "verdict", "examined", "shown"),
    [
        ((), "fail", 3, [0, 2]),
        (("b.*",), "fail", 2, [2]),
        (("b.one", "c"), "pass", 1, []),
        (("b.other",), "fail", 3, [0, 2]),
    ],
)
def test_failures_that_another_check_explains_are_dropped(
    unless: tuple[str, ...], verdict: str, examined: int, shown: list[int]
) -> None:
    """Failures about other messages remain; without any case left, the check does not pass."""
    evidence = Evidence(exchanges=[exchange(number=number) for number in range(3)])
    checks = [failing("a", 0, 2, unless=unless), failing("b.one", 0, 1), failing("c", 2)]
    options = Options(base_url="http://127.0.0.1:9", api_key="")
    first = judged(options, checks, evidence, (), RunInfo()).results[0]
    assert (first.verdict, first.examined) == (verdict, examined)
    assert [each.shown[0].number for each in first.failures] == shown
    everything = [failing("a", 0, 1, 2, unless=("b",)), failing("b", 0, 1, 2)]
    assert judged(options, everything, evidence, (), RunInfo()).results[0].verdict == "inconclusive"


def test_a_task_is_explained_by_any_message_about_it() -> None:
    """One check may show the create of a task, the other a query for it."""
    task = b'{"data": {"task_id": "t1", "task_status": "submitted"}}'
    created = exchange(answer=task)
    poll = exchange(number=1, method="GET", body=b"", probe=Probe(ProbeKind.POLL, "t1"))
    other = exchange(number=2, method="GET", body=b"", probe=Probe(ProbeKind.POLL, "t2"))
    evidence = Evidence(exchanges=[created, poll, other])
    checks = [failing("a", 1, 2, unless=("b",)), failing("b", 0)]
    first = judged(Options(base_url="http://h", api_key=""), checks, evidence, (), RunInfo()).results[0]
    assert [each.shown[0].number for each in first.failures] == [2]


@GATEWAYS
def test_no_evidence_is_no_verdict(gateway: Gateway) -> None:
    """Without evidence, a check examines no case, so it neither passes nor fails."""
    for check in checks_of(gateway):
        context = CheckContext()
        check.judge(Evidence(gateway=gateway), context)
        assert (context.examined, context.failures) == (0, []), check.id


def test_every_rule_of_the_judge_has_its_check() -> None:
    """Every rule in the source of `check_lifecycle` has a check, or is listed here as an exception."""
    import inspect
    import re

    import kling_contracts.lifecycle

    named = set(
        re.findall(r'LifecycleViolation\(\s*"([a-z.]+)"', inspect.getsource(kling_contracts.lifecycle))
    )
    assert named - set(RULES) == {"task.id", "state.skipped"}
    assert set(RULES) <= named
    assert check_lifecycle([]) == ()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"task_id": "1", "task_status": "submitted"}, None),
        ({"task_id": "1", "task_status": "x", "task_info": None, "task_result": None}, None),
        ({"task_id": "1", "task_status": "x", "task_result": {"images": [{"url": "u"}]}}, None),
        (None, "data is not an object"),
        ([], "data is not an object"),
        ({"task_id": 1, "task_status": "x"}, "task_id is not a string"),
        ({"task_id": "1", "task_status": 3}, "task_status is not a string"),
        ({"task_id": "1", "task_status": "x", "task_status_msg": 3}, "task_status_msg is not a string"),
        (
            {"task_id": "1", "task_status": "x", "final_unit_deduction": 16},
            "final_unit_deduction is not a string",
        ),
        ({"task_id": "1", "task_status": "x", "task_info": "e"}, "task_info is not an object"),
        ({"task_id": "1", "task_status": "x", "task_result": []}, "task_result is not an object"),
        (
            {"task_id": "1", "task_status": "x", "task_result": {"images": {}}},
            "task_result.images is not an array",
        ),
        ({"task_id": "1", "task_status": "x", "task_result": {"images": ["u"]}}, "an image is not an object"),
        (
            {"task_id": "1", "task_status": "x", "task_result": {"images": [{"url": None}]}},
            "the url of an image is not a string",
        ),
        (
            {"task_id": "1", "task_status": "x", "task_result": {"images": [{"url": "u", "index": "0"}]}},
            "the index of an image is not an integer",
        ),
    ],
)
def test_the_shape_of_a_task(data: object, problem: str | None) -> None:
    assert shape_problem(data) == problem
