"""The other processes with the same state: what their changes cause in this one, while it runs a server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from kling_mock.callbacks.dispatcher import CallbackDispatcher
from kling_mock.records import CallRecord
from kling_mock.stores import StateNotKept
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    from kling_mock.stores.redis.follower import Follower
    from kling_mock.stores.redis.store import RedisStore

Listener = Callable[[CallRecord], None]


def _always() -> bool:
    return True


class OtherProcesses:
    """Wakes waiting assertions, callbacks and the feed of events for the changes of other processes.

    Their calls are read only while a listener wants them or an assertion waits. `report` receives the
    exceptions of listeners.
    """

    def __init__(
        self,
        dispatcher: CallbackDispatcher,
        notifier: ChangeNotifier,
        report: Callable[[BaseException], None],
    ) -> None:
        self._listeners: list[tuple[Listener, Callable[[], bool]]] = []
        # Called when all state may have been replaced.
        self.reset_listeners: list[Callable[[], None]] = []
        self._dispatcher = dispatcher
        self._notifier = notifier
        self._report = report
        self._followers: list[Follower] = []
        notifier.on_wait = self.resume

    def listen(self, listener: Listener, wanted: Callable[[], bool] = _always) -> None:
        """Call `listener` with the calls of the others while `wanted()`; if it is again, call `resume`."""
        self._listeners.append((listener, wanted))
        self.resume()

    def resume(self) -> bool:
        """Read the calls from now on. Returns whether they were not read until now."""
        begun = [follower.need_calls() for follower in self._followers]
        return any(begun)

    def following(
        self, store: RedisStore, send: Callable[[], Coroutine[Any, Any, None]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        """A coroutine function that follows the changes after this call, and runs `send` for callbacks.

        It runs until cancelled.
        """
        from kling_mock.stores.redis.follower import Follower

        follower = Follower(store, self)
        self._followers.append(follower)  # before it runs, so that a listener misses no call meanwhile
        return partial(self._follow, store, follower, send)

    async def _follow(
        self, store: RedisStore, follower: Follower, send: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        import asyncio

        if follower not in self._followers:  # it has run before
            self._followers.append(follower)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.run())
                group.create_task(send())
        finally:
            self._followers.remove(follower)
            await store.in_loop().close()

    # -- the changes

    def wants_calls(self) -> bool:
        return self._notifier.is_waiting or any(wanted() for _, wanted in self._listeners)

    def on_call(self, call: CallRecord) -> None:
        for listener, _ in self._listeners:
            self._reported(listener, call)
        # The last, as for the calls of this process.
        self._reported(partial(self._notifier.notify, call.task_id, has_callbacks=False))

    def on_callback(self, task_id: str, *, created: bool) -> None:
        self._reported(partial(self._dispatcher.settle_other, task_id, created=created))

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

    def _reported(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            function(*arguments)
        except StateNotKept:  # requests report it
            pass
        except Exception as problem:  # noqa: BLE001 -- the next change is followed nevertheless
            self._report(problem)
