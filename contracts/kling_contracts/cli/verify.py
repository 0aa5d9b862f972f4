"""`kling-contracts verify`: run the campaign against a server."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kling_contracts.cli.options import (
    UsageError,
    add_reports,
    check_ids,
    check_writable,
    gateway_named,
    known_in,
    operation_named,
    reports_in,
)
from kling_contracts.cli.output import complain, deliver, write
from kling_contracts.gateways import COMETAPI, GATEWAYS
from kling_contracts.vocabulary import (
    ACCESS_KEY_VARIABLE,
    API_KEY_VARIABLE,
    KLING_API_KEY_VARIABLE,
    SECOND_API_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
)

if TYPE_CHECKING:
    from kling_contracts.verify.plan import Options

_EPILOG: Final = f"""\
keys on a command line can be seen by others, so they may come from the environment: {API_KEY_VARIABLE}, for \
--gateway kling {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or {KLING_API_KEY_VARIABLE}; the second key \
from {SECOND_API_KEY_VARIABLE}.

exit status: 0 all that was seen holds; 1 something is broken; 2 wrong usage, nothing was sent; 3 the server \
does not answer or refuses the key; 4 inconclusive, out of time or interrupted.
"""
_MAIN: Final = ", ".join(f"{gateway.main.name} of {gateway.name}" for gateway in GATEWAYS)


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "verify",
        help="verify a server",
        description="Send requests to a server and judge its answers. Without --max-tasks nothing is "
        "created, but at a kling-mock, which costs nothing. A gateway on this machine may have a paid "
        "service behind it.",
        epilog=_EPILOG,
    )
    parser.add_argument("--base-url", required=True, metavar="URL", help="where the server is")
    parser.add_argument("--api-key", metavar="KEY", help="a key, or ACCESS:SECRET for --gateway kling")
    parser.add_argument("--second-api-key", metavar="KEY2", help="the key of another account")
    parser.add_argument(
        "--gateway",
        choices=[gateway.name for gateway in GATEWAYS],
        default=COMETAPI.name,
        help="what it speaks (default: %(default)s)",
    )
    parser.add_argument(
        "--operation",
        metavar="NAME",
        help=f"which operation is verified (default: {_MAIN})",
    )
    parser.add_argument("--max-tasks", type=int, metavar="N", help="how many images may be created at most")
    parser.add_argument(
        "--deadline", type=float, default=300.0, metavar="SECONDS", help="for the whole run (default: 300)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="what the order of some requests is drawn from"
    )
    parser.add_argument(
        "--plan", action="store_true", help="show what would be sent and created; send nothing"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="write what was seen, for kling-contracts judge"
    )
    add_reports(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the command; the exit status. Raises UsageError."""
    options = _options(given)
    if given.plan:
        if given.record or given.report:
            raise UsageError("--plan sends nothing, so there is nothing for --record and --report to write")
        return _show_plan(options, as_json=given.json)
    if not options.api_key:
        names = (
            f"{ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}"
            if given.gateway == "kling"
            else API_KEY_VARIABLE
        )
        raise UsageError(f"no key: give --api-key or set {names}")
    if given.record:
        check_writable(given.record)
    return _verify(given, options, reports_in(given.report, given.record))


def _verify(given: argparse.Namespace, options: Options, files: list[tuple[str, Path]]) -> int:
    from kling_contracts.registry import verify
    from kling_contracts.verify.recorder import Recorder
    from kling_contracts.verify.report import ExitCode
    from kling_contracts.verify.reports.terminal import LiveProgress
    from kling_contracts.verify.runner import Unreachable

    recorder = Recorder(given.record) if given.record else None
    try:
        with LiveProgress() as progress:
            report = verify(options, progress=progress, recorder=recorder)
    except Unreachable as error:
        complain(f"{options.base_url}: {error}")
        return ExitCode.UNREACHABLE
    if recorder and recorder.problem:
        complain(f"{given.record} is not whole: {recorder.problem}")
    return deliver(report, files, as_json=given.json, require_all=given.require == "all")


def _options(given: argparse.Namespace) -> Options:
    from kling_contracts.verify.plan import Options, address_problem

    problem = address_problem(given.base_url)
    if problem:
        raise UsageError(f"--base-url {given.base_url!r}: {problem}")
    if given.max_tasks is not None and given.max_tasks < 0:
        raise UsageError(f"--max-tasks {given.max_tasks}: it is 0 or more")
    if not 0 < given.deadline < float("inf"):
        raise UsageError(f"--deadline {given.deadline}: it is a number of seconds above 0")
    gateway = gateway_named(given.gateway)
    operation = operation_named(given.operation, gateway)
    check_ids(given.only, gateway if operation is None else gateway.focused(operation))
    for flag, key in (("--api-key", given.api_key), ("--second-api-key", given.second_api_key)):
        if key == "":
            raise UsageError(f"{flag}: it is empty; leave it out to take the key from the environment")
    first = given.api_key or _key_from_environment(given.gateway)
    second = given.second_api_key or os.environ.get(SECOND_API_KEY_VARIABLE) or None
    for flag, key in (("--api-key", first), ("--second-api-key", second)):
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise UsageError(f"{flag}: a key has no blanks and no characters outside ASCII")
    if first and first == second:
        raise UsageError("--second-api-key: it is the first key; it has to be that of another account")
    return Options(
        base_url=given.base_url.rstrip("/"),
        api_key=first,
        second_api_key=second,
        gateway=gateway,
        operation=operation,
        max_tasks=given.max_tasks,
        deadline=given.deadline,
        only=tuple(given.only),
        known=known_in(given.known),
        seed=given.seed,
    )


def _key_from_environment(gateway: str) -> str:
    seen = os.environ.get
    if gateway != "kling":
        return seen(API_KEY_VARIABLE, "")
    access, secret = seen(ACCESS_KEY_VARIABLE), seen(SECRET_KEY_VARIABLE)
    return f"{access}:{secret}" if access and secret else seen(KLING_API_KEY_VARIABLE, "")


def _show_plan(options: Options, *, as_json: bool) -> int:
    import json

    from kling_contracts.registry import SUITE
    from kling_contracts.verify.plan import limit_of, plan, totals_of

    planned, limit = plan(options, SUITE), limit_of(options, mock=False)
    if not as_json:
        from kling_contracts.verify.reports.terminal import show_plan

        show_plan(planned, limit)
        return 0
    requests, created, reserved = totals_of(planned)
    steps = [
        {
            "name": each.step.name,
            "does": each.step.description,
            "requests": each.step.requests,
            "reserves": each.step.max_cost,
            "creates": each.step.creates,
            "must": each.step.required,
            "missing": each.missing,
        }
        for each in planned
    ]
    totals = {"requests": requests, "creates": created, "reserves": reserved, "limit": limit}
    write(json.dumps({"totals": totals, "steps": steps}, indent=2) + "\n")
    return 0
