"""The command line `kling-contracts`."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from kling_contracts.argument_parser import USAGE_ERROR, ArgumentParser, ShowVersion
from kling_contracts.cli import explain, judge, openapi, verify
from kling_contracts.cli.options import UsageError
from kling_contracts.cli.output import PROGRAM, complain
from kling_contracts.standard_streams import STANDARD_OUTPUT, open_closed_streams

_EXAMPLES: Final = """\
examples:
  kling-contracts verify --base-url http://127.0.0.1:8000 --api-key sk-mock --max-images 20
  kling-contracts judge run.jsonl --report html=report.html
  kling-contracts explain refuses.prompt.max_length
  kling-contracts openapi --gateway kling > openapi-kling.json
"""
NO_VERDICT = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. Usage errors exit with 2, as in argparse."""
    open_closed_streams()
    parser = _parser()
    try:
        given = parser.parse_args(argv)
        if given.command is None:
            parser.print_help(sys.stderr)
            return USAGE_ERROR
        return int(given.run(given))
    except UsageError as error:
        complain(str(error), error)
        return USAGE_ERROR
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        complain("interrupted; a report was not written")
        return NO_VERDICT
    except Exception as error:  # noqa: BLE001 -- Python's status would be 1, which means a finding
        if isinstance(error, OSError) and error.filename == STANDARD_OUTPUT:
            complain(f"{STANDARD_OUTPUT}: {error.strerror}", error)
            return NO_VERDICT
        complain("an internal error occurred; it is not a finding about the server")
        traceback.print_exc()
        return NO_VERDICT


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog=PROGRAM,
        description="Verify servers of Kling's Multi-Image to Image API, and print its OpenAPI documents.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in (verify, judge, explain, openapi):
        command.add(commands)
    return parser
