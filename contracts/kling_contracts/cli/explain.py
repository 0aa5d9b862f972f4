"""`kling-contracts explain`: the rule of a check, its source, the command to run it, faults that it finds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from kling_contracts.cli.options import UsageError, near
from kling_contracts.cli.output import write
from kling_contracts.suggestions import did_you_mean

if TYPE_CHECKING:
    from kling_contracts.gateways import Gateway
    from kling_contracts.verify.model import Check


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "explain",
        help="explain a check",
        description="Print the rule of a check, its source, the command that runs only this check, and "
        "faults that it finds.\nWith a group or a pattern, list its checks; without an argument, list all.",
        epilog="examples:\n"
        "  kling-contracts explain auth\n"
        "  kling-contracts explain refuses.prompt.max_length",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "id", nargs="?", metavar="ID", help="a check (auth.required), a group (auth) or a pattern (auth.*)"
    )
    parser.add_argument(
        "--operation",
        metavar="NAME",
        help="explain the checks of this operation (default: the main operation of each gateway)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the command; the exit status. Raises UsageError."""
    found = _all(given.operation)
    if given.id is not None and given.id not in found:
        pattern = given.id if "*" in given.id else f"{given.id}.*"
        some = {each: entry for each, entry in found.items() if fnmatchcase(each, pattern)}
        if not some:
            raise UsageError(
                f"unknown check {given.id!r}{near(given.id, list(found))}; explain without an id lists all"
            )
        found, given.id = some, None
    if given.id is None:
        write(
            json.dumps([_as_json(each) for each in found.values()], indent=2) + "\n"
            if given.json
            else _list(found)
        )
        return 0
    checks = found[given.id]
    text = json.dumps(_as_json(checks), indent=2) if given.json else "\n".join(_lines(checks))
    write(text + "\n")
    return 0


def _all(operation: str | None) -> dict[str, dict[Gateway, Check]]:
    """Every check of an operation by its id, for each gateway that it applies to. Raises UsageError."""
    from kling_contracts.registry import checks_of

    found: dict[str, dict[Gateway, Check]] = {}
    for gateway in _targets(operation):
        for check in checks_of(gateway):
            found.setdefault(check.id, {})[gateway] = check
    return found


def _targets(name: str | None) -> list[Gateway]:
    """The gateways that offer an operation, with it as their main one."""
    from kling_contracts.gateways import GATEWAYS, every_operation

    if name is None:
        return list(GATEWAYS)
    offered = [(gateway, each) for gateway in GATEWAYS for each in gateway.operations if each.name == name]
    if not offered:
        known = [each.name for each in every_operation()]
        raise UsageError(f"--operation: unknown operation {name!r}; {did_you_mean(name, known)}")
    return [gateway.focused(each) for gateway, each in offered]


def _list(found: dict[str, dict[Gateway, Check]]) -> str:
    from kling_contracts.verify.reports.wording import title_of

    lines: list[str] = []
    group = ""
    for check_id in sorted(found, key=lambda it: it.partition(".")[0]):
        if check_id.partition(".")[0] != group:
            group = check_id.partition(".")[0]
            lines += ["", f"{title_of(group)} ({group})"]
        lines.append(f"  {check_id}  {next(iter(found[check_id].values())).sentence}")
    return "\n".join(lines[1:]) + "\n"


def _command(check: Check, gateways: list[Gateway]) -> str:
    first = gateways[0]
    gateway = "" if len(gateways) > 1 or first.name == "cometapi" else f" --gateway {first.name}"
    gateway += f" --operation {first.main.name}" if first.focus else ""
    return f"kling-contracts verify --base-url URL{gateway} --only {check.id}{_flags(check, first)}"


def _flags(check: Check, gateway: Gateway) -> str:
    """The flags that the steps of a check need: images, and keys."""
    from kling_contracts.registry import steps_of
    from kling_contracts.verify.model import Requirement
    from kling_contracts.verify.plan import images_wanted

    covering = [step for step in steps_of(gateway) if step.covers(check.id)]
    images = images_wanted(covering)
    flags = f" --max-images {images}" if images else ""
    flags += " --strict" if check.source.assumed else ""
    # A requirement that all its steps share is a requirement of the check.
    requires = (
        frozenset[Requirement].intersection(*(step.requires for step in covering))
        if covering
        else frozenset[Requirement]()
    )
    flags += " --api-key ACCESS:SECRET" if Requirement.SIGNER in requires else ""
    second = Requirement.SECOND_KEY in requires or check.id.startswith("account_isolation.")
    return flags + (" --second-api-key KEY2" if second else "")


def _lines(checks: Mapping[Gateway, Check]) -> Iterator[str]:
    gateways, check = list(checks), next(iter(checks.values()))
    yield f"{check.id}: {check.sentence}"
    yield ""
    sources = {each.source for each in checks.values()}
    for gateway, each in checks.items() if len(sources) > 1 else [(gateways[0], check)]:
        named = f"{gateway.name}: " if len(sources) > 1 else ""
        yield f"source      {named}{each.source.reference} ({each.source.origin})"
        if each.sentence != check.sentence:
            yield f"            {named}{each.sentence}"
        yield f"confidence  {named}{each.source.confidence}" + (
            "; counts only with --strict" if each.source.assumed else ""
        )
    yield f"gateways    {', '.join(gateway.name for gateway in gateways)}"
    required = "yes: a run without its verdict is inconclusive" if check.required else "no"
    yield f"required    {required}"
    yield f"command     {_command(check, gateways)}"
    found = _faults().get(check.id, [])
    if found:
        yield "finds       " + found[0]
        yield from (f"            {each}" for each in found[1:])


def _faults() -> dict[str, list[str]]:
    """Descriptions of faults by check id; each is a faulty server in the tests of the verifier."""
    found = files("kling_contracts").joinpath("checks", "faults.json").read_text(encoding="utf-8")
    return cast("dict[str, list[str]]", json.loads(found))


def _as_json(checks: Mapping[Gateway, Check]) -> dict[str, object]:
    from kling_contracts.verify.reports.json_report import rule

    gateways, check = list(checks), next(iter(checks.values()))
    return {
        "id": check.id,
        "sentence": check.sentence,
        "rules": {gateway.name: rule(each.source) for gateway, each in checks.items()},
        "gateways": [gateway.name for gateway in gateways],
        "must": check.required,
        "command": _command(check, gateways),
        "catches": _faults().get(check.id, []),
    }
