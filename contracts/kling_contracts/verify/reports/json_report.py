"""The complete report as JSON, version 1. docs/verify.md describes its fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, Failure, Result, Verdict
from kling_contracts.verify.report import Report, exit_code
from kling_contracts.verify.reports.hints import hint
from kling_contracts.verify.reports.wording import (
    NOT_COVERED,
    by_importance,
    group_of,
    how_to_supply,
    verdict_line,
)
from kling_contracts.verify.repro import reproduce
from kling_contracts.vocabulary import Source

FORMAT: Final = "kling-contracts report"
VERSION: Final = 1
# The most examples of a check; a check may have hundreds of failures, which `failures` counts.
_EXAMPLES: Final = 10


def render(report: Report, *, require_all: bool = False) -> str:
    """The document in ASCII, with lone surrogates as escapes."""
    return json.dumps(as_json(report, require_all=require_all), indent=2) + "\n"


def as_json(report: Report, *, require_all: bool = False) -> dict[str, object]:
    """The report as a JSON object. Failed checks come first, by importance."""
    failed = (*by_importance(report.findings), *by_importance(report.differences))
    others = [result for result in report.results if result.verdict not in (Verdict.FAIL, Verdict.DIFFERS)]
    return {
        "format": FORMAT,
        "version": VERSION,
        "verdict": verdict_line(report, require_all=require_all),
        "exit_code": int(exit_code(report, require_all=require_all)),
        "base_url": report.options.base_url,
        "gateway": report.evidence.gateway.name,
        # Only if it is not the gateway's main one.
        **({"operation": report.evidence.operation.name} if report.evidence.gateway.focus else {}),
        "mock": report.run_info.mock,
        "seed": report.evidence.seed,
        "run": report.evidence.run,
        "started": datetime.fromtimestamp(report.run_info.started, UTC).isoformat(),
        "seconds": round(report.run_info.seconds, 3),
        "interrupted": report.run_info.interrupted,
        "note": report.run_info.note,
        "requests": len(report.evidence.exchanges),
        "callbacks": len(report.evidence.deliveries),
        "images": {"created": report.run_info.images, "limit": report.run_info.limit},
        "counts": {verdict.value: len(report.having(verdict)) for verdict in Verdict},
        "coverage": {
            "verified": [each.check.id for each in report.verified],
            "assumed": [each.check.id for each in report.assumed],
            "not_covered": list(NOT_COVERED),
        },
        "checks": [_check(result, report) for result in (*failed, *others)],
        "steps": [
            {
                "name": each.step.name,
                "does": each.step.description,
                "ran": each.missing is None,
                "missing": each.missing,
            }
            for each in report.plan
        ],
        "unused_known": [
            {
                "check": each.check,
                "reason": each.reason,
                "expires": each.expires.isoformat(),
                "expired": each.expired,
            }
            for each in report.unused_known
        ],
    }


def rule(source: Source) -> dict[str, str]:
    """The source of a rule."""
    return {"origin": source.origin, "reference": source.reference, "confidence": source.confidence}


def _check(result: Result, report: Report) -> dict[str, object]:
    check = result.check
    seen = result.verdict not in (Verdict.NOT_RUN, Verdict.INCONCLUSIVE)
    return {
        "id": check.id,
        "group": group_of(check.id),
        "sentence": check.sentence,
        "rule": rule(check.source),
        "must": check.required,
        "verdict": result.verdict,
        "examined": result.examined,
        "need": result.requirement,
        "reason": result.reason if seen else how_to_supply(result),
        "failures": len(result.failures),
        "examples": [_failure(check, failure, report) for failure in result.failures[:_EXAMPLES]],
    }


def _failure(check: Check, failure: Failure, report: Report) -> dict[str, object]:
    pasted = reproduce(check, failure, report.evidence, report.options.base_url, report.steps)
    return {
        "sentence": failure.sentence,
        "expected": failure.expected,
        "actual": failure.actual,
        "lengths": pasted.lengths,
        "hint": hint(failure, check.id, mock=report.run_info.mock),
        "curl": pasted.curl,
        "httpx": pasted.httpx,
        "shown": [
            {"exchange" if isinstance(each, Exchange) else "callback": each.number} for each in failure.shown
        ],
    }
