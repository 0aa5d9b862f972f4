"""Faults of reading and committing."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from kling_mock.records import (
    CallRecord,
    ClockRecord,
    NewTask,
    PlanRecord,
    PollRecord,
)
from kling_mock.stores import (
    AccountKey,
    AttemptsKey,
    Change,
    Expect,
    Key,
    Snapshot,
)
from tests.kling_mock.stores.faulty.base import Expected, FaultyStore, Records, found_by

if TYPE_CHECKING:
    from collections.abc import Sequence


@found_by("empty_store")
class UnknownAccountRaises(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if isinstance(key, AccountKey) and not self.of_account(key.account):
            raise KeyError(key.account)
        return value


@found_by("empty_store")
class NothingIsVersionZero(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(replace(each, version=each.version or 0) for each in expect)


@found_by("present_in_every_read")
class StalePresent(FaultyStore):
    """`now` is always that of the first read."""

    first: float | None = None

    def present(self, now: float) -> float:
        self.first = self.first or now - 1
        return self.first


@found_by("change_written_whole")
class LosesWrite(FaultyStore):
    def kept(self, records: Records) -> Records:
        return records[:-2] + records[-1:] if len(records) > 5 else records


@found_by("change_written_whole")
class LosesJournal(FaultyStore):
    def kept(self, records: Records) -> Records:
        return tuple(each for each in records if len(records) == 1 or not isinstance(each, CallRecord))


@found_by("change_refused_whole")
class WritesBeforeComparing(FaultyStore):
    """The first record is written before the last precondition is compared."""

    def commit(self, change: Change) -> Expect | None:
        *first, last = change.expect or (Expect(AccountKey("absent"), 0),)
        failed = super().commit(Change(tuple(first), change.records[:1]))
        return failed or super().commit(Change((last,), change.records[1:]))


@found_by("failed_precondition_named")
class NamesLastPrecondition(FaultyStore):
    def commit(self, change: Change) -> Expect | None:
        return None if super().commit(change) is None else change.expect[-1]


@found_by("versions_compared")
class IgnoresAttempts(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(each for each in expect if not isinstance(each.key, AttemptsKey))


@found_by("versions_compared")
class NoneIsAnyVersion(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(each for each in expect if each.version is not None)


@found_by("versions_compared")
class OldVersionsHold(FaultyStore):
    """Accepts earlier versions of an account as its present one."""

    def compared(self, expect: Expected) -> Expected:
        return tuple(
            each
            for each in expect
            if not isinstance(each.key, AccountKey)
            or each.version is None
            or each.version > len(self.of_account(each.key.account))
        )


@found_by("stale_decision_refused")
class PlansAlwaysWritten(FaultyStore):
    def commit(self, change: Change) -> Expect | None:
        plans = [each for each in change.records if isinstance(each, PlanRecord)]
        return super().commit(Change(() if plans else change.expect, change.records))


class RacyStore(FaultyStore):
    """Compares first and writes later."""

    racing: ClassVar[type[Any]]

    def commit(self, change: Change) -> Expect | None:
        if not any(isinstance(each, self.racing) for each in change.records):
            return super().commit(change)
        failed = super().commit(Change(change.expect, ()))
        sleep(0)  # let another thread run
        return failed or super().commit(Change((), change.records))


@found_by("parallel_polls_counted")
class RacyPolls(RacyStore):
    racing = PollRecord


@found_by("parallel_creates_numbered")
class RacyCreates(RacyStore):
    racing = NewTask


@found_by("external_id_taken_once")
class RacyExternalIds(RacyStore):
    racing = NewTask


@found_by("parallel_advances_added")
class RacyClock(RacyStore):
    racing = ClockRecord


@found_by("parallel_snapshots_consistent")
class TornSnapshot(FaultyStore):
    def read(self, keys: Sequence[Key[Any]]) -> Snapshot:
        values: dict[Key[Any], object] = {}
        for key in keys:
            values[key] = super().read((key,))[key]
            sleep(0)  # let another thread run
        return Snapshot(self.clock.now(), values)


@found_by("parallel_snapshots_consistent")
class ChangeSeenInParts(FaultyStore):
    def commit(self, change: Change) -> Expect | None:
        *parts, last = ((each,) for each in change.records)
        failed = super().commit(Change(change.expect, ()))
        for part in parts if failed is None else ():
            super().commit(Change((), part))
            sleep(0)  # let another thread run
        return failed or super().commit(Change((), last))
