"""`Remote`: the API for tests over the control API of a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from msgspec.structs import replace

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.vocabulary import TaskStatus
from kling_mock.auth import account_name
from kling_mock.control_api import call_models, models, parameters, task_models
from kling_mock.documents import read_script, script_document
from kling_mock.records import SWITCHED_OFF, CallRecord, RuleRecord
from kling_mock.remote.callback import RemoteCallback
from kling_mock.remote.clock import RemoteClock
from kling_mock.remote.connection import ControlConnection, RemoteMissing
from kling_mock.remote.records import call_record, task_record
from kling_mock.remote.task import RemoteTask
from kling_mock.saved_state import SavedState
from kling_mock.scripts.written_scripts import WrittenScripts
from kling_mock.settings import annotation_of
from kling_mock.testing.base_view import View
from kling_mock.testing.next_event import NextEvent
from kling_mock.testing.payments import Payment
from kling_mock.testing.unused_scripts import check_scripts
from kling_mock.timing.notifier import check_within

if TYPE_CHECKING:
    import httpx

# The pause between two questions while an assertion waits, in seconds of real time.
PAUSE: Final = 0.02


class RemoteView(View):
    """The view of one account of a server; a `Remote` is the view of all accounts."""

    def __init__(
        self, connection: ControlConnection, account: str | None = None, written: WrittenScripts | None = None
    ) -> None:
        self._connection = connection
        self._account = account
        self._notifier = PollingWaiter()
        self._gateways: tuple[Gateway, ...] | None = None
        self._written = WrittenScripts() if written is None else written

    @property
    def clock(self) -> RemoteClock:
        """The clock of the server, which all of its accounts share."""
        return RemoteClock(self._connection)

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        if self._gateways is None:  # they never change
            shown = self._connection.call("GET", "settings", models.SettingsInfo).settings["gateways"]
            self._gateways = tuple([gateway for gateway in GATEWAYS if gateway.name in shown])
        return self._gateways

    # -- tasks and calls

    def _tasks(self) -> list[task_models.Task]:
        pages = self._connection.pages("tasks", task_models.TaskPage, account=self._account)
        return [task for page in pages for task in page.tasks]

    @property
    def tasks(self) -> Sequence[RemoteTask]:
        return tuple([self._handle(task) for task in self._tasks()])

    def find_task(self, task_id: str) -> RemoteTask | None:
        try:
            task = self._connection.call("GET", f"tasks/{task_id}", task_models.Task)
        except RemoteMissing:
            return None
        return self._handle(task) if self._account in (None, task.account) else None

    def _handle(self, task: task_models.Task) -> RemoteTask:
        return RemoteTask(task, self._connection, self._notifier, self._written)

    def _read_calls(self) -> list[CallRecord]:
        pages = self._connection.pages("calls", call_models.CallPage, account=self._account)
        return [call_record(call) for page in pages for call in page.calls]

    @property
    def next_event(self) -> NextEvent | None:
        """The event to which `skip()` moves the clock: that of any account."""
        event = self.clock.show().next_event
        return None if event is None else NextEvent(event.kind, event.at, event.task_id, event.account)

    def skip(self) -> NextEvent | None:
        event = self.next_event
        if event is not None:
            self.clock.change(parameters.ClockChange(skip=True))
        return event

    def reset(self) -> None:
        """Drop the tasks, calls and scripts of this view; clock and settings stay."""
        self._written.forget(self._account)
        self._connection.call("POST", "reset", models.Done, body=parameters.Reset(self._account))

    # -- money

    def _totals(self) -> models.Account:
        if self._account is None:
            return self._connection.call("GET", "accounts", models.Accounts).total
        return self._connection.call("GET", f"accounts/{self._account}", models.Account)

    @property
    def spend(self) -> int:
        return self._totals().spend

    @property
    def peak_concurrency(self) -> int:
        return self._totals().peak_concurrency

    def _payments(self) -> list[Payment]:
        found = [Payment(task_record(task), TaskStatus(task.status)) for task in self._tasks()]
        return [each for each in found if each.status is not TaskStatus.FAILED]

    # -- callbacks and scripts

    @property
    def callbacks(self) -> Sequence[RemoteCallback]:
        pages = self._connection.pages("callbacks", models.CallbackPage, account=self._account)
        return tuple([RemoteCallback.of(each, self._connection) for page in pages for each in page.callbacks])

    def _scripts(self) -> tuple[models.ScriptInfo, ...]:
        query = {"account": self._account}
        return self._connection.call("GET", "scripts", models.ScriptList, query=query).scripts

    @property
    def scripts(self) -> Sequence[RuleRecord]:
        return [
            replace(
                read_script(each.document, gateways=self.gateways),
                id=each.id,
                uses_left=each.uses_left,
                until=each.until if each.enabled else SWITCHED_OFF,
            )
            for each in self._scripts()
        ]

    @property
    def script_uses(self) -> Mapping[int, int]:
        return {each.id: each.used for each in self._scripts()}

    def remove_script(self, number: int) -> None:
        """Remove the rule with this number, so that it applies to no request. Raises LookupError."""
        self._connection.call("DELETE", f"scripts/{number}", models.Done)
        self._written.remove(number)

    def _write_rule(self, rule: RuleRecord) -> RuleRecord:
        if rule.uses_left == 0:  # a script is withdrawn, because one of its methods has raised
            self.remove_script(rule.id)
            return rule
        document = script_document(rule)
        if rule.id < 0:
            info = self._connection.call("POST", "scripts", models.ScriptInfo, body=document)
        else:
            info = self._connection.call("PUT", f"scripts/{rule.id}", models.ScriptInfo, body=document)
        return replace(rule, id=info.id, until=info.until)

    def check(self) -> None:
        """Raise `UnusedScripts` for scripts of this client that never applied, or have no outcome."""
        unused = check_scripts(self, self._written.take(), "error")
        if unused is not None:
            raise unused

    def forget_scripts(self) -> None:
        """Never report the scripts so far as unused."""
        self._written.take()

    def __repr__(self) -> str:
        account = self._account or "all accounts"
        return f"<{type(self).__name__} of {account} at {self._connection.name}>"


class Remote(RemoteView):
    """A client of the server at `url`, with the vocabulary of `Fake`: tasks, calls, scripts, clock, money.

    `token` is that of `kling-mock serve --control-token`, for a server on another machine. The clock and the
    settings belong to the server, so tests that share it share them; `account(key)` is the view of one key.
    `transport` is one of httpx, for a server in this process. Errors are `RemoteError`.
    """

    def __init__(
        self, url: str, token: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        super().__init__(ControlConnection(url, token, transport))
        self.url = self._connection.url

    def account(self, key: str) -> RemoteView:
        """The same view, restricted to the account of this API key."""
        return RemoteView(self._connection, account_name(key), self._written)

    def change_settings(self, **switches: object) -> None:
        """Change settings of the server for all later requests.

        Raises TypeError for an unknown name, RemoteInvalid for an invalid value or one that cannot change.
        """
        for name in switches:
            annotation_of(name)
        self._connection.call("PATCH", "settings", models.SettingsInfo, body=switches)

    def snapshot(self) -> SavedState:
        """All state of the server at this instant; `Fake.restore` makes a fake of it."""
        return SavedState(self._connection.send("GET", "state"))

    def load_state(self, state: SavedState, *, replace: bool = False) -> None:
        """Let the server take over a state. With `replace` its tasks and scripts are replaced.

        Raises RemoteError (ValueError) if it has some, or for an invalid state; then nothing changes.
        """
        query = {"replace": "true" if replace else "false"}
        self._connection.send("POST", "state", bytes(state), query)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PollingWaiter:
    """Waits by asking the server again and again."""

    def wait(
        self,
        over: Callable[[], bool],
        within: float | None,
        due: Callable[[], float] | None = None,  # noqa: ARG002 -- the server's clock is not read for each pause
    ) -> None:
        """Return once `over()` is true, at the latest after `within` seconds of real time (None: at once)."""
        if within is None:
            return
        check_within(within)
        left, pause = within, threading.Event()
        while left > 0 and not over():
            pause.wait(min(PAUSE, left))  # not time.sleep, which tests replace
            left -= PAUSE
