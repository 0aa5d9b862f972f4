"""What a run ends with, as a table."""

from __future__ import annotations

import pytest

from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Check, Need, Result, Verdict
from kling_contracts.verify.plan import Options
from kling_contracts.verify.report import Course, Report, exit_code
from kling_contracts.vocabulary import SEED

PASS, FAIL, KNOWN, OPEN, NOT_RUN = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.KNOWN,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_RUN,
)
Row = tuple[Verdict, Need | None, bool]


def result(verdict: Verdict, need: Need | None = None, must: bool = True) -> Result:
    check = Check(id="a.b", sentence="", source=SEED, judge=lambda *_: None, must=must)
    return Result(check=check, verdict=verdict, need=need)


def report(*results: Result, interrupted: bool = False) -> Report:
    return Report(
        options=Options(base_url="http://127.0.0.1:9", api_key="sk"),
        results=results,
        evidence=Evidence(),
        course=Course(interrupted=interrupted),
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
        ([HELD, result(OPEN, must=False)], 0, 4),
        ([HELD, result(NOT_RUN, Need.TIME)], 4, 4),
        ([HELD, result(NOT_RUN, Need.TIME, must=False)], 0, 4),
        *(
            ([HELD, result(NOT_RUN, need)], 0, 4)
            for need in (Need.BUDGET, Need.SECOND_KEY, Need.SIGNER, Need.RECEIVER, Need.CHOSEN)
        ),
        # Where nothing was seen, nothing holds.
        ([result(NOT_RUN, Need.BUDGET)], 4, 4),
        ([], 4, 4),
    ],
)
def test_exit_codes(results: list[Result], code: int, all_required: int) -> None:
    assert exit_code(report(*results)) == code
    assert exit_code(report(*results), require_all=True) == all_required


def test_an_interrupted_run_is_inconclusive_whatever_was_found() -> None:
    assert exit_code(report(HELD, result(FAIL), interrupted=True)) == 4
