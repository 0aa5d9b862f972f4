"""The view of a fake for tests: tasks, calls, callbacks and scripts, of one account or of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from kling_contracts.gateways import Gateway
from kling_mock.callbacks.dispatcher import CallbackDispatcher
from kling_mock.callbacks.outbox import Outbox
from kling_mock.control import NewRule, change_rules, write_rule
from kling_mock.matching import Scripts
from kling_mock.records import CallRecord, RuleRecord, TaskState
from kling_mock.scripts.written_scripts import WrittenScripts
from kling_mock.settings import Settings
from kling_mock.stores import SCRIPTS, AccountKey, CallsKey, PeakKey, Store, TaskKey, TasksKey, run
from kling_mock.testing.base_view import View
from kling_mock.testing.next_event import NextEvent, next_event
from kling_mock.testing.payments import Payment, payments
from kling_mock.testing.stored_task import StoredTask
from kling_mock.testing.task_handle import TaskHandle
from kling_mock.timing.clock import Clock
from kling_mock.timing.notifier import ChangeNotifier

HOW_TO_SET: Final = (
    "use fake.change_settings(pace='held', ...) for later requests, or @pytest.mark.kling(pace='held', ...) "
    "or Fake(pace='held', ...), which also accept a clock"
)

_SETTINGS: Final = frozenset(each.name for each in fields(Settings))


class FakeView(View):
    """The view of one account (`fake.account(key)`); a `Fake` is the view of all accounts."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts of a fake that its views share
        self,
        store: Store,
        settings: Settings,
        dispatcher: CallbackDispatcher,
        notifier: ChangeNotifier,
        account: str | None = None,
        written: WrittenScripts | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._dispatcher = dispatcher
        self._notifier = self._changes = notifier
        self._account = account
        self._written = WrittenScripts() if written is None else written

    if not TYPE_CHECKING:  # type checkers report the assignment themselves

        def __setattr__(self, name: str, value: object) -> None:
            """Raise AttributeError for an assignment without effect, such as `kling.pace = "held"`."""
            if name in {"clock", "settings"} or name in _SETTINGS:
                raise AttributeError(f"{name} cannot be assigned: {HOW_TO_SET}", name=name, obj=self)
            super().__setattr__(name, value)

    @property
    def clock(self) -> Clock:
        """The clock of the fake."""
        return self._changes.clock

    @property
    def settings(self) -> Settings:
        """The settings of the fake."""
        return self._settings

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """The gateways that the fake imitates."""
        return self._settings.gateways

    @property
    def tasks(self) -> Sequence[TaskHandle]:
        tasks, _ = self.read_tasks()
        return tuple([self._handle(task) for task in tasks])

    def read_tasks(self) -> tuple[Sequence[TaskState], float]:
        """The records of all tasks, oldest first, and the present in Unix seconds: all at one instant."""
        key = TasksKey(self._account)
        snapshot = self._store.read((key,))
        return snapshot[key], snapshot.now

    def read_states(self, ids: Iterable[str]) -> tuple[Mapping[str, TaskState], float]:
        """The records of these tasks, of any account, by id, and the present: all at one instant."""
        keys = [TaskKey(each) for each in ids]
        snapshot = self._store.read(keys)
        found = [state for key in keys if (state := snapshot[key]) is not None]
        return {state.record.id: state for state in found}, snapshot.now

    def _handle(self, task: TaskState) -> StoredTask:
        return StoredTask(task.record, self._store, self._settings, self._changes, self._written)

    def find_task(self, task_id: str) -> TaskHandle | None:
        key = TaskKey(task_id)
        state = self._store.read((key,))[key]
        if state is None or self._account not in (None, state.record.account):
            return None
        return self._handle(state)

    def skip(self) -> NextEvent | None:
        event = self.next_event
        if event is not None:
            now = self.clock.now()
            ahead = max(event.at - now, 0.0)
            # The clock rounds to the microsecond; the event must not be missed by that.
            self.clock.advance(ahead if round(now + ahead, 6) >= event.at else ahead + 1e-6)
        return event

    @property
    def next_event(self) -> NextEvent | None:
        return next_event(self._store, self._settings, self._account)

    def _read_calls(self) -> tuple[CallRecord, ...]:
        key = CallsKey(self._account)
        return self._store.read((key,))[key]

    def reset(self) -> None:
        """Drop the tasks, calls and scripts of this view; clock and settings stay.

        Raises TypeError for a store that cannot.
        """
        clear: object = getattr(self._store, "clear", None)
        if not callable(clear):
            raise TypeError(
                f"reset(): the store {type(self._store).__name__} has no clear(); make a new Fake"
            )
        self._written.forget(self._account)
        clear(self._account)

    # -- money

    @property
    def spend(self) -> int:
        key = AccountKey(self._account)
        return self._store.read((key,))[key].units

    @property
    def peak_concurrency(self) -> int:
        key = PeakKey(self._account)
        return self._store.read((key,))[key]

    def _payments(self) -> Sequence[Payment]:
        return payments(*self.read_tasks())

    # -- callbacks and scripts

    @property
    def callbacks(self) -> Outbox:
        """The outbox."""
        return Outbox(self._store, self._settings, self._account, self._dispatcher)

    @property
    def scripts(self) -> Sequence[RuleRecord]:
        scripts = self.read_scripts()
        return [
            scripts.present(rule)
            for rule in scripts.rules
            if self._account is None or rule.account in (None, self._account)
        ]

    def read_scripts(self) -> Scripts:
        """The scripts of all accounts with their uses, and a version that each change of a script changes."""
        return self._store.read((SCRIPTS,))[SCRIPTS]

    @property
    def script_uses(self) -> Mapping[int, int]:
        scripts = self.read_scripts()
        return {rule.id: scripts.used.get(rule.id, 0) for rule in scripts.rules}

    def add_script(self, rule: RuleRecord) -> RuleRecord:
        return self.change_scripts(add=[NewRule(rule)])[0]

    def change_scripts(
        self, *, drop: Sequence[int] = (), add: Sequence[NewRule] = ()
    ) -> Sequence[RuleRecord]:
        """Drop rules by number and add others, in one change; returns the added ones with their numbers.

        A rule that replaces another one has its uses. Raises LookupError for the number of no rule.
        """
        added = run(change_rules(drop, add), self._store)
        for number in (*drop, *[each.replaces for each in add if each.replaces is not None]):
            self._written.remove_rule(number)
        for rule in added:
            self._written.put(rule.id, rule)
        return added

    def write_script(self, rule: RuleRecord) -> RuleRecord:
        """Write a rule that `check()` does not report if it stays unused, and return it with its number."""
        return self._write_rule(rule)

    def remove_script(self, number: int) -> None:
        """Remove the rule with this number, so that it applies to no request. Raises LookupError."""
        if all(each.id != number for each in self.scripts):
            raise LookupError(f"script {number}: does not exist")
        self.change_scripts(drop=[number])

    def _write_rule(self, rule: RuleRecord) -> RuleRecord:
        return run(write_rule(rule), self._store)
