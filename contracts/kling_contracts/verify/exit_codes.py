"""What the command `kling-contracts` ends with."""

from __future__ import annotations

from enum import IntEnum

from kling_contracts.verify.check import OWN_CHOICE, Result, Verdict
from kling_contracts.verify.report import Report


class ExitCode(IntEnum):
    """The exit status of `verify` and `judge`."""

    HOLDS = 0
    BROKEN = 1
    USAGE = 2
    UNREACHABLE = 3  # no answer, or the key is refused
    INCONCLUSIVE = 4  # something that must be seen was not, or the run was interrupted


def exit_code(report: Report, *, require_all: bool = False) -> ExitCode:
    """How a run ends. What the user left out counts only with `require_all`, or if nothing else is left."""
    if report.course.interrupted:
        return ExitCode.INCONCLUSIVE
    if report.findings:
        return ExitCode.BROKEN
    nothing_seen = not report.having(Verdict.PASS, Verdict.KNOWN)
    if nothing_seen or any(_open(result, require_all=require_all) for result in report.results):
        return ExitCode.INCONCLUSIVE
    return ExitCode.HOLDS


def _open(result: Result, *, require_all: bool) -> bool:
    """Whether a check leaves a question that the user did not choose to leave."""
    if result.verdict not in (Verdict.NOT_RUN, Verdict.INCONCLUSIVE):
        return False
    return require_all or (result.check.must and result.need not in OWN_CHOICE)
