"""Texts that all forms of a report share: the verdict, data about the run, titles, missing requirements."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from kling_contracts.verify import busy, lost_requests
from kling_contracts.verify.model import Requirement, Result, Verdict
from kling_contracts.verify.recorder import contract_version
from kling_contracts.verify.report import ExitCode, Report, exit_code
from kling_contracts.vocabulary import Confidence

# How to supply a missing requirement.
SUPPLY: Final[dict[Requirement, str]] = {
    Requirement.BUDGET: "not enough images; set --max-images to a larger number",
    Requirement.SECOND_KEY: "no key of another account; set --second-api-key",
    Requirement.SIGNER: "no access and secret key; set --api-key ACCESS:SECRET (gateway kling)",
    Requirement.RECEIVER: "no callbacks; they are received on 127.0.0.1 only, from a server on this machine",
    Requirement.REST: "the run was interrupted",
    Requirement.TIME: "not enough time; set --deadline to a larger number of seconds",
    Requirement.CAPACITY: "the server answered 429 until the request was given up",
    Requirement.CHOSEN: "excluded by --only",
}
_TITLES: Final = {
    "accepts": "Valid requests are accepted",
    "account_isolation": "Isolation of accounts",
    "auth": "Authentication",
    "callbacks": "Callbacks",
    "concurrency": "Concurrency",
    "errors": "Error responses",
    "external_ids": "External task ids",
    "invalid_requests": "Side effects of invalid requests",
    "lifecycle": "Task life cycle",
    "lists": "Task lists",
    "malformed_bodies": "Malformed bodies",
    "outcomes": "Task outcomes",
    "polling": "Polling",
    "refuses": "Invalid requests are refused",
    "requests": "HTTP features of requests",
    "responses": "All responses",
    "result_images": "Results",
    "routing": "Routing",
}
# Topics that no check covers, because no source states a rule for them.
NOT_COVERED: Final = (
    "chunked and compressed request bodies, and bodies of any size",
    "two Authorization headers",
    "HEAD and OPTIONS",
    "trailing slashes",
    "the length of external task ids",
    "retention of tasks and results",
)
_WEIGHT: Final = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}


def group_of(check_id: str) -> str:
    return check_id.partition(".")[0]


def title_of(group: str) -> str:
    """The title of a group of checks; its id if it has none."""
    return _TITLES.get(group, group)


def by_importance(results: Iterable[Result]) -> list[Result]:
    """The results with required checks first, then by the confidence in the rule."""
    return sorted(results, key=lambda it: (not it.check.required, _WEIGHT[it.check.source.confidence]))


def verdict_line(report: Report, *, require_all: bool = False) -> str:
    """The outcome in one sentence."""
    count, total = len(report.findings), len(report.results)
    match exit_code(report, require_all=require_all):
        case ExitCode.BROKEN:
            return f"failed: {count} of {total} checks{_rest(report)}"
        case ExitCode.INCONCLUSIVE if report.run_info.interrupted:
            passed = len(report.having(Verdict.PASS))
            return (
                f"interrupted: {passed} of {total} checks passed and {count} failed before the interruption"
            )
        case ExitCode.INCONCLUSIVE:
            undecided = len(report.having(Verdict.NOT_RUN, Verdict.INCONCLUSIVE))
            return f"inconclusive: no check failed, {undecided} of {total} without a verdict"
        case _:
            passed = len(report.having(Verdict.PASS))
            return f"passed: {passed} of {total} checks{_rest(report)}"


def _rest(report: Report) -> str:
    """The number of checks that differ from assumptions, and of those without a verdict."""
    differing = len(report.differences)
    undecided = len(report.having(Verdict.NOT_RUN, Verdict.INCONCLUSIVE))
    parts = [f"{differing} unlike our assumptions"] if differing else []
    parts += [f"{undecided} without a verdict"] if undecided else []
    return "".join(f", {part}" for part in parts)


def circumstances(report: Report) -> str:
    """Server, requests, cost, duration and seed of the run, in one line."""
    run_info = report.run_info
    limit = "no limit" if run_info.limit is None else f"at most {run_info.limit}"
    mock = ", a kling-mock" if run_info.mock else ""
    operation = f", {report.evidence.operation.title}" if report.evidence.gateway.focus else ""
    notes = (run_info.note, busy.note_on(report.evidence), lost_requests.note_on(report.evidence))
    note = "".join(f"; {each}" for each in notes if each)
    return (
        f"{report.options.base_url} as {report.evidence.gateway.title}{operation}{mock}: "
        f"{len(report.evidence.exchanges)} requests, {run_info.images} images ({limit}), "
        f"{run_info.seconds:.1f} s, seed {report.evidence.seed}, run {report.evidence.run}{note}"
    )


def date_and_version(report: Report) -> str:
    """The start of the run in UTC, and the version of the toolkit."""
    started = datetime.fromtimestamp(report.run_info.started, UTC)
    return f"{started:%Y-%m-%d %H:%M} UTC, kling-contracts {contract_version()}"


def how_to_supply(result: Result) -> str:
    """The reason for a missing verdict, and the option that would give one."""
    return SUPPLY[result.requirement] if result.requirement else result.reason


def counts_by_group(results: Iterable[Result]) -> dict[str, int]:
    """The number of checks by group, in the order of the checks."""
    counts: dict[str, int] = {}
    for result in results:
        group = group_of(result.check.id)
        counts[group] = counts.get(group, 0) + 1
    return counts


def unused_lines(report: Report) -> list[str]:
    """A line for each known deviation that matched no failure."""
    return [
        f"{each.check}: "
        + (f"expired on {each.expires}" if each.expired else "no check of this name failed; remove the entry")
        for each in report.unused_known
    ]
