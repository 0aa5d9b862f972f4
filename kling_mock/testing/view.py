"""What a test sees and says: tasks, calls, callbacks and scripts, of one account or of all."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from kling_mock.callbacks.dispatcher import CallbackDispatcher
from kling_mock.callbacks.outbox import Outbox
from kling_mock.control import write_rule
from kling_mock.matching import check_criteria, criteria_of
from kling_mock.records import CallRecord, RuleRecord
from kling_mock.scenario import Script
from kling_mock.settings import Settings
from kling_mock.stores import SCRIPTS, CallsKey, Store, TasksKey, run
from kling_mock.testing.journal import Calls
from kling_mock.testing.task_handle import TaskHandle
from kling_mock.timing.notifier import ChangeNotifier


class NotOneTask(AssertionError):
    """`.task` is for the one task there is; the message lists those there are."""


class FakeView:
    """The view of one account (`fake.account(key)`); a `Fake` is the view of all of them."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        dispatcher: CallbackDispatcher,
        watch: ChangeNotifier,
        account: str | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._dispatcher = dispatcher
        self._notifier = watch
        self.clock = watch.clock
        self._account = account

    @property
    def tasks(self) -> Sequence[TaskHandle]:
        """Every task, oldest first."""
        key = TasksKey(self._account)
        return tuple(
            TaskHandle(each.record, self._store, self._settings, self._notifier)
            for each in self._store.read((key,))[key]
        )

    @property
    def task(self) -> TaskHandle:
        """The only task. Raises NotOneTask, which lists them, if there are none or several."""
        tasks = self.tasks
        if len(tasks) == 1:
            return tasks[0]
        listed = "".join(f"\n  {task!r}" for task in tasks) or " none was created"
        came = "".join(f"\n  {call}" for call in repr(self.calls.refused).splitlines()[1:])
        refused = f"\nrefused were:{came}" if came and not tasks else ""
        raise NotOneTask(f"there is not one task but {len(tasks)}:{listed}{refused}")

    @property
    def calls(self) -> Calls:
        """The journal."""
        return Calls(self._read_calls, self._notifier, self._criteria)

    def _read_calls(self) -> tuple[CallRecord, ...]:
        key = CallsKey(self._account)
        return self._store.read((key,))[key]

    @property
    def callbacks(self) -> Outbox:
        """The outbox."""
        return Outbox(self._store, self._settings, self._account, self._dispatcher)

    @property
    def next(self) -> Script:
        """Script the next create that is accepted; several queue up."""
        return self._script(None)

    @property
    def scripts(self) -> Sequence[RuleRecord]:
        """Every rule that was scripted here, oldest first, used up or not, with the uses that are left."""
        scripts = self._store.read((SCRIPTS,))[SCRIPTS]
        return [
            replace(rule, uses_left=scripts.left(rule))
            for rule in scripts.rules
            if self._account is None or rule.account in (None, self._account)
        ]

    def when(self, **criteria: object) -> Script:
        """Script every create that fits; the newest rule that fits applies.

        Criteria are the fields of the request: `prompt="*cat*"` (texts are globs), `aspect_ratio`, `n`,
        `model_name`, and so on; and `subjects`, the number of subject pictures.
        """
        check_criteria(criteria, self._criteria)
        return self._script(criteria)

    @property
    def _criteria(self) -> Sequence[str]:
        return criteria_of(self._settings.gateways)

    def _script(self, criteria: dict[str, object] | None) -> Script:
        return Script(self._write_rule, self._account, criteria)

    def _write_rule(self, rule: RuleRecord) -> RuleRecord:
        return run(write_rule(rule), self._store)

    def __repr__(self) -> str:
        who = self._account or "all accounts"
        return f"<{type(self).__name__} of {who}: {len(self.tasks)} tasks, {len(self.calls)} calls>"
