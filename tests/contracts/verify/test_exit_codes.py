"""The exit status of a run, as a table."""

from __future__ import annotations

import pytest

from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, Requirement, Result, Verdict
from kling_contracts.verify.plan import Options
from kling_contracts.verify.report import Report, RunInfo, exit_code
from kling_contracts.vocabulary import SEED

PASS, FAIL, KNOWN, OPEN, NOT_RUN = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.KNOWN,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_RUN,
)
Row = tuple[Verdict, Requirement | None, bool]


def result(verdict: Verdict, requirement: Requirement | None = None, required: bool = True) -> Result:
    check = Check(id="a.b", sentence="", source=SEED, judge=lambda *_: None, required=required)
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
        ([HELD, result(OPEN, required=False)], 0, 4),
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
