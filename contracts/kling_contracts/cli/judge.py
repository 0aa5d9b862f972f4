"""`kling-contracts judge`: judge a recording, without network access."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kling_contracts.cli.options import UsageError, add_reports, check_ids, known_in, reports_in
from kling_contracts.cli.output import deliver


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "judge",
        help="judge a recording of verify",
        description="Judge a file that `verify --record` has written. Nothing is sent. Reports and exit "
        "status are those of verify.",
    )
    parser.add_argument("recording", type=Path, metavar="FILE", help="recording to judge")
    add_reports(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the command; the exit status. Raises UsageError."""
    from kling_contracts.registry import judge_recording
    from kling_contracts.verify.recording import BadRecording

    files = reports_in(given.report, given.recording)
    known = known_in(given.known)
    try:
        report = judge_recording(given.recording, only=tuple(given.only), known=known, strict=given.strict)
    except BadRecording as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{given.recording}: cannot be read: {error.strerror}") from None
    check_ids(given.only, report.evidence.gateway)
    return deliver(report, files, as_json=given.json, require_all=given.require == "all")
