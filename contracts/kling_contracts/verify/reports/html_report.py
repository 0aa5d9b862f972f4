"""The report as a self-contained HTML page: no network, no fonts, readable without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from kling_contracts.verify.model import Check, Failure, Result, Verdict
from kling_contracts.verify.report import Report, exit_code
from kling_contracts.verify.reports.hints import hint
from kling_contracts.verify.reports.html_template import SCRIPT, STYLE
from kling_contracts.verify.reports.wording import (
    NOT_COVERED,
    by_importance,
    circumstances,
    date_and_version,
    group_of,
    how_to_supply,
    title_of,
    unused_lines,
    verdict_line,
)
from kling_contracts.verify.repro import reproduce
from kling_contracts.verify.repro.placeholders import variables_of
from kling_contracts.verify.text import printable

# The most failures shown for a check, which may have hundreds.
_FAILURES: Final = 5
_CLASSES: Final = {
    Verdict.FAIL: "failed",
    Verdict.DIFFERS: "differs",
    Verdict.KNOWN: "known",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_RUN: "not-run",
    Verdict.PASS: "passed",
}
_TITLES: Final = {
    Verdict.FAIL: "Failed",
    Verdict.DIFFERS: "Differs from our assumptions",
    Verdict.KNOWN: "Known deviations",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NOT_RUN: "Not run",
    Verdict.PASS: "Passed",
}


def render(report: Report, *, require_all: bool = False) -> str:
    """The page. All texts of a server are escaped."""
    line = verdict_line(report, require_all=require_all)
    word, _, rest = line.partition(":")
    sections = "".join(_sections(report))
    not_covered = "".join(f"<li>{_text(each)}</li>" for each in NOT_COVERED)
    unused = "".join(f"<li>{_text(each)}</li>" for each in unused_lines(report))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'">
<title>{_text(word)}: {_text(report.evidence.gateway.title)} contract</title>
<style>{STYLE}</style>
</head>
<body>
<header class="code-{int(exit_code(report, require_all=require_all))}">
<h1><b>{_text(word)}:</b>{_text(rest)}</h1>
<p>{_text(circumstances(report))}<br>{_text(date_and_version(report))}</p>
{_bar(report)}
<p class="tools" hidden><input type="search" id="filter" placeholder="filter by id or text"
 aria-label="filter by id or text"> <button id="all">open all</button></p>
</header>
<main>
{f"<section><h2>Unused known deviations</h2><ul>{unused}</ul></section>" if unused else ""}
{sections}<section><h2>Not covered by any source</h2><ul>{not_covered}</ul></section>
</main>
<footer>{_footer(report)} <code>kling-contracts explain ID</code> describes a check and its source.</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _footer(report: Report) -> str:
    """The environment variables of the commands, and the requirements of the httpx scripts."""
    names = ", ".join(f"<code>{name}</code>" for name in variables_of(report.evidence))
    return (
        f"The commands read keys from environment variables: {names}. The httpx scripts need an installed "
        "kling-contracts."
    )


def _text(text: object) -> str:
    return escape(printable(str(text)))


def _bar(report: Report) -> str:
    """The number of checks by verdict, as links to the sections."""
    counts = {verdict: len(report.having(verdict)) for verdict in _TITLES}
    parts = [
        f'<a class="{_CLASSES[verdict]}" href="#{_CLASSES[verdict]}" style="flex-grow:{count}">{count} '
        f"{_TITLES[verdict].lower()}</a>"
        for verdict, count in counts.items()
        if count
    ]
    return f'<nav class="bar">{"".join(parts)}</nav>'


def _sections(report: Report) -> Iterator[str]:
    """The checks by verdict; the passed ones by whether their rule has a source."""
    for verdict, title in _TITLES.items():
        if verdict is not Verdict.PASS:
            yield _section(verdict, title, report.having(verdict), report)
    yield _section(Verdict.PASS, "Verified", report.verified, report)
    yield _section(
        Verdict.PASS, "Assumed: passed, but no source settles the rule", report.assumed, report, "assumed"
    )


def _section(verdict: Verdict, title: str, having: Iterable[Result], report: Report, anchor: str = "") -> str:
    results = by_importance(having)
    if not results:
        return ""
    body = (
        "".join(_finding(result, report, opened=at < 3) for at, result in enumerate(results))
        if verdict in (Verdict.FAIL, Verdict.DIFFERS, Verdict.KNOWN)
        else "".join(_groups(results, verdict))
    )
    head = f"<h2>{title} <small>{len(results)}</small></h2>"
    return f'<section id="{anchor or _CLASSES[verdict]}">{head}{body}</section>\n'


def _finding(result: Result, report: Report, *, opened: bool) -> str:
    check = result.check
    first, *rest = (_failure(check, each, report) for each in result.failures[:_FAILURES])
    plural = "s" if len(rest) > 1 else ""
    folded = (
        f"<details><summary>{len(rest)} more example{plural}</summary>{''.join(rest)}</details>"
        if rest
        else ""
    )
    shown = first + folded
    left = len(result.failures) - _FAILURES
    more = f"<p>{left} more in the JSON report</p>" if left > 0 else ""
    reason = f"<p><b>accepted:</b> {_text(result.reason)}</p>" if result.reason else ""
    return (
        f'<details class="check {_CLASSES[result.verdict]}" id="{_text(check.id)}"'
        f"{' open' if opened else ''}>"
        f"<summary><code>{_text(check.id)}</code> {_text(check.sentence)}</summary>"
        f'<p class="rule">source: {_text(check.source)}; confidence {_text(check.source.confidence)}; '
        f"failed in {len(result.failures)} of {result.examined} cases</p>{reason}{shown}{more}</details>"
    )


def _failure(check: Check, failure: Failure, report: Report) -> str:
    pasted = reproduce(check, failure, report.evidence, report.options.base_url, report.steps)
    rows = [
        ("expected", failure.expected),
        ("actual", failure.actual),
        ("length", pasted.lengths),
        ("hint", hint(failure, check.id, mock=report.run_info.mock)),
    ]
    table = "".join(f"<dt>{name}</dt><dd>{_text(text)}</dd>" for name, text in rows if text)
    return (
        f"<article><h3>{_text(failure.sentence)}</h3><dl>{table}</dl>{_code('curl', pasted.curl)}"
        f"<details><summary>the same with httpx</summary>{_code('httpx', pasted.httpx)}</details></article>"
    )


def _code(kind: str, text: str) -> str:
    """A script with a block for each line, so that wrapped lines are recognisable."""
    lines = "".join(f"<span>{_text(line)}</span>" for line in text.split("\n"))
    pre = f'<pre tabindex="0" role="region" aria-label="{kind}"><code>{lines}</code></pre>'
    return f'<div class="code">{pre}</div>'


def _groups(results: Iterable[Result], verdict: Verdict) -> Iterator[str]:
    grouped: dict[str, list[Result]] = {}
    for result in results:
        key = title_of(group_of(result.check.id)) if verdict is Verdict.PASS else how_to_supply(result)
        grouped.setdefault(key, []).append(result)
    for name, members in grouped.items():
        rows = "".join(
            f'<li class="check"><code>{_text(each.check.id)}</code> {_text(each.check.sentence)}'
            + (f" <small>cases: {each.examined}</small>" if each.examined else "")
            + "</li>"
            for each in members
        )
        yield (
            f'<details class="group {_CLASSES[verdict]}"><summary>{_text(name)} '
            f"<small>{len(members)}</small></summary><ul>{rows}</ul></details>"
        )
