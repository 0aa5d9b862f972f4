"""The command `kling-mock check`: all errors of scenario files, or their JSON Schema for editors."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Final

from kling_contracts.standard_streams import write_output
from kling_mock.suggestions import counted

if TYPE_CHECKING:
    from kling_mock.scenarios.scenario_file import FileProblem

EXAMPLES: Final = """\
examples:
  kling-mock check demo.toml                  all errors, each with its line
  kling-mock check --json *.toml              the same for programs
  kling-mock check --schema > schema.json     the JSON Schema; editors find it
                                              by the first line of a file:
                                              #:schema ./schema.json

exit status: 0 no errors, 1 errors in a file, 2 wrong usage
"""
WIDTH: Final = 100


def add_check_options(check: argparse.ArgumentParser) -> None:
    check.add_argument("files", nargs="*", type=Path, metavar="FILE", help="scenario files (TOML)")
    check.add_argument("--json", action="store_true", help="print one JSON object for each file")
    check.add_argument("--schema", action="store_true", help="print the JSON Schema of scenario files")


def run_check(options: argparse.Namespace) -> int:
    """Check the files. Returns the exit status; raises ValueError for wrong usage, OSError."""
    from kling_contracts.help_links import help_line
    from kling_mock.scenarios.scenario_file import scenario_schema

    if options.schema:
        if options.files:
            raise ValueError("check: --schema is printed without a FILE")
        write_output(json.dumps(scenario_schema(), indent=2) + "\n")
        return 0
    if not options.files:
        raise ValueError("check: give at least one FILE, or --schema")
    status = max(_check(path, as_json=options.json) for path in options.files)
    if status and not options.json:
        sys.stderr.write(f"{help_line(['ScenarioError'], '')}\n")
    return status


def _check(path: Path, *, as_json: bool) -> int:
    from kling_mock.scenarios.scenario_file import ScenarioError, read_scenario

    problems: Sequence[FileProblem] = ()
    summary = ""
    try:
        scenario = read_scenario(path)
        summary = f"{counted(len(scenario.scripts), 'script')}, {counted(len(scenario.settings), 'setting')}"
    except ScenarioError as error:
        problems = error.problems
    if as_json:
        write_output(
            json.dumps({"file": str(path), "problems": [_as_json(each) for each in problems]}) + "\n"
        )
    elif problems:
        for each in problems:
            write_output(f"{each}\n{_accepted(each)}")
    else:
        write_output(f"{path}: no errors; {summary}\n")
    return 1 if problems else 0


def _as_json(each: FileProblem) -> dict[str, object]:
    problem = each.problem
    return {
        "line": each.line,
        "key": each.key,
        "pointer": problem.pointer,
        "message": problem.message,
        "accepted": problem.accepted,
        "nearest": problem.nearest,
    }


def _accepted(each: FileProblem) -> str:
    """The accepted names as lines of their own, where the message has only the nearest ones."""
    if not each.problem.nearest:
        return ""
    listed = f"accepted: {', '.join(each.problem.accepted)}"
    return fill(listed, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False) + "\n"
