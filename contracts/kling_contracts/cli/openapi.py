"""`kling-contracts openapi`: print the OpenAPI document of a gateway."""

from __future__ import annotations

import argparse
from typing import Any

from kling_contracts.cli.options import gateway_named
from kling_contracts.cli.output import write
from kling_contracts.gateways import COMETAPI, GATEWAYS


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "openapi",
        help="print an OpenAPI 3.1 document",
        description="Print the OpenAPI 3.1 document of a gateway.",
    )
    parser.add_argument(
        "--gateway",
        choices=[gateway.name for gateway in GATEWAYS],
        default=COMETAPI.name,
        help="gateway (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the command; the exit status."""
    from kling_contracts.openapi import build, render

    write(render(build(gateway_named(given.gateway))))
    return 0
