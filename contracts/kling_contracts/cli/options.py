"""Flags of several commands, and their validation before any request is sent."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.operations import Operation
from kling_contracts.suggestions import close_names, did_you_mean

if TYPE_CHECKING:
    from kling_contracts.verify.known_deviations import Deviation

KINDS: Final = ("json", "junit", "html")


class UsageError(Exception):
    """A wrong command line. The text names the argument, the rule and a remedy."""


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Add the flags that select checks, and those of reports."""
    checks = parser.add_argument_group("checks")
    reports = parser.add_argument_group("reports")
    checks.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="ID",
        help="only these checks: ids or patterns such as 'refuses.*'",
    )
    checks.add_argument(
        "--require", choices=["all"], help="all: exit with status 4 if any check could not be examined"
    )
    checks.add_argument("--strict", action="store_true", help="rules that no source settles count as well")
    checks.add_argument(
        "--known", type=Path, metavar="FILE", help="TOML file of known deviations, which are not findings"
    )
    reports.add_argument(
        "--report",
        action="append",
        default=[],
        metavar="KIND=FILE",
        help="also write a report: json=FILE, junit=FILE or html=FILE (repeatable)",
    )
    reports.add_argument("--json", action="store_true", help="print the JSON report instead of the summary")


def reports_in(given: Iterable[str], recording: Path | None = None) -> list[tuple[str, Path]]:
    """Kinds and files of the reports.

    Raises UsageError for a wrong kind, a file that cannot be written, and the file `recording`.
    """
    found: list[tuple[str, Path]] = []
    for text in given:
        kind, equals, name = text.partition("=")
        if kind not in KINDS or not equals or not name:
            raise UsageError(f"--report {text}: must be one of {', '.join(f'{it}=FILE' for it in KINDS)}")
        if recording is not None and Path(name).resolve() == recording.resolve():
            raise UsageError(f"--report {text}: must not replace the recording")
        if any(Path(name).resolve() == path.resolve() for _, path in found):
            raise UsageError(f"--report {text}: {name} is the file of another report")
        check_writable(Path(name))
        found.append((kind, Path(name)))
    return found


def check_writable(path: Path) -> None:
    """Raise UsageError if a file cannot be written. The content of an existing file is kept."""
    new = not path.exists()
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    if new:
        with contextlib.suppress(OSError):
            path.unlink()


def check_ids(patterns: Sequence[str], gateway: Gateway) -> None:
    """Raise UsageError unless each pattern matches the id of a check of the gateway."""
    from kling_contracts.registry import checks_of

    ids = [check.id for check in checks_of(gateway)]
    for pattern in patterns:
        if not any(fnmatchcase(check_id, pattern) for check_id in ids):
            raise UsageError(
                f"--only {pattern}: unknown check of {gateway.name}{near(pattern, ids)}; "
                "kling-contracts explain lists all"
            )


def near(wanted: str, ids: Sequence[str]) -> str:
    """`; did you mean ...?` with close ids or groups (`refuses.*`) for an unknown one; empty without any."""
    if any(each.startswith(f"{wanted}.") for each in ids):
        return f"; did you mean '{wanted}.*'?"
    known: Collection[str] = ids
    if wanted.endswith(".*"):
        known = dict.fromkeys(f"{each.partition('.')[0]}.*" for each in ids)
    elif not close_names(wanted, ids):
        wanted = wanted.partition(".")[2]  # right name, wrong group
    hint = did_you_mean(wanted, known, otherwise="")
    return f"; {hint}" if hint else ""


def known_in(path: Path | None) -> tuple[Deviation, ...]:
    """Read the known deviations of a file. Raises UsageError."""
    from kling_contracts.verify.known_deviations import BadDeviations, read_deviations

    if path is None:
        return ()
    try:
        known = read_deviations(path, datetime.now(UTC).date())
    except BadDeviations as error:
        raise UsageError(f"--known {error}") from None
    ids = _all_ids()
    for each in known:
        if not any(fnmatchcase(check_id, each.check) for check_id in ids):
            raise UsageError(f"--known {path}: unknown check {each.check!r}{near(each.check, ids)}")
    return known


def _all_ids() -> list[str]:
    """The ids of all checks of all gateways and operations."""
    from kling_contracts.registry import checks_of

    targets = [gateway.focused(each) for gateway in GATEWAYS for each in gateway.operations]
    return list(dict.fromkeys(check.id for target in targets for check in checks_of(target)))


def operation_named(name: str | None, gateway: Gateway) -> Operation | None:
    """An operation of a gateway; None without a name. Raises UsageError, which suggests or lists names."""
    try:
        return None if name is None else gateway.find_operation(name)
    except LookupError as error:
        raise UsageError(f"--operation: {error}") from None


def gateway_named(name: str) -> Gateway:
    return next(gateway for gateway in GATEWAYS if gateway.name == name)
