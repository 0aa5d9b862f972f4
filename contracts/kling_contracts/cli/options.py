"""Flags that several commands share, and what is wrong with them before anything is sent."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.operations import Operation

if TYPE_CHECKING:
    from kling_contracts.verify.known_deviations import Deviation

KINDS: Final = ("json", "junit", "html")


class UsageError(Exception):
    """What the user gave makes no sense. The text says what, and the way out."""


def add_reports(parser: argparse.ArgumentParser) -> None:
    """The flags that say what is judged and where the reports go."""
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="ID",
        help="checks by id or pattern (refuses.*)",
    )
    parser.add_argument(
        "--require", choices=["all"], help="all: what could not be seen, for whatever reason, gives status 4"
    )
    parser.add_argument(
        "--known", type=Path, metavar="FILE", help="TOML file of known deviations, which do not fail"
    )
    parser.add_argument(
        "--report",
        action="append",
        default=[],
        metavar="KIND=FILE",
        help="write a report as well: json=FILE, junit=FILE or html=FILE",
    )
    parser.add_argument(
        "--json", action="store_true", help="the JSON report on stdout, instead of the summary"
    )


def reports_in(given: Iterable[str], recording: Path | None = None) -> list[tuple[str, Path]]:
    """Kinds and files of the reports. Raises UsageError, also where a file cannot be written.

    `recording` is a file that no report may replace.
    """
    found: list[tuple[str, Path]] = []
    for text in given:
        kind, equals, name = text.partition("=")
        if kind not in KINDS or not equals or not name:
            raise UsageError(f"--report {text}: it is one of {', '.join(f'{it}=FILE' for it in KINDS)}")
        if recording is not None and Path(name).resolve() == recording.resolve():
            raise UsageError(f"--report {text}: the recording is there")
        if any(Path(name).resolve() == path.resolve() for _, path in found):
            raise UsageError(f"--report {text}: {name} is to hold another report already")
        check_writable(Path(name))
        found.append((kind, Path(name)))
    return found


def check_writable(path: Path) -> None:
    """Raise UsageError if a file cannot be written. One that is there stays as it is."""
    new = not path.exists()
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    if new:
        with contextlib.suppress(OSError):
            path.unlink()


def check_ids(patterns: Sequence[str], gateway: Gateway) -> None:
    """Raise UsageError for what is no id of a check and no pattern that fits one."""
    from kling_contracts.registry import checks_of

    ids = [check.id for check in checks_of(gateway)]
    for pattern in patterns:
        if not any(fnmatchcase(check_id, pattern) for check_id in ids):
            raise UsageError(
                f"--only {pattern}: no check of {gateway.name} is called so{near(pattern, ids)}; "
                "kling-contracts explain lists all"
            )


def near(wanted: str, ids: Sequence[str]) -> str:
    """What somebody may have meant, as the end of a sentence."""
    if wanted.endswith(".*"):
        groups = sorted({each.partition(".")[0] for each in ids})
        close = [f"{group}.*" for group in get_close_matches(wanted[:-2], groups, n=1)]
        return f"; did you mean {close[0]}?" if close else ""
    close = get_close_matches(wanted, ids, n=3, cutoff=0.5)
    close = (
        close or [each for each in ids if wanted.partition(".")[2] and wanted.partition(".")[2] in each][:3]
    )
    return f"; did you mean {' or '.join(close)}?" if close else ""


def known_in(path: Path | None) -> tuple[Deviation, ...]:
    """The known deviations of a file. Raises UsageError."""
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
            raise UsageError(f"--known {path}: no check is called {each.check}{near(each.check, ids)}")
    return known


def _all_ids() -> list[str]:
    """The ids of all checks: a file of deviations may be for several gateways and operations."""
    from kling_contracts.registry import checks_of

    targets = [gateway.focused(each) for gateway in GATEWAYS for each in gateway.operations]
    return list(dict.fromkeys(check.id for target in targets for check in checks_of(target)))


def operation_named(name: str | None, gateway: Gateway) -> Operation | None:
    """An operation of a gateway, None for its main one. Raises UsageError that lists them."""
    try:
        return None if name is None else gateway.find_operation(name)
    except LookupError as error:
        raise UsageError(f"--operation: {error}") from None


def gateway_named(name: str) -> Gateway:
    return next(gateway for gateway in GATEWAYS if gateway.name == name)
