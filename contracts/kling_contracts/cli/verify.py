"""`kling-contracts verify`: run all checks against a server."""

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
from kling_contracts.redaction import hide_in_urls
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
environment variables, because other users of the machine can see keys on a command line:
  {API_KEY_VARIABLE}            the key (--gateway cometapi)
  {ACCESS_KEY_VARIABLE},
  {SECRET_KEY_VARIABLE}        access and secret key (--gateway kling)
  {KLING_API_KEY_VARIABLE}           a plain key (--gateway kling)
  {SECOND_API_KEY_VARIABLE}    the key of another account

exit status:
  0  all checks with a verdict passed, or differ only where no source settles the rule (see --strict)
  1  a check failed
  2  wrong usage; nothing was sent
  3  the server does not answer, or refuses the key
  4  inconclusive: a required check has no verdict, or the run was interrupted

examples:
  kling-contracts verify --base-url http://127.0.0.1:8000 --api-key sk-mock --max-images 20
  kling-contracts verify --base-url http://127.0.0.1:8000 --only "refuses.*" auth.required
  kling-contracts verify --base-url https://gateway.example --report html=report.html --record run.jsonl
"""
_MAIN: Final = ", ".join(f"{gateway.main.name} of {gateway.name}" for gateway in GATEWAYS)


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "verify",
        usage="%(prog)s --base-url URL [options]",
        help="verify a server",
        description="Send requests to a server and check its answers.\n\n"
        "Without --max-images no task is created, except on kling-mock, which costs nothing.\n"
        "A gateway on this machine may forward to a paid service.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    server = parser.add_argument_group("server")
    server.add_argument("--base-url", required=True, metavar="URL", help="base URL, without the API's paths")
    server.add_argument("--api-key", metavar="KEY", help="a key, or ACCESS:SECRET for --gateway kling")
    server.add_argument("--second-api-key", metavar="KEY2", help="the key of another account")
    server.add_argument(
        "--gateway",
        choices=[gateway.name for gateway in GATEWAYS],
        default=COMETAPI.name,
        help="the API of the server: %(choices)s (default: %(default)s)",
        metavar="NAME",
    )
    server.add_argument(
        "--operation",
        metavar="NAME",
        help=f"the operation to verify (default: {_MAIN})",
    )
    limits = parser.add_argument_group("run")
    limits.add_argument(
        "--max-images",
        "--max-tasks",
        type=int,
        metavar="N",
        help="the most images to create (default: 0; kling-mock: no limit)",
    )
    limits.add_argument(
        "--deadline", type=float, default=300.0, metavar="SECONDS", help="for the whole run (default: 300)"
    )
    limits.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the random order of requests (default: 0)"
    )
    limits.add_argument("--plan", action="store_true", help="print the plan of the run; send nothing")
    limits.add_argument(
        "--record", type=Path, metavar="FILE", help="write a recording, for kling-contracts judge"
    )
    add_reports(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the command; the exit status. Raises UsageError."""
    options = _options(given)
    if given.plan:
        if given.record or given.report:
            raise UsageError("--plan sends nothing, so it excludes --record and --report; leave these out")
        return _show_plan(options, as_json=given.json)
    if given.record:
        check_writable(given.record)
    files = reports_in(given.report, given.record)
    if not options.api_key:
        names = (
            f"{ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}"
            if given.gateway == "kling"
            else API_KEY_VARIABLE
        )
        raise UsageError(f"no key: set --api-key, or {names} in the environment")
    return _verify(given, options, files)


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
        complain(f"{options.base_url}: {error}", error)
        return ExitCode.UNREACHABLE
    if recorder and recorder.problem:
        complain(f"--record {given.record}: the recording is incomplete: {recorder.problem}")
    return deliver(report, files, as_json=given.json, require_all=given.require == "all")


def _options(given: argparse.Namespace) -> Options:
    from kling_contracts.verify.plan import Options, address_problem

    problem = address_problem(given.base_url)
    if problem:
        raise UsageError(f"--base-url {hide_in_urls(given.base_url)!r}: {problem}")
    if given.max_images is not None and given.max_images < 0:
        raise UsageError(f"--max-images: must be 0 or more; got {given.max_images}")
    if not 0 < given.deadline < float("inf"):
        raise UsageError(f"--deadline: must be a number of seconds above 0; got {given.deadline:g}")
    gateway = gateway_named(given.gateway)
    operation = operation_named(given.operation, gateway)
    check_ids(given.only, gateway if operation is None else gateway.focused(operation))
    for flag, key in (("--api-key", given.api_key), ("--second-api-key", given.second_api_key)):
        if key == "":
            raise UsageError(f"{flag}: must not be empty; omit it to read the key from the environment")
    first = given.api_key or _key_from_environment(given.gateway)
    second = given.second_api_key or os.environ.get(SECOND_API_KEY_VARIABLE) or None
    for flag, key in (("--api-key", first), ("--second-api-key", second)):
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise UsageError(f"{flag}: must be printable ASCII without blanks; got {len(key)} characters")
    if first and first == second:
        raise UsageError("--second-api-key: must be the key of another account; got the first key")
    return Options(
        base_url=given.base_url.rstrip("/"),
        api_key=first,
        second_api_key=second,
        gateway=gateway,
        operation=operation,
        max_images=given.max_images,
        deadline=given.deadline,
        only=tuple(given.only),
        known=known_in(given.known),
        seed=given.seed,
        strict=given.strict,
    )


def _key_from_environment(gateway: str) -> str:
    seen = os.environ.get
    if gateway != "kling":
        return seen(API_KEY_VARIABLE, "")
    access, secret = seen(ACCESS_KEY_VARIABLE), seen(SECRET_KEY_VARIABLE)
    return f"{access}:{secret}" if access and secret else seen(KLING_API_KEY_VARIABLE, "")


def _show_plan(options: Options, *, as_json: bool) -> int:
    import json

    from kling_contracts.checks.pair_coverage import pairs_covered
    from kling_contracts.registry import SUITE
    from kling_contracts.verify.plan import images_for_all, limit_of, plan, totals_of

    planned, limit = plan(options, SUITE), limit_of(options, mock=False)
    pairs, enough = pairs_covered(options.target, planned), images_for_all(options, SUITE)
    if not as_json:
        from kling_contracts.verify.reports.terminal import show_plan

        show_plan(planned, limit)
        write(f"pairs of values of two fields: {pairs.covered} of {pairs.total} ({pairs.share:.0%}) ")
        write(f"within --max-images {limit}; all with --max-images {enough}\n")
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
    covered = {"covered": pairs.covered, "total": pairs.total, "images_for_all": enough}
    write(json.dumps({"totals": totals, "pairs": covered, "steps": steps}, indent=2) + "\n")
    return 0
