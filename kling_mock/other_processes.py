"""The other processes with the same state: what their changes cause in this one, while it runs a server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kling_mock.callbacks.dispatcher import CallbackDispatcher
from kling_mock.records import CallRecord
from kling_mock.stores import StateNotKept
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    from kling_mock.stores.redis.store import RedisStore


class OtherProcesses:
    """Wakes waiting assertions, callbacks and the feed of events for the changes of other processes.

    `report` receives the exceptions of listeners.
    """

    def __init__(
        self,
        dispatcher: CallbackDispatcher,
        notifier: ChangeNotifier,
        report: Callable[[BaseException], None],
    ) -> None:
        self.listeners: list[Callable[[CallRecord], None]] = []
        # Called when all state may have been replaced.
        self.reset_listeners: list[Callable[[], None]] = []
        self._dispatcher = dispatcher
        self._notifier = notifier
        self._report = report

    async def follow(self, store: RedisStore, send: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Follow the changes, and run `send`, which delivers callbacks, until cancelled."""
        import asyncio

        from kling_mock.stores.redis.follower import Follower

        in_loop = store.in_loop()
        follower = Follower(in_loop, self)
        try:
            with suppress(StateNotKept):  # then `run` starts again
                await follower.start()  # before `send` reads all tasks, so that no change is missed
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.run())
                group.create_task(send())
        finally:
            await in_loop.close()

    # -- the changes

    def on_call(self, call: CallRecord) -> None:
        for listener in self.listeners:
            self._reported(listener, call)
        self._reported(self._notify, call)  # the last, as for the calls of this process

    def on_task(self, task_id: str) -> None:
        self._reported(self._notifier.notify, task_id)

    def on_clock(self) -> None:
        self._reported(self._notifier.clock.now)  # reads the new settings
        self._reported(self._notifier.clock.announce)

    def on_reset(self) -> None:
        self._reported(self._dispatcher.begin_again)
        self._reported(self._notifier.clock.announce)
        for listener in self.reset_listeners:
            self._reported(listener)

    def on_period(self) -> None:
        self._reported(self._dispatcher.retry_leased)

    def _notify(self, call: CallRecord) -> None:
        self._notifier.notify(call.task_id, has_callbacks=self._dispatcher.concerns(call))

    def _reported(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            function(*arguments)
        except StateNotKept:  # requests report it
            pass
        except Exception as problem:  # noqa: BLE001 -- the next change is followed nevertheless
            self._report(problem)
