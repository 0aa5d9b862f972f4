"""Known deviations: failures that the user accepts, each with a reason and an expiry date."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, cast

from kling_contracts.verify.model import Result, Verdict

_FIELDS: Final = ["check", "expires", "reason"]
_EXAMPLE: Final = (
    '[[deviation]]\ncheck = "errors.wrong_method"\nreason = "our router answers 404"\nexpires = 2027-06-30'
)


class BadDeviations(ValueError):
    """A file of known deviations is invalid; the message names the place and shows an example."""


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """`check` is an id or a pattern; after `expires` the failure counts again."""

    check: str
    reason: str
    expires: date
    today: date

    @property
    def expired(self) -> bool:
        return self.today > self.expires

    def covers(self, check_id: str) -> bool:
        return not self.expired and fnmatchcase(check_id, self.check)


def unused(known: Sequence[Deviation], results: Sequence[Result]) -> tuple[Deviation, ...]:
    """Entries that matched no failure: the deviation is gone, or the entry has expired or is misspelt."""
    excused = [result.check.id for result in results if result.verdict is Verdict.KNOWN]
    return tuple(each for each in known if not any(each.covers(check_id) for check_id in excused))


def read_deviations(path: Path, today: date) -> tuple[Deviation, ...]:
    """Read a TOML file of `[[deviation]]` tables. Raises BadDeviations."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDeviations(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadDeviations(f"{path}: {error}") from None
    tables = content.pop("deviation", [])
    if content or not isinstance(tables, list):
        raise BadDeviations(f"{path}: must contain only [[deviation]] tables, such as\n{_EXAMPLE}")
    return tuple(
        _deviation(path, at, table, today) for at, table in enumerate(cast("list[object]", tables), start=1)
    )


def _deviation(path: Path, at: int, table: object, today: date) -> Deviation:
    entry = cast("dict[str, object]", table) if isinstance(table, dict) else {}
    if sorted(entry) != _FIELDS:
        raise BadDeviations(f"{path}: entry {at} must have check, reason and expires, such as\n{_EXAMPLE}")
    check, reason, expires = entry["check"], entry["reason"], entry["expires"]
    if not (isinstance(check, str) and isinstance(reason, str) and reason.strip()):
        raise BadDeviations(
            f"{path}: entry {at}: check and reason must be strings, and reason must not be empty"
        )
    if type(expires) is not date:
        raise BadDeviations(f"{path}: entry {at}: expires must be a date without quotes, such as 2027-06-30")
    return Deviation(check=check, reason=reason, expires=expires, today=today)
