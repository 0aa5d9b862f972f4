"""The command `kling-mock`: `serve` and its state, `demo`, `check`, `doctor`, `help` and `completion`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from kling_contracts.argument_parser import USAGE_ERROR, ArgumentParser
from kling_contracts.explained_error import ExplainedError
from kling_contracts.redaction import escape_controls
from kling_contracts.standard_streams import READER_GONE, open_closed_streams, writing
from kling_mock import __version__

EXAMPLES: Final = """\
examples:
  kling-mock demo                    a task from creation to the saved picture
  kling-mock serve                   a server for your own code on port 8000
  kling-mock serve --state F.db      a server whose tasks survive its end
  kling-mock serve --help            all settings of the server
  kling-mock check demo.toml         all errors of a scenario file
  kling-mock doctor                  checks this machine; a report for an issue
  kling-mock help index              the pages of the documentation
"""

INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 success, 1 failure, 2 wrong usage."""
    open_closed_streams()
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["help"] and (len(arguments) == 1 or arguments[1] in _COMMANDS):
        arguments = [*arguments[1:2], "--help"]
    try:
        return _run(arguments)
    except ValueError as error:
        complain(str(error), error)
        return USAGE_ERROR
    except BrokenPipeError:
        return READER_GONE
    except ExplainedError as error:
        complain(str(error), error)
        return 1
    except OSError as error:
        text = error.strerror or str(error)
        complain(text if error.filename is None else f"{error.filename}: {text}", error)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("kling-mock: interrupted\n")
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    parser = _parser(_command_of(arguments))
    try:
        return _run_command(parser.parse_args(arguments), parser)
    finally:
        with writing():  # flushes: errors of the interpreter's last flush are tracebacks
            pass


def _run_command(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
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
        case "help":
            from kling_mock.help_command import run_help

            return run_help(options)
        case "completion":
            from kling_mock.completion import run_completion

            return run_completion(options.shell, _parser())
        case _:
            parser.print_help()
            return USAGE_ERROR


def complain(message: str, error: Exception) -> None:
    """Write a message about an exception, and the link to its help, to standard error."""
    from kling_contracts.help_links import help_line, kinds_of

    text = escape_controls(message, keep="\n")  # a file with errors has several lines
    sys.stderr.write(f"kling-mock: {text}\n{help_line(kinds_of(error), message)}\n")


def _parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands, with the options of the chosen one only, or of all (None).

    The modules of the options are imported here, so the list of commands does not wait for them.
    """
    parser = ArgumentParser(
        prog="kling-mock",
        description="A stateful offline mock of Kling's Multi-Image to Image API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kling-mock {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (text, add_options) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if chosen in (None, name):
            add_options(command)
    return parser


def _command_of(arguments: Sequence[str]) -> str:
    """The command among arguments; no option before it has a value."""
    return next((word for word in arguments if not word.startswith("-")), "")


def _add_serve_options(serve: argparse.ArgumentParser) -> None:
    from kling_mock.serve_command import SERVE_EXAMPLES, add_serve_options

    serve.usage, serve.epilog = "kling-mock serve [options]", SERVE_EXAMPLES
    add_serve_options(serve)


def _add_check_options(check: argparse.ArgumentParser) -> None:
    from kling_mock.scenarios.check_command import EXAMPLES as CHECK_EXAMPLES
    from kling_mock.scenarios.check_command import add_check_options

    check.epilog = CHECK_EXAMPLES
    add_check_options(check)


def _add_export_options(command: argparse.ArgumentParser, *, imports: bool = False) -> None:
    from kling_mock.state_transfer import add_options

    add_options(command, imports=imports)


def _add_doctor_options(doctor: argparse.ArgumentParser) -> None:
    from kling_mock.doctor.command import EPILOG, add_doctor_options

    doctor.description = "Check Python, packages, variables, port, fonts, folder and clock."
    doctor.epilog = EPILOG
    add_doctor_options(doctor)


def _add_help_options(command: argparse.ArgumentParser) -> None:
    from kling_mock.help_command import EPILOG, add_help_options

    command.epilog = EPILOG
    add_help_options(command)


def _add_completion_options(completion: argparse.ArgumentParser) -> None:
    from kling_mock.completion import EPILOG, add_completion_options

    completion.description = (
        "Print a script with which a shell completes the commands and options of kling-mock."
    )
    completion.epilog = EPILOG
    add_completion_options(completion)


def _add_demo_options(demo: argparse.ArgumentParser) -> None:
    demo.description = "Start the mock, create a task from the pictures, poll it and save the result."
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


# The description of each command, and the function that adds its options.
_COMMANDS: Final[Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = MappingProxyType(
    {
        "serve": ("run the mock as a local server until Ctrl-C", _add_serve_options),
        "demo": (
            "create a task from two pictures, poll it and save the result, offline",
            _add_demo_options,
        ),
        "check": ("list the errors of scenario files, each with its line", _add_check_options),
        "export": (
            "write the state of a server or state file to a file of JSON lines",
            _add_export_options,
        ),
        "import": (
            "read the state of a server or state file from an exported file",
            partial(_add_export_options, imports=True),
        ),
        "doctor": ("check this machine, and print a report for an issue", _add_doctor_options),
        "help": ("explain a message, or print a page of the documentation", _add_help_options),
        "completion": ("print a completion script for a shell", _add_completion_options),
    }
)
