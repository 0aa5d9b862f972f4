"""Limits of an account, and of all accounts together: rates, units and concurrency. Pure.

A limit is checked against the totals in a snapshot; the precondition of the commit is the version of those
totals, so limits are exact with any number of threads or processes. A refused request reserves nothing.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Final, NamedTuple

from kling_contracts.gateways import RefusalReason
from kling_mock.commands import Command, Create, Query
from kling_mock.http import Headers
from kling_mock.rate import Rate
from kling_mock.records import Record
from kling_mock.settings import Settings
from kling_mock.stores import AccountKey, Expect, Key, Snapshot, WindowKey

CREATES: Final = "create"
QUERIES: Final = "query"


class Shortage(NamedTuple):
    """A request exceeds a limit: the reason of the refusal, the setting of the limit, response headers."""

    reason: RefusalReason
    setting: str
    headers: Headers = ()


class Reservation(NamedTuple):
    """The preconditions and records with which an accepted request uses limits."""

    expect: tuple[Expect, ...] = ()
    records: tuple[Record, ...] = ()


NOTHING: Final = Reservation()


def limit_keys(command: Command, settings: Settings) -> tuple[Key[Any], ...]:
    """The store keys of the limits that apply to a command, besides its own keys."""
    if type(command) is Query:
        if settings.poll_rate is None and settings.poll_rate_total is None:
            return ()
        return _window_keys(command, settings)
    if not isinstance(command, Create):
        return ()
    totals = (AccountKey(None),) if _limits_total(settings) else ()
    if settings.rate is None and settings.rate_total is None:
        return totals
    return (*_window_keys(command, settings), *totals)


def reserve(snapshot: Snapshot, command: Create | Query, settings: Settings) -> Shortage | Reservation:
    """The reservation of an accepted request, or the first exceeded limit: rate, units, concurrency."""
    if isinstance(command, Create) and not _limits_creates(settings):
        return NOTHING
    expect: list[Expect] = []
    records: list[Record] = []
    for setting, rate, key in _windows(command, settings):
        window = snapshot[key]
        wait = rate.wait(window, snapshot.now)
        if wait is not None:
            return Shortage(RefusalReason.TOO_MANY, setting, _retry_after(wait, snapshot.now, settings))
        expect.append(Expect(key, 0 if window is None else window.version))
        records.append(rate.used(window, snapshot.now, key.account, key.kind))
    if isinstance(command, Create):
        shortage = _units(snapshot, command, settings) or _slots(snapshot, command, settings)
        if shortage is not None:
            return shortage
        if _limits_total(settings):
            expect.append(Expect(AccountKey(None), snapshot[AccountKey(None)].created))
    return Reservation(tuple(expect), tuple(records))


def _limits_creates(settings: Settings) -> bool:
    return not (
        settings.slots is None
        and settings.balance is None
        and settings.credit is None
        and settings.rate is None
        and settings.rate_total is None
        and settings.slots_total is None
        and settings.balance_total is None
        and not settings.packs
    )


def _limits_total(settings: Settings) -> bool:
    return settings.slots_total is not None or settings.balance_total is not None


def _window_keys(command: Create | Query, settings: Settings) -> tuple[WindowKey, ...]:
    return tuple([key for _, _, key in _windows(command, settings)])


def _windows(command: Create | Query, settings: Settings) -> list[tuple[str, Rate, WindowKey]]:
    """The rates that apply to a request: the setting, the rate and the key of its window."""
    if isinstance(command, Create):
        own, total, name, kind = settings.rate, settings.rate_total, "rate", CREATES
    else:
        own, total, name, kind = settings.poll_rate, settings.poll_rate_total, "poll_rate", QUERIES
    found: list[tuple[str, Rate, WindowKey]] = []
    if own is not None:
        found.append((name, own, WindowKey(command.account, kind)))
    if total is not None:
        found.append((f"{name}_total", total, WindowKey(None, kind)))
    return found


def _units(snapshot: Snapshot, command: Create, settings: Settings) -> Shortage | None:
    allowed = settings.units_allowed
    if allowed is not None and snapshot[AccountKey(command.account)].units + command.units > allowed:
        if settings.credit is not None:
            return Shortage(RefusalReason.IN_ARREARS, "credit")
        return Shortage(RefusalReason.NO_BALANCE, "packs" if settings.packs else "balance")
    total = settings.balance_total
    if total is not None and snapshot[AccountKey(None)].units + command.units > total:
        return Shortage(RefusalReason.NO_BALANCE, "balance_total")
    return None


def _slots(snapshot: Snapshot, command: Create, settings: Settings) -> Shortage | None:
    scopes = (("slots", command.account, settings.slots), ("slots_total", None, settings.slots_total))
    for setting, account, slots in scopes:
        if slots is not None and snapshot[AccountKey(account)].unfinished + command.request.n > slots:
            return Shortage(RefusalReason.NO_SLOTS, setting)
    return None


def _retry_after(wait: float, now: float, settings: Settings) -> Headers:
    """The header Retry-After. Its date is by the fake's clock, as is the date of the reply."""
    match settings.retry_after:
        case "off":
            return ()
        case "seconds":
            return (("retry-after", str(ceil(wait))),)
        case "date":
            from email.utils import formatdate  # it loads a dozen modules

            dates = (formatdate(ceil(now + wait), usegmt=True), formatdate(int(now), usegmt=True))
            return (("retry-after", dates[0]), ("date", dates[1]))


class Pack(NamedTuple):
    """A resource pack: its size, and the units left in it."""

    size: int
    left: int


def packs_of(settings: Settings, spent: int) -> list[Pack]:
    """The resource packs of an account that has spent this number of units: the first is used up first."""
    sizes = settings.packs if settings.balance is None else (*settings.packs, settings.balance)
    packs: list[Pack] = []
    for size in sizes:
        used = min(size, spent)
        spent -= used
        packs.append(Pack(size, size - used))
    return packs
