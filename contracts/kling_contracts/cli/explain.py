"""`kling-contracts explain`: what a check is about, where its rule is known from, how to see it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from kling_contracts.cli.options import UsageError, near
from kling_contracts.cli.output import write

if TYPE_CHECKING:
    from kling_contracts.gateways import Gateway
    from kling_contracts.verify.model import Check


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "explain",
        help="explain a check",
        description="Tell what a check is about, where its rule is known from, how to run it by itself, and "
        "which faults it finds; without an id, list all checks, with a group (auth) or a pattern, those.",
    )
    parser.add_argument("id", nargs="?", help="the id of a check, a group or a pattern")
    parser.add_argument(
        "--operation", metavar="NAME", help="whose checks (default: the main operation of each gateway)"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the command; the exit status. Raises UsageError."""
    found = _all(given.operation)
    if given.id is not None and given.id not in found:
        pattern = given.id if "*" in given.id else f"{given.id}.*"
        some = {each: told for each, told in found.items() if fnmatchcase(each, pattern)}
        if not some:
            raise UsageError(
                f"no check is called {given.id}{near(given.id, list(found))}; explain without an id lists all"
            )
        found, given.id = some, None
    if given.id is None:
        write(
            json.dumps([_told(*each) for each in found.values()], indent=2) + "\n"
            if given.json
            else _list(found)
        )
        return 0
    check, gateways = found[given.id]
    told = json.dumps(_told(check, gateways), indent=2) if given.json else "\n".join(_lines(check, gateways))
    write(told + "\n")
    return 0


def _all(operation: str | None) -> dict[str, tuple[Check, list[Gateway]]]:
    """Every check of an operation by its id, with the gateways that it applies to. Raises UsageError."""
    from kling_contracts.registry import checks_of

    found: dict[str, tuple[Check, list[Gateway]]] = {}
    for gateway in _targets(operation):
        for check in checks_of(gateway):
            found.setdefault(check.id, (check, []))[1].append(gateway)
    return found


def _targets(name: str | None) -> list[Gateway]:
    """The gateways that offer an operation, with it as their main one."""
    from kling_contracts.gateways import GATEWAYS, every_operation

    if name is None:
        return list(GATEWAYS)
    offered = [(gateway, each) for gateway in GATEWAYS for each in gateway.operations if each.name == name]
    if not offered:
        known = ", ".join(each.name for each in every_operation())
        raise UsageError(f"--operation: no gateway has an operation {name!r}; there are {known}")
    return [gateway.focused(each) for gateway, each in offered]


def _list(found: dict[str, tuple[Check, list[Gateway]]]) -> str:
    lines: list[str] = []
    group = ""
    for check_id in sorted(found, key=lambda it: it.partition(".")[0]):
        if check_id.partition(".")[0] != group:
            group = check_id.partition(".")[0]
            lines += ["", group]
        lines.append(f"  {check_id}  {found[check_id][0].sentence}")
    return "\n".join(lines[1:]) + "\n"


def _command(check: Check, gateways: list[Gateway]) -> str:
    first = gateways[0]
    gateway = "" if len(gateways) > 1 or first.name == "cometapi" else f" --gateway {first.name}"
    gateway += f" --operation {first.main.name}" if first.focus else ""
    return f"kling-contracts verify --base-url URL{gateway} --only {check.id}{_flags(check, first)}"


def _flags(check: Check, gateway: Gateway) -> str:
    """What its steps need besides: images, and what the user has to give."""
    from kling_contracts.registry import steps_of
    from kling_contracts.verify.model import Requirement
    from kling_contracts.verify.plan import images_wanted

    covering = [step for step in steps_of(gateway) if step.covers(check.id)]
    images = images_wanted(covering)
    flags = f" --max-tasks {images}" if images else ""
    # A check that has one step only cannot do without what that needs.
    requires = (
        frozenset[Requirement].intersection(*(step.requires for step in covering))
        if covering
        else frozenset[Requirement]()
    )
    flags += " --api-key ACCESS:SECRET" if Requirement.SIGNER in requires else ""
    second = Requirement.SECOND_KEY in requires or check.id.startswith("account_isolation.")
    return flags + (" --second-api-key KEY2" if second else "")


def _lines(check: Check, gateways: list[Gateway]) -> Iterator[str]:
    yield f"{check.id}: {check.sentence}"
    yield ""
    yield f"known from  {check.source.reference} ({check.source.origin})"
    yield f"confidence  {check.source.confidence}"
    yield f"applies to  {', '.join(gateway.name for gateway in gateways)}"
    decides = "yes: a run without it is inconclusive" if check.required else "no: it may be left out"
    yield f"decides     {decides}"
    yield f"by itself   {_command(check, gateways)}"
    found = _faults().get(check.id, [])
    if found:
        yield "finds       " + found[0]
        yield from (f"            {each}" for each in found[1:])


def _faults() -> dict[str, list[str]]:
    """Faults by the check that finds them; each one is a faulty server in the tests of the verifier."""
    found = files("kling_contracts").joinpath("checks", "faults.json").read_text(encoding="utf-8")
    return cast("dict[str, list[str]]", json.loads(found))


def _told(check: Check, gateways: list[Gateway]) -> dict[str, object]:
    source = check.source
    return {
        "id": check.id,
        "sentence": check.sentence,
        "rule": {"origin": source.origin, "reference": source.reference, "confidence": source.confidence},
        "gateways": [gateway.name for gateway in gateways],
        "must": check.required,
        "command": _command(check, gateways),
        "catches": _faults().get(check.id, []),
    }
