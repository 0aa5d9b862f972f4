"""The exit status of a run, as a table."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.registry import checks_of
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, CheckContext, Requirement, Result, Verdict
from kling_contracts.verify.plan import Options
from kling_contracts.verify.report import Report, RunInfo, exit_code, judged
from kling_contracts.vocabulary import ASSUMED, SAFETY, SEED, Source

PASS, FAIL, DIFFERS, KNOWN, OPEN, NOT_RUN = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.DIFFERS,
    Verdict.KNOWN,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_RUN,
)
Row = tuple[Verdict, Requirement | None, bool]


def result(
    verdict: Verdict,
    requirement: Requirement | None = None,
    required: bool = True,
    source: Source = SEED,
) -> Result:
    check = Check(id="a.b", sentence="", source=source, judge=lambda *_: None, required=required)
    return Result(check=check, verdict=verdict, requirement=requirement)


def report(*results: Result, interrupted: bool = False) -> Report:
    return Report(
        options=Options(base_url="http://127.0.0.1:9", api_key="sk"),
        results=results,
        evidence=Evidence(),
        run_info=RunInfo(interrupted=interrupted),
        plan=(),
    )


HELD = result(PASS)


@pytest.mark.parametrize(
    ("results", "code", "all_required"),
    [
        ([HELD], 0, 0),
        ([HELD, result(KNOWN)], 0, 0),
        ([HELD, result(FAIL)], 1, 1),
        ([HELD, result(FAIL), result(OPEN)], 1, 1),
        ([HELD, result(OPEN)], 4, 4),
        ([HELD, result(DIFFERS)], 0, 0),
        ([result(DIFFERS)], 0, 0),
        ([HELD, result(OPEN, required=False)], 0, 4),
        ([HELD, result(OPEN, source=ASSUMED)], 0, 4),
        ([HELD, result(NOT_RUN, Requirement.TIME)], 4, 4),
        ([HELD, result(NOT_RUN, Requirement.TIME, required=False)], 0, 4),
        *(
            ([HELD, result(NOT_RUN, requirement)], 0, 4)
            for requirement in (
                Requirement.BUDGET,
                Requirement.SECOND_KEY,
                Requirement.SIGNER,
                Requirement.RECEIVER,
                Requirement.CHOSEN,
            )
        ),
        # Without any verdict, the run is inconclusive.
        ([result(NOT_RUN, Requirement.BUDGET)], 4, 4),
        ([], 4, 4),
    ],
)
def test_exit_codes(results: list[Result], code: int, all_required: int) -> None:
    assert exit_code(report(*results)) == code
    assert exit_code(report(*results), require_all=True) == all_required


def test_an_interrupted_run_is_inconclusive_despite_failures() -> None:
    assert exit_code(report(HELD, result(FAIL), interrupted=True)) == 4


def test_a_strict_run_counts_assumed_rules() -> None:
    open_ = report(HELD, result(OPEN, source=ASSUMED))
    assert exit_code(replace(open_, options=replace(open_.options, strict=True))) == 4


def _breaks(evidence: Evidence, context: CheckContext) -> None:
    context.expect(False, "broken", expected="a", actual="b", shown=())


@pytest.mark.parametrize(
    ("source", "strict", "verdict", "code"),
    [
        (SEED, False, FAIL, 1),
        (ASSUMED, False, DIFFERS, 0),
        (ASSUMED, True, FAIL, 1),
        (SAFETY, False, FAIL, 1),
    ],
)
def test_the_origin_decides_the_verdict(source: Source, strict: bool, verdict: Verdict, code: int) -> None:
    check = Check(id="a.b", sentence="a", source=source, judge=_breaks)
    options = Options(base_url="http://127.0.0.1:9", api_key="sk", strict=strict)
    report = judged(options, [check], Evidence(), (), RunInfo())
    assert [each.verdict for each in report.results] == [verdict]
    assert exit_code(report) == code


@pytest.mark.parametrize("gateway", GATEWAYS, ids=str)
def test_no_assumption_hides_a_violation(gateway: Gateway) -> None:
    """A check of a rule with a source gives no precedence to a check of an assumed rule."""
    checks = checks_of(gateway)
    assumed = [check.id for check in checks if check.source.assumed]
    settled = [check for check in checks if not check.source.assumed]
    assert [
        (check.id, each)
        for check in settled
        for each in assumed
        if any(fnmatchcase(each, pattern) for pattern in check.unless)
    ] == []
