"""The report on some evidence: the results of the checks, data about the run, and the exit status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase

from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.known_deviations import Deviation, unused
from kling_contracts.verify.model import OWN_CHOICE, Check, CheckContext, Requirement, Result, Step, Verdict
from kling_contracts.verify.plan import Options, Planned, asked_for


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Data about a run.

    `images` were spent of `limit` (None: no limit). `started` is Unix time, `seconds` the duration. `mock`:
    the health endpoint identified the server as kling-mock. `interrupted`: the run did not finish; `note`
    describes the point where it ended, if known.
    """

    images: int = 0
    limit: int | None = 0
    mock: bool = False
    started: float = 0.0
    seconds: float = 0.0
    interrupted: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The results of a run, with its options, evidence and plan."""

    options: Options
    results: tuple[Result, ...]
    evidence: Evidence
    run_info: RunInfo
    plan: tuple[Planned, ...]
    unused_known: tuple[Deviation, ...] = ()

    def having(self, *verdicts: Verdict) -> tuple[Result, ...]:
        """The results with one of these verdicts, in order of the checks."""
        return tuple(result for result in self.results if result.verdict in verdicts)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the plan, including those that did not run."""
        return tuple(each.step for each in self.plan)

    @property
    def findings(self) -> tuple[Result, ...]:
        """The checks that failed, and decide the verdict."""
        return self.having(Verdict.FAIL)

    @property
    def differences(self) -> tuple[Result, ...]:
        """The checks that failed, but whose rule no source settles."""
        return self.having(Verdict.DIFFERS)

    @property
    def verified(self) -> tuple[Result, ...]:
        """The checks that passed, and whose rule has a source."""
        return tuple(each for each in self.having(Verdict.PASS) if not each.check.source.assumed)

    @property
    def assumed(self) -> tuple[Result, ...]:
        """The checks that passed, but whose rule no source settles."""
        return tuple(each for each in self.having(Verdict.PASS) if each.check.source.assumed)


def judged(
    options: Options,
    checks: Iterable[Check],
    evidence: Evidence,
    planned: tuple[Planned, ...],
    run_info: RunInfo,
) -> Report:
    """Judge the evidence, and report on the checks that the options select."""
    contexts = _Contexts(checks, evidence)
    # An unused known deviation is certain only when every check has been judged.
    judging = [check for check in contexts if options.known or asked_for(check, options)]
    results = tuple(_result(check, contexts, planned, options) for check in judging)
    chosen = tuple(result for result in results if asked_for(result.check, options))
    return Report(
        options=options,
        results=chosen,
        evidence=evidence,
        run_info=run_info,
        plan=planned,
        unused_known=unused(options.known, results),
    )


class _Contexts(Mapping[Check, CheckContext]):
    """The context of each check; a check is judged when its context is first read."""

    def __init__(self, checks: Iterable[Check], evidence: Evidence) -> None:
        self._evidence = evidence
        self._contexts: dict[Check, CheckContext | None] = dict.fromkeys(checks)

    def __getitem__(self, check: Check) -> CheckContext:
        context = self._contexts[check]
        if context is None:
            context = self._contexts[check] = CheckContext()
            check.judge(self._evidence, context)
        return context

    def __iter__(self) -> Iterator[Check]:
        return iter(self._contexts)

    def __len__(self) -> int:
        return len(self._contexts)


def _without_explained(check: Check, contexts: Mapping[Check, CheckContext]) -> CheckContext:
    """The outcome of a check without the failures that a check of higher precedence explains."""
    mine = contexts[check]
    if not mine.failures:
        return mine
    first = [it for it in contexts if any(fnmatchcase(it.id, pattern) for pattern in check.unless)]
    explained = {subject for it in first for failure in contexts[it].failures for subject in failure.subjects}
    left = [failure for failure in mine.failures if not failure.subjects & explained]
    return CheckContext(examined=mine.examined - len(mine.failures) + len(left), failures=left)


def _result(
    check: Check,
    contexts: Mapping[Check, CheckContext],
    planned: Iterable[Planned],
    options: Options,
) -> Result:
    context = _without_explained(check, contexts)
    if context.failures:
        deviation = next((each for each in options.known if each.covers(check.id)), None)
        unsettled = check.source.assumed and not options.strict
        failed = Verdict.DIFFERS if unsettled else Verdict.FAIL
        return Result(
            check=check,
            verdict=failed if deviation is None else Verdict.KNOWN,
            examined=context.examined,
            failures=tuple(context.failures),
            reason="" if deviation is None else deviation.reason,
        )
    if context.examined:
        return Result(check=check, verdict=Verdict.PASS, examined=context.examined)
    covering = [each for each in planned if each.step.covers(check.id) and not each.step.spare]
    missing = [each.missing for each in covering if each.missing]
    if missing:
        # If some of its tasks were created, time is the reason, even if other steps lacked something else.
        begun = any(each.step.creates and each.missing is None for each in covering)
        requirement = Requirement.TIME if begun and Requirement.TIME in missing else missing[0]
        busy = requirement is Requirement.CAPACITY
        return Result(
            check=check,
            verdict=Verdict.INCONCLUSIVE if busy else Verdict.NOT_RUN,
            requirement=requirement,
            reason=f"needs {requirement}",
        )
    return Result(
        check=check,
        verdict=Verdict.INCONCLUSIVE,
        reason="no answer of the server was one that the check applies to",
    )


class ExitCode(IntEnum):
    """The exit status of `verify` and `judge`."""

    HOLDS = 0
    BROKEN = 1
    USAGE = 2
    UNREACHABLE = 3  # no answer, or the key is refused
    INCONCLUSIVE = 4  # a required check has no verdict, or the run was interrupted


def exit_code(report: Report, *, require_all: bool = False) -> ExitCode:
    """The exit status of a report. Rules that no source settles count only with `strict`.

    Checks that the user's options exclude count only with `require_all`, or if no check has a verdict.
    """
    if report.run_info.interrupted:
        return ExitCode.INCONCLUSIVE
    if report.findings:
        return ExitCode.BROKEN
    no_verdict = not report.having(Verdict.PASS, Verdict.KNOWN, Verdict.DIFFERS)
    strict = report.options.strict
    if no_verdict or any(
        _undecided(result, require_all=require_all, strict=strict) for result in report.results
    ):
        return ExitCode.INCONCLUSIVE
    return ExitCode.HOLDS


def _undecided(result: Result, *, require_all: bool, strict: bool) -> bool:
    """Whether a check that counts lacks a verdict for a reason other than the user's own options."""
    if result.verdict not in (Verdict.NOT_RUN, Verdict.INCONCLUSIVE):
        return False
    counts = strict or not result.check.source.assumed
    return require_all or (result.check.required and counts and result.requirement not in OWN_CHOICE)
