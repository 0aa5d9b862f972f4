"""Faults of `AccountState`."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kling_mock.plan import NEVER
from kling_mock.stores import AccountKey, AccountState, Key, PeakKey, WindowKey
from tests.kling_mock.stores.faulty.base import Expected, FaultyStore, FaultyTotals, found_by


@found_by("totals_added_up")
class CountsTasksNotImages(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        open_ = self._usage._open.values()
        return replace(state, unfinished=sum(account in (None, each.record.account) for each in open_))


@found_by("success_keeps_units")
class EveryEndReturnsUnits(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        return replace(state, units=state.unfinished * 16)


@found_by("failure_returns_units")
class ForgetsFailures(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        return replace(state, units=sum(new.record.units for new in self.of_account(account)))


@found_by("failure_returns_units")
class FailsOneMillisecondLate(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        late = [
            new.record.units
            for new in self.of_account(account)
            if new.plan.failure and new.plan.ends <= now < new.plan.ends + 0.001
        ]
        return replace(state, units=state.units + sum(late))


@found_by("failure_unobserved")
class ForgetsFailuresOfExpiredTasks(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        failed = [
            new.record.units
            for new in self.of_account(account)
            if new.plan.failure and new.plan.ends < self._expiry(new.record) <= now
        ]
        return replace(state, units=state.units + sum(failed))


@found_by("ended_at_creation")
class UnfinishedAtTheInstantOfCreation(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        new_now = [new for new in self.of_account(account) if new.record.created == now == new.plan.ends]
        return replace(state, unfinished=state.unfinished + len(new_now))


@found_by("counted_poll_ends")
class EveryPollEnds(FaultyTotals):
    """Polls without an instant end a task whose plan counts queries."""

    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        states = (self._tasks[new.record.id] for new in self.of_account(account))
        ended = [
            each for each in states if each.plan.counted and len(each.times) < each.plan.ends <= each.polls
        ]
        return replace(state, unfinished=state.unfinished - len(ended))


@found_by("plan_moves_end")
class EndsByFirstPlan(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        open_ = [new.record.request.n for new in self.of_account(account) if now < new.plan.ends]
        return replace(state, unfinished=sum(open_))


@found_by("outcome_replaced")
class ReturnsUnitsForEver(FaultyTotals):
    """Returned units are not reserved again."""

    least: int = 16

    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        self.least = min(self.least, state.units)
        return replace(state, units=self.least)


@found_by("expired_not_unfinished")
class ExpiredTasksAreUnfinished(FaultyTotals):
    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        held = [n for n in self.of_account(account) if n.plan.ends == NEVER and self.expired(n, now)]
        return replace(state, unfinished=state.unfinished + len(held))


@found_by("totals_of_all")
class TotalsOfAllAreTheNewest(FaultyTotals):
    """The totals of all accounts are those of the account with the newest task."""

    def totals(self, account: str | None, state: AccountState, now: float) -> AccountState:
        if account is not None or not self.made:
            return state
        return self.read_account(AccountKey(self.made[-1].record.account), now)


@found_by("peak_kept")
class PeakFalls(FaultyStore):
    """The peak is the present number of unfinished images."""

    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, PeakKey):
            return value
        return self.read_account(AccountKey(key.account), now).unfinished


@found_by("windows_kept")
class OneWindowForAllKinds(FaultyStore):
    def shown(self, key: Key[Any], value: Any, now: float) -> object:
        if not isinstance(key, WindowKey) or not self._windows:
            return value
        return next(iter(self._windows.values()))


@found_by("windows_kept")
class IgnoresVersionsOfWindows(FaultyStore):
    def compared(self, expect: Expected) -> Expected:
        return tuple(each for each in expect if not isinstance(each.key, WindowKey))
