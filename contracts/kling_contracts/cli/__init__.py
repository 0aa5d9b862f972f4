"""The command line `kling-contracts`."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final

from kling_contracts.argument_parser import USAGE_ERROR, ArgumentParser
from kling_contracts.cli import explain, judge, openapi, verify
from kling_contracts.cli.options import UsageError
from kling_contracts.cli.output import PROGRAM, complain, reader_gone, write
from kling_contracts.standard_streams import replace_closed_streams

_EXAMPLES: Final = """\
examples:
  kling-contracts verify --base-url http://127.0.0.1:8000 --api-key sk-mock --max-images 20
  kling-contracts judge run.jsonl --report html=report.html
  kling-contracts explain refuses.prompt.max_length
  kling-contracts openapi --gateway kling > openapi-kling.json
"""
NO_VERDICT = 4


class _Version(argparse.Action):
    """Looks the version up when it is requested: reading the metadata of distributions is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        write(f"{PROGRAM} {version('kling-mock')}\n")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status. Usage errors exit with 2, as in argparse."""
    replace_closed_streams()
    parser = ArgumentParser(
        prog=PROGRAM,
        description="Verify servers of Kling's Multi-Image to Image API, and print its OpenAPI documents.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in (verify, judge, explain, openapi):
        command.add(commands)
    given = parser.parse_args(argv)
    if given.command is None:
        parser.print_help(sys.stderr)
        return USAGE_ERROR
    try:
        status = int(given.run(given))
        sys.stdout.flush()
    except UsageError as error:
        complain(str(error), error)
        return USAGE_ERROR
    except BrokenPipeError:
        reader_gone()
        return 0
    except KeyboardInterrupt:
        complain("interrupted; a report was not written")
        return NO_VERDICT
    except Exception:  # noqa: BLE001 -- Python's status would be 1, which means a finding
        complain("an internal error occurred; it is not a finding about the server")
        traceback.print_exc()
        return NO_VERDICT
    return status
