"""What a test sees and says: tasks, calls, callbacks and scripts, of one account or of all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from kling_mock.courier import Courier
from kling_mock.handles import TaskHandle
from kling_mock.journal import Calls
from kling_mock.outbox import Outbox
from kling_mock.records import CallRecord, RuleRecord
from kling_mock.scenario import Script
from kling_mock.settings import Settings
from kling_mock.stores import Store
from kling_mock.waiting import Watch


class NotOneTask(AssertionError):
    """`.task` is for the one task there is; the message lists those there are."""


class View:
    """The view of one account (`fake.account(key)`); a `Fake` is the view of all of them."""

    def __init__(  # noqa: PLR0913, PLR0917 -- all that the views of one fake share
        self,
        store: Store,
        settings: Settings,
        courier: Courier,
        watch: Watch,
        numbers: itertools.count[int],
        account: str | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._courier = courier
        self._watch = watch
        self.clock = watch.clock
        self._numbers = numbers
        self._account = account

    @property
    def tasks(self) -> Sequence[TaskHandle]:
        """Every task, oldest first."""
        records = self._store.tasks(self._account)
        return tuple(TaskHandle(record, self._store, self._settings, self._watch) for record in records)

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
        return Calls(self._read_calls, self._watch)

    def _read_calls(self) -> Sequence[CallRecord]:
        calls = self._store.calls()
        return calls if self._account is None else [call for call in calls if call.account == self._account]

    @property
    def callbacks(self) -> Outbox:
        """The outbox."""
        return Outbox(self._store, self._settings, self._account, self._courier)

    @property
    def next(self) -> Script:
        """Script the next create that is accepted; several queue up."""
        return self._script(None)

    @property
    def scripts(self) -> Sequence[RuleRecord]:
        """Every rule that was scripted here, oldest first, used up or not."""
        rules = (*self._store.spent_rules(), *self._store.rules())
        mine = [rule for rule in rules if self._account is None or rule.account in (None, self._account)]
        return sorted(mine, key=lambda rule: rule.id)

    def when(self, **criteria: object) -> Script:
        """Script every create that fits; the newest rule that fits applies.

        Criteria: `prompt="*cat*"` (texts are globs), `aspect_ratio`, `n`, `model_name`, `subjects` (their
        number), `callback_url`, `external_task_id`.
        """
        return self._script(criteria)

    def _script(self, criteria: dict[str, object] | None) -> Script:
        return Script(self._write_rule, self._numbers, self._account, criteria)

    def _write_rule(self, rule: RuleRecord) -> None:
        self._store.commit((rule,))

    def __repr__(self) -> str:
        who = self._account or "all accounts"
        return f"<{type(self).__name__} of {who}: {len(self.tasks)} tasks, {len(self.calls)} calls>"
