"""The command `kling-mock doctor`. The checks are imported when it runs: every command builds its options."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Final

from kling_contracts.standard_streams import write_output

EPILOG: Final = """\
The report has no values of environment variables, no host names and no paths.

exit status: 0 no problem, 1 a problem, 2 wrong usage
"""


def add_doctor_options(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument(
        "--port", type=int, default=8000, metavar="N", help="port to check (default: %(default)s)"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")


def run_doctor(options: argparse.Namespace) -> int:
    """Print the report. Returns 1 if a check found a problem. Raises ValueError for an invalid port."""
    if not 1 <= options.port <= 65535:
        raise ValueError(f"--port: must be from 1 to 65535; got {options.port}")
    from kling_mock.doctor.findings import Machine
    from kling_mock.doctor.report import report_json, report_text, run_checks

    findings = run_checks(Machine(port=options.port))
    if options.json:
        write_output(json.dumps(report_json(findings)) + "\n")
    else:
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        write_output(report_text(findings, colours=colours))
    return 1 if any(each.status == "problem" for each in findings) else 0
