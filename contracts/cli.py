"""The command `kling-contracts`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from contracts.gateways import COMETAPI, GATEWAYS
from contracts.openapi import build, render


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status. Usage errors exit with 2, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="kling-contracts", description="The contract of Kling's Multi-Image to Image."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    openapi = commands.add_parser(
        "openapi", help="print the OpenAPI 3.1 document", description="Print the document of a gateway."
    )
    gateways = {gateway.name: gateway for gateway in GATEWAYS}
    openapi.add_argument(
        "--gateway", choices=gateways, default=COMETAPI.name, help="whose document: %(default)s if not given"
    )
    options = parser.parse_args(argv)
    return _write(render(build(gateways[options.gateway])))


def _write(text: str) -> int:
    """Write UTF-8 with plain newlines, whatever the locale and the system, so that a redirect is the file."""
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough. Without this the interpreter would try to flush again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
