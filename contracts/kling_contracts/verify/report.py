"""The report on some evidence: what each check says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kling_contracts.verify.catalogue import checks_of
from kling_contracts.verify.check import Check, Hearing, Need, Result, Verdict
from kling_contracts.verify.course import Course
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.known import Deviation, unused
from kling_contracts.verify.planning import Options, Planned, asked_for


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run has shown, and how it went."""

    options: Options
    results: tuple[Result, ...]
    evidence: Evidence
    course: Course
    plan: tuple[Planned, ...]
    unused_known: tuple[Deviation, ...] = ()

    def having(self, *verdicts: Verdict) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.verdict in verdicts)

    @property
    def findings(self) -> tuple[Result, ...]:
        """The checks that failed."""
        return self.having(Verdict.FAIL)


def judged(options: Options, evidence: Evidence, planned: tuple[Planned, ...], course: Course) -> Report:
    """The report on some evidence."""
    results = tuple(_judge(check, evidence, planned, options.known) for check in checks_of(options.target))
    chosen = tuple(result for result in results if asked_for(result.check, options))
    return Report(
        options=options,
        results=chosen,
        evidence=evidence,
        course=course,
        plan=planned,
        unused_known=unused(options.known, results),
    )


def _judge(
    check: Check, evidence: Evidence, planned: Iterable[Planned], known: Sequence[Deviation]
) -> Result:
    hearing = Hearing()
    check.judge(evidence, hearing)
    if hearing.examples:
        deviation = next((each for each in known if each.covers(check.id)), None)
        verdict = Verdict.FAIL if deviation is None else Verdict.KNOWN
        reason = "" if deviation is None else deviation.reason
        return Result(
            check=check,
            verdict=verdict,
            examined=hearing.examined,
            examples=tuple(hearing.examples),
            reason=reason,
        )
    if hearing.examined:
        return Result(check=check, verdict=Verdict.PASS, examined=hearing.examined)
    feeding = [each for each in planned if each.step.serves(check.id)]
    missing = [each.missing for each in feeding if each.missing]
    if missing:
        # Where some of its tasks were created, it is time that was lacking, whatever else was left out.
        begun = any(each.step.keeps and each.missing is None for each in feeding)
        need = Need.TIME if begun and Need.TIME in missing else missing[0]
        return Result(check=check, verdict=Verdict.NOT_RUN, need=need, reason=f"needs {need}")
    return Result(check=check, verdict=Verdict.INCONCLUSIVE, reason="its premise never held")
