"""The command `kling-contracts`."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from kling_contracts.cli import explain, judge, openapi, verify
from kling_contracts.cli.options import UsageError
from kling_contracts.cli.output import PROGRAM, complain, reader_gone

USAGE_ERROR = 2
NO_VERDICT = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status. Usage errors exit with 2, as argparse does."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="The contract of Kling's Multi-Image to Image."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in (verify, judge, explain, openapi):
        command.add(commands)
    given = parser.parse_args(argv)
    try:
        status = int(given.run(given))
        sys.stdout.flush()
    except UsageError as error:
        complain(str(error))
        return USAGE_ERROR
    except BrokenPipeError:
        reader_gone()
        return 0
    except KeyboardInterrupt:
        complain("interrupted before there was a report")
        return NO_VERDICT
    except Exception:  # noqa: BLE001 -- Python would end with 1, which says that a server is wrong
        complain("a mistake of ours, which says nothing about the server")
        traceback.print_exc()
        return NO_VERDICT
    return status
