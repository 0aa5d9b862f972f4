"""Faults in the state that all accounts share."""

from __future__ import annotations

import itertools
from time import sleep
from time import time as system_time
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from kling_mock.matching import Scripts
from kling_mock.records import (
    ClockRecord,
    RuleRecord,
    RuleUse,
    TokenRecord,
)
from kling_mock.stores import (
    ClockKey,
    Key,
    ScriptsKey,
    Snapshot,
    Ticket,
    TokenKey,
)
from tests.kling_mock.stores.faulty.base import FaultyStore, Records, found_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mock.stores import Store
    from kling_mock.timing.clock import Clock


class FaultyScripts(FaultyStore):
    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self.written: list[RuleRecord] = []

    def after(self, records: Records) -> None:
        self.written += [each for each in records if isinstance(each, RuleRecord)]

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return self.scripts(cast("Scripts", value)) if isinstance(key, ScriptsKey) else value

    def scripts(self, scripts: Scripts) -> Scripts:
        raise NotImplementedError


@found_by("rules_by_number")
class RulesInOrderOfWriting(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        latest = {rule.id: rule for rule in self.written}
        return Scripts(scripts.version, list(latest.values()), scripts.used)


@found_by("rule_replaced")
class AppendsRules(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        return Scripts(scripts.version, sorted(self.written, key=lambda rule: rule.id), scripts.used)


@found_by("rule_dropped")
class KeepsDroppedRules(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(
            replace(each, dropped=False) if isinstance(each, RuleRecord) else each for each in records
        )


@found_by("rule_dropped")
class CountsEveryRecordAsOneUse(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(replace(each, count=1) if isinstance(each, RuleUse) else each for each in records)


@found_by("script_version")
class VersionIsTheNumberOfRules(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        return Scripts(len(scripts.rules), scripts.rules, scripts.used)


@found_by("uses_counted")
class ScriptsWithoutUses(FaultyScripts):
    def scripts(self, scripts: Scripts) -> Scripts:
        return Scripts(scripts.version, scripts.rules, {})


@found_by("tickets_from_zero")
class OneCounter(FaultyStore):
    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self.numbers = itertools.count()

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return next(self.numbers) if isinstance(key, Ticket) else value


@found_by("tickets_never_repeated")
class RepeatsTickets(FaultyStore):
    """Reads the next number first and writes it later."""

    def __init__(self, clock: Clock, *, retention: float, journal_bytes: int) -> None:
        super().__init__(clock, retention=retention, journal_bytes=journal_bytes)
        self.next: dict[Key[Any], int] = {}

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, Ticket):
            return value
        number = self.next.get(key, 0)
        sleep(0)  # let another thread run
        self.next[key] = number + 1
        return number


@found_by("token_written_once")
class LastTokenWins(FaultyStore):
    def after(self, records: Records) -> None:
        self._tokens |= {each.digest: each.expires for each in records if isinstance(each, TokenRecord)}


@found_by("token_outlives_its_life")
class ForgetsExpiredTokens(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return None if isinstance(key, TokenKey) and value is not None and now >= value else value


@found_by("token_past_retention")
class OldTokensRaise(FaultyStore):
    def kept(self, records: Records) -> Records:
        for each in records:
            if isinstance(each, TokenRecord) and each.expires + self._retention < self.clock.now():
                raise IndexError("pop from an empty deque")
        return records


@found_by("clock_follows_record")
class LosesJumps(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        return replace(value, jumps=()) if isinstance(key, ClockKey) else value


@found_by("clock_runs")
class StandsForEver(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(replace(each, speed=0.0) if isinstance(each, ClockRecord) else each for each in records)


@found_by("clock_never_back")
class GoesBack(FaultyStore):
    def present(self, now: float) -> float:
        return self.clock.record.at(system_time())


class OwnCounters:
    """A handle with its own counters, like a fake that counts outside the store."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.clock = store.clock
        self.commit = store.commit
        self.counters: dict[Key[Any], itertools.count[int]] = {}

    def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        snapshot = self.inner.read(keys)
        values = {key: snapshot[key] for key in keys}
        for key in keys:
            if isinstance(key, Ticket):
                values[key] = next(self.counters.setdefault(key, itertools.count()))
        return Snapshot(snapshot.now, values)
