"""Output of the commands: standard output in UTF-8, errors on standard error, reports in files."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kling_contracts.standard_streams import writing

if TYPE_CHECKING:
    from kling_contracts.verify.report import Report

PROGRAM: Final = "kling-contracts"


def write(text: str) -> None:
    """Write UTF-8 with plain newlines on every system, so that the output can be redirected to a file.

    Raises OSError with the name of standard output.
    """
    with writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))


def complain(message: str, error: BaseException | None = None) -> None:
    """Write a message, the text of `error` if there is one, and the link to its help to standard error."""
    from kling_contracts.help_links import help_line, kinds_of

    kinds = [PROGRAM] if error is None else kinds_of(error)
    sys.stderr.write(f"{PROGRAM}: {message}\n{help_line(kinds, message)}\n")


def deliver(report: Report, files: Iterable[tuple[str, Path]], *, as_json: bool, require_all: bool) -> int:
    """Write the reports; print the summary, or the JSON report. Returns the exit status."""
    from kling_contracts.verify.report import exit_code
    from kling_contracts.verify.reports import html_report, json_report, junit

    for kind, path in files:
        match kind:
            case "json":
                text = json_report.render(report, require_all=require_all)
            case "junit":
                text = junit.render(report)
            case _:
                text = html_report.render(report, require_all=require_all)
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as error:
            complain(f"{path}: cannot be written: {error.strerror}")
    try:
        if as_json:
            write(json_report.render(report, require_all=require_all))
        else:
            from kling_contracts.verify.reports.terminal import show_report

            with writing():
                show_report(report, require_all=require_all)
    except BrokenPipeError:
        pass  # the exit status still reports the result
    return int(exit_code(report, require_all=require_all))
