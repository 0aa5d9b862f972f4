"""Output of the commands: standard output in UTF-8, errors on standard error, reports in files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kling_contracts.verify.report import Report

PROGRAM: Final = "kling-contracts"


def write(text: str) -> None:
    """Write UTF-8 with plain newlines on every system, so that the output can be redirected to a file."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def reader_gone() -> None:
    """Discard further output after a broken pipe, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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

            show_report(report, require_all=require_all)
            sys.stdout.flush()
    except BrokenPipeError:
        reader_gone()  # the exit status still reports the result
    return int(exit_code(report, require_all=require_all))
