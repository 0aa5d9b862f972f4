"""The report and the progress of a run on a terminal. Only this module imports Rich."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Sequence
from typing import IO, Final, Self

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Requirement, Result, Step, Verdict
from kling_contracts.verify.plan import Planned, totals_of
from kling_contracts.verify.report import ExitCode, Report, exit_code
from kling_contracts.verify.reports.hints import hint
from kling_contracts.verify.reports.wording import (
    NOT_COVERED,
    SUPPLY,
    by_importance,
    circumstances,
    counts_by_group,
    group_of,
    how_to_supply,
    title_of,
    unused_lines,
    verdict_line,
)
from kling_contracts.verify.repro import reproduce
from kling_contracts.verify.runner import Progress
from kling_contracts.verify.text import printable

_STYLES: Final = {
    ExitCode.HOLDS: "bold green",
    ExitCode.BROKEN: "bold red",
    ExitCode.INCONCLUSIVE: "bold yellow",
}
# The number of findings shown in full on a terminal, so that the summary stays visible.
_AT_LENGTH: Final = 5
# More ids than this are counted by group.
_NAMED: Final = 12
# Lines to a pipe are never broken, so that they can be searched and pasted.
_PIPED_WIDTH: Final = 10_000


class LiveProgress(Progress):
    """A progress bar on standard error; nothing if that is not a terminal."""

    def __init__(self) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("steps, {task.fields[requests]} requests sent"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            expand=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("starting", total=None, requests=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, step: Step, position: int, total: int) -> None:
        self._bar.update(self._task, description=step.name, completed=position, total=total)

    def seen(self, evidence: Evidence) -> None:
        self._bar.update(self._task, requests=len(evidence.exchanges))


class _Console(Console):
    """Raises BrokenPipeError when the reader closes the pipe; Rich would exit with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(file: IO[str] | None = None) -> Console:
    """The console for a report: colours on a terminal only, and not with NO_COLOR.

    Characters that the encoding of the output lacks are escaped.
    """
    out = file or sys.stdout
    _escape(out)
    piped = not out.isatty()
    return _Console(
        file=out, width=_PIPED_WIDTH if piped else None, highlight=False, markup=False, emoji=False
    )


def _escape(out: IO[str]) -> None:
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")


def show_report(report: Report, *, require_all: bool = False, out: Console | None = None) -> None:
    """Print the verdict, then failed checks, known deviations, checks without a verdict, and passed ones."""
    out = out or console()
    code = exit_code(report, require_all=require_all)
    out.print(Text(verdict_line(report, require_all=require_all), style=_STYLES[code]))
    out.print(Text(printable(circumstances(report)), style="dim"))
    findings = by_importance(report.findings)
    at_length = _AT_LENGTH if out.is_terminal and len(findings) > _AT_LENGTH + 1 else len(findings)
    for result in findings[:at_length]:
        _show_finding(out, result, report)
    _show_briefly(out, findings[at_length:])
    _show_differences(out, by_importance(report.differences), report)
    _show_known(out, report)
    _show_open(out, report.having(Verdict.INCONCLUSIVE, Verdict.NOT_RUN))
    _show_coverage(out, report)
    if out.is_terminal and findings:
        # Again, because the first line has scrolled away.
        out.print()
        out.print(Text(verdict_line(report, require_all=require_all), style=_STYLES[code]))


def _show_finding(out: Console, result: Result, report: Report) -> None:
    check, failure = result.check, result.failures[0]
    pasted = reproduce(result.check, failure, report.evidence, report.options.base_url, report.steps)
    rows = [
        ("rule", f"{check.sentence} ({check.source}; confidence {check.source.confidence})"),
        ("expected", failure.expected),
        ("actual", failure.actual),
        ("length", pasted.lengths),
        ("hint", hint(failure, check.id, mock=report.run_info.mock)),
    ]
    out.print()
    out.print(Text.assemble((check.id, "bold red"), "  ", printable(failure.sentence)))
    for name, text in rows:
        if text:
            table = Table.grid(padding=(0, 1), pad_edge=True)
            table.add_column(style="dim", no_wrap=True, width=9)
            table.add_column(overflow="fold")
            table.add_row(name, Text(printable(text)))
            out.print(table if out.is_terminal else Text(f"  {name:8} {printable(text)}"))
    for line in pasted.curl.split("\n"):
        # Soft-wrapped, so that a copy from the terminal has the original lines.
        out.print(Text(line, style="cyan"), soft_wrap=True)
    if len(result.failures) > 1:
        more = len(result.failures) - 1
        out.print(Text(f"  {more} more example{'s' if more > 1 else ''} in --report json=FILE", style="dim"))
    out.print(Text(f"  kling-contracts explain {check.id}", style="dim"))


