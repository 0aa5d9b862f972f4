"""The report as JUnit XML: a suite for each group, a test case for each check."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import groupby

from kling_contracts.verify.model import Result, Verdict
from kling_contracts.verify.report import Report
from kling_contracts.verify.reports.hints import hint
from kling_contracts.verify.reports.wording import NOT_COVERED, group_of, how_to_supply
from kling_contracts.verify.repro import reproduce
from kling_contracts.verify.text import printable

# The most failures shown for a check, which may have hundreds.
_FAILURES = 3


def render(report: Report) -> str:
    """The document. It is valid XML for any answers of the server."""
    ordered = sorted(report.results, key=lambda result: group_of(result.check.id))
    root = ET.Element("testsuites", {"name": "kling-contracts", **_counts(ordered)})
    for group, results in groupby(ordered, key=lambda result: group_of(result.check.id)):
        members = list(results)
        suite = ET.SubElement(root, "testsuite", {"name": group, **_counts(members)})
        for result in members:
            _add(suite, result, report)
    names = {
        "verified": ", ".join(each.check.id for each in report.verified),
        "assumed": ", ".join(each.check.id for each in report.assumed),
        "not covered by any source": "; ".join(NOT_COVERED),
    }
    properties = ET.Element("properties")
    for name, value in names.items():
        ET.SubElement(properties, "property", name=name, value=value)
    for suite in root.findall("testsuite")[:1]:
        suite.insert(0, properties)  # properties belong to a suite, not to the root
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _counts(results: list[Result]) -> dict[str, str]:
    skipped = [each for each in results if each.verdict not in (Verdict.PASS, Verdict.FAIL)]
    failed = [each for each in results if each.verdict is Verdict.FAIL]
    numbers = {"tests": len(results), "failures": len(failed), "errors": 0, "skipped": len(skipped)}
    return {name: str(number) for name, number in numbers.items()}


def _add(suite: ET.Element, result: Result, report: Report) -> None:
    check = result.check
    case = ET.SubElement(
        suite, "testcase", classname=f"contracts.{group_of(check.id)}", name=check.id, time="0"
    )
    match result.verdict:
        case Verdict.PASS:
            return
        case Verdict.FAIL:
            message = printable(f"{check.sentence}: {result.failures[0].sentence}")
            ET.SubElement(case, "failure", message=message, type=check.id).text = _text(result, report)
        case Verdict.DIFFERS:
            message = f"differs from an assumption: {check.sentence}: {result.failures[0].sentence}"
            ET.SubElement(case, "skipped", message=printable(message)).text = _text(result, report)
        case Verdict.KNOWN:
            ET.SubElement(case, "skipped", message=printable(f"known deviation: {result.reason}"))
        case _:
            ET.SubElement(case, "skipped", message=f"{result.verdict}: {how_to_supply(result)}")


def _text(result: Result, report: Report) -> str:
    lines = [f"rule: {result.check.sentence} ({result.check.source})"]
    for failure in result.failures[:_FAILURES]:
        pasted = reproduce(result.check, failure, report.evidence, report.options.base_url, report.steps)
        lines += ["", failure.sentence, f"expected: {failure.expected}", f"actual: {failure.actual}"]
        lines += [f"length: {pasted.lengths}"] if pasted.lengths else []
        cause = hint(failure, result.check.id, mock=report.run_info.mock)
        lines += [f"hint: {cause}"] if cause else []
        lines += [pasted.curl]
    if len(result.failures) > _FAILURES:
        lines += ["", f"and {len(result.failures) - _FAILURES} more"]
    return printable("\n".join(lines))
