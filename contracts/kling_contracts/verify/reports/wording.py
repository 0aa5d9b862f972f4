"""What all forms of a report say in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kling_contracts.verify.model import Requirement, Result, Verdict
from kling_contracts.verify.report import ExitCode, Report, exit_code
from kling_contracts.vocabulary import Confidence

# How to supply what was missing.
SUPPLY: Final[dict[Requirement, str]] = {
    Requirement.BUDGET: "images: give --max-tasks a larger number",
    Requirement.SECOND_KEY: "the key of another account: give --second-api-key",
    Requirement.SIGNER: "an access and a secret key: give --api-key ACCESS:SECRET (gateway kling)",
    Requirement.RECEIVER: "a server on this machine: callbacks are received on 127.0.0.1 only",
    Requirement.REST: "the rest of the run, which was broken off",
    Requirement.TIME: "more time: give --deadline a larger number",
    Requirement.CHOSEN: "it was left out: leave out --only",
}
_WEIGHT: Final = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}


def group_of(check_id: str) -> str:
    return check_id.partition(".")[0]


def by_importance(results: Sequence[Result]) -> list[Result]:
    """What is best known comes first, and what decides a run before what does not."""
    return sorted(results, key=lambda it: (not it.check.required, _WEIGHT[it.check.source.confidence]))


def verdict_line(report: Report, *, require_all: bool = False) -> str:
    """The outcome in one sentence."""
    count, total = len(report.findings), len(report.results)
    match exit_code(report, require_all=require_all):
        case ExitCode.BROKEN:
            return f"broken: {count} of {total} properties {'does' if count == 1 else 'do'} not hold"
        case ExitCode.INCONCLUSIVE if report.run_info.interrupted:
            return f"interrupted: {len(report.having(Verdict.PASS))} of {total} properties were seen to hold"
        case ExitCode.INCONCLUSIVE:
            open_ = len(report.having(Verdict.NOT_RUN, Verdict.INCONCLUSIVE))
            return f"inconclusive: nothing was found, and {open_} of {total} properties were not seen"
        case _:
            left = len(report.having(Verdict.NOT_RUN, Verdict.INCONCLUSIVE))
            held = f"holds: {len(report.having(Verdict.PASS))} of {total} properties were seen to hold"
            return f"{held}, {left} {'was' if left == 1 else 'were'} left out" if left else held


def circumstances(report: Report) -> str:
    """What the run was, in one line."""
    run_info = report.run_info
    limit = "no limit" if run_info.limit is None else f"at most {run_info.limit}"
    mock = ", a kling-mock" if run_info.mock else ""
    operation = f", {report.evidence.operation.title}" if report.evidence.gateway.focus else ""
    note = f"; {run_info.note}" if run_info.note else ""
    return (
        f"{report.options.base_url} as {report.evidence.gateway.title}{operation}{mock}: "
        f"{len(report.evidence.exchanges)} requests, {run_info.images} images ({limit}), "
        f"{run_info.seconds:.1f} s, seed {report.evidence.seed}, run {report.evidence.run}{note}"
    )


def how_to_supply(result: Result) -> str:
    """Why there is no verdict, and what would give one."""
    return SUPPLY[result.requirement] if result.requirement else result.reason


def pass_counts(report: Report) -> dict[str, int]:
    """How many checks passed, by group in the order of the checks."""
    counts: dict[str, int] = {}
    for result in report.having(Verdict.PASS):
        group = group_of(result.check.id)
        counts[group] = counts.get(group, 0) + 1
    return counts


def unused_lines(report: Report) -> list[str]:
    """What is to be said of known deviations that excused nothing."""
    return [
        f"{each.check}: "
        + (
            f"expired on {each.expires}"
            if each.expired
            else "nothing of that kind was found; remove the entry"
        )
        for each in report.unused_known
    ]