def _show_briefly(out: Console, results: Sequence[Result]) -> None:
    """Print a line for each of these findings."""
    if results:
        out.print()
        out.print(
            Text(
                f"{len(results)} more failed; details with --report html=FILE or in a pipe", style="bold red"
            )
        )
    _show_lines(out, results)


def _show_lines(out: Console, results: Sequence[Result]) -> None:
    for result in results:
        sentence = printable(result.failures[0].sentence)
        out.print(Text.assemble(("  " + result.check.id, "bold"), "  ", sentence))


def _show_differences(out: Console, results: Sequence[Result], report: Report) -> None:
    """Print the checks that failed although no source settles their rule."""
    if not results:
        return
    out.print()
    title = f"{len(results)} differ{'' if len(results) > 1 else 's'} from our assumptions"
    out.print(Text.assemble((title, "yellow"), ": no source settles these rules; --strict makes them count"))
    if not out.is_terminal:
        for result in results:
            _show_finding(out, result, report)
        return
    _show_lines(out, results)


def _show_coverage(out: Console, report: Report) -> None:
    """Print the passed checks by group, with a source and without, and the topics without a check."""
    for title, results in (("verified", report.verified), ("assumed", report.assumed)):
        if results:
            counts = ", ".join(f"{title_of(it)} {count}" for it, count in counts_by_group(results).items())
            note = "" if title == "verified" else " (passed, but no source settles the rule)"
            out.print()
            out.print(Text.assemble((f"{len(results)} {title}", "green"), f"{note}: {counts}"))
    out.print()
    out.print(Text.assemble(("not covered by any source", "dim"), ": " + "; ".join(NOT_COVERED)))


def _show_known(out: Console, report: Report) -> None:
    known = report.having(Verdict.KNOWN)
    if known:
        out.print()
        out.print(Text(f"{len(known)} known deviation{'s' if len(known) > 1 else ''}", style="yellow"))
        for result in known:
            out.print(Text(printable(f"  {result.check.id}: {result.reason}")))
    for line in unused_lines(report):
        out.print(Text(printable(f"unused known deviation: {line}"), style="yellow"))


def _show_open(out: Console, results: Sequence[Result]) -> None:
    for verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_RUN):
        reasons: dict[str, list[str]] = {}
        for result in results:
            if result.verdict is verdict:
                reasons.setdefault(how_to_supply(result), []).append(result.check.id)
        for reason, ids in reasons.items():
            out.print()
            out.print(Text.assemble((f"{len(ids)} {verdict}", "yellow"), f": {reason}"))
            names = Text(_names(ids, short=out.is_terminal), style="dim")
            out.print(Padding(names, (0, 0, 0, 2), expand=False))


def _names(ids: Sequence[str], *, short: bool) -> str:
    """Ids of checks; if `short` and there are many, the number in each group."""
    if not short or len(ids) <= _NAMED:
        return ", ".join(ids)
    return ", ".join(f"{title_of(group)} {count}" for group, count in Counter(map(group_of, ids)).items())


def show_plan(planned: Sequence[Planned], limit: int | None, *, out: Console | None = None) -> None:
    """Print the steps of a plan with their requests and images, and the omitted steps with reasons."""
    out = out or console()
    running = [each for each in planned if each.missing is None]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("step", overflow="fold")
    for name in ("requests", "images reserved", "images created"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in running:
        step = each.step
        table.add_row(step.name, str(step.requests), str(step.max_cost or "-"), str(step.creates or "-"))
    out.print(table)
    requests, kept, most = totals_of(planned)
    allowed = "no limit" if limit is None else f"--max-images {limit}"
    out.print()
    out.print(
        Text(
            f"about {requests} requests in {len(running)} steps; a correct server creates {kept} images; "
            f"at most {most} images are spent or reserved at any time ({allowed})"
        )
    )
    for requirement in Requirement:
        names = [each.step.name for each in planned if each.missing is requirement]
        if names:
            out.print(Text(f"{len(names)} omitted: {SUPPLY[requirement]}", style="yellow"))
            out.print(Text("  " + "; ".join(names), style="dim"))
