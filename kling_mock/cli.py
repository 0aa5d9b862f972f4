"""The command `kling-mock`: `serve` and its state, `demo`, `check`, `doctor` and `completion`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from kling_contracts.argument_parser import USAGE_ERROR, ArgumentParser
from kling_contracts.redaction import escape_controls
from kling_mock import __version__

EXAMPLES: Final = """\
examples:
  kling-mock demo                    a task from creation to the saved picture
  kling-mock serve                   a server for your own code on port 8000
  kling-mock serve --state F.db      a server whose tasks survive its end
  kling-mock serve --help            all settings of the server
  kling-mock check demo.toml         all errors of a scenario file
  kling-mock doctor                  checks this machine; a report for an issue
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 success, 1 failure, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        match options.command:
            case "serve":
                from kling_mock.serve_command import run_serve

                return run_serve(options)
            case "demo":
                from kling_mock.demo import run_demo

                return run_demo(options.images, options.out, speed=options.speed)
            case "check":
                from kling_mock.scenarios.check_command import run_check

                return run_check(options)
            case "export":
                from kling_mock.state_transfer import export_state

                return export_state(options)
            case "import":
                from kling_mock.state_transfer import import_state

                return import_state(options)
            case "doctor":
                from kling_mock.doctor.command import run_doctor

                return run_doctor(options)
            case "completion":
                from kling_mock.completion import run_completion

                return run_completion(options.shell, parser)
            case _:
                parser.print_help()
                return USAGE_ERROR
    except ValueError as error:
        text = escape_controls(str(error), keep="\n")  # a file with errors has several lines
        sys.stderr.write(f"kling-mock: {text}\n")
        return USAGE_ERROR
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)
        sys.stderr.write(f"kling-mock: {escape_controls(text)}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="kling-mock",
        description="A stateful offline mock of Kling's Multi-Image to Image API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kling-mock {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    from kling_mock.serve_command import SERVE_EXAMPLES, add_serve_options

    add_serve_options(
        commands.add_parser(
            "serve",
            usage="kling-mock serve [options]",
            help="run the mock as a local server until Ctrl-C",
            description="Run the mock as a local server until Ctrl-C.",
            epilog=SERVE_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _add_demo_options(
        commands.add_parser(
            "demo",
            help="create a task from two pictures, poll it and save the result, offline",
            description="Start the mock, create a task from the pictures, poll it and save the result.",
        )
    )
    from kling_mock.scenarios.check_command import EXAMPLES as CHECK_EXAMPLES
    from kling_mock.scenarios.check_command import add_check_options

    add_check_options(
        commands.add_parser(
            "check",
            help="list the errors of scenario files",
            description="List the errors of scenario files, each with its line.",
            epilog=CHECK_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _add_state_commands(commands)
    _add_help_commands(commands)
    return parser


def _add_help_commands(commands: Any) -> None:
    from kling_mock.completion import EPILOG as COMPLETION_EPILOG
    from kling_mock.completion import add_completion_options
    from kling_mock.doctor.command import EPILOG as DOCTOR_EPILOG
    from kling_mock.doctor.command import add_doctor_options

    add_doctor_options(
        commands.add_parser(
            "doctor",
            help="check this machine, and print a report for an issue",
            description="Check Python, packages, variables, port, fonts, folder and clock.",
            epilog=DOCTOR_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_completion_options(
        commands.add_parser(
            "completion",
            help="print a completion script for a shell",
            description="Print a script with which a shell completes the commands and options of kling-mock.",
            epilog=COMPLETION_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )


def _add_state_commands(commands: Any) -> None:
    from kling_mock.state_transfer import add_options

    texts = {
        "export": "write the state of a server or state file to a file of JSON lines",
        "import": "read the state of a server or state file from an exported file",
    }
    for name, text in texts.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_options(command, imports=name == "import")


def _add_demo_options(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "images", nargs="*", type=Path, metavar="FILE", help="2 to 4 PNG or JPEG files (default: two samples)"
    )
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("demo-out"),
        metavar="FOLDER",
        help="folder for the result (default: %(default)s)",
    )
    demo.add_argument(
        "--speed",
        type=float,
        default=10.0,
        metavar="FACTOR",
        help="speed of tasks relative to the real service (default: 10)",
    )
