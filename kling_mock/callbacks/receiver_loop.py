"""An event loop in a thread of its own, on which asynchronous receivers run.

A receiver is called while the fake answers, often inside the event loop of the test, which stands still
meanwhile. So an asynchronous receiver needs another loop. It is kept from callback to callback: connections,
locks and the lifespan of an application are bound to it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final

from kling_contracts.virtual_time.threads import RealTimeThread
from kling_mock.callbacks.policy import ANSWER_SECONDS

Close = Callable[[], Awaitable[None]]

CLOSE_SECONDS: Final = 10.0
_IN_TIME: Final = (
    "The receiver runs in a thread of its own: it must not wait for the thread that called the fake, "
    "nor for objects of the test's event loop"
)


class ReceiverLoop:
    """Runs coroutines on one event loop; its thread starts with the first one and ends with `stop`.

    `close` runs on the loop before it ends. Without `stop`, the loop ends when this object is collected. In
    `real_time`, a test that skips sleeping does not skip the timeouts of the loop.
    """

    def __init__(self, close: Close | None = None, *, real_time: bool = False) -> None:
        self._close = close
        self._real_time = real_time
        self._running: _Running | None = None

    def run(self, coroutine: Coroutine[Any, Any, object], seconds: float | None = None) -> object:
        """The result of a coroutine. Raises its exception; TimeoutError after a time.

        `seconds` of real time, by default ANSWER_SECONDS.
        """
        if self._running is None:
            self._running = _Running(self._close, self._real_time)
            weakref.finalize(self, self._running.end)
        return wait_for(self._running.submit(coroutine), seconds)

    def stop(self) -> None:
        """Run `close` and end the loop. Raises the exception of `close`."""
        running, self._running = self._running, None
        if running is not None:
            running.end()
            running.join()


class _Running:
    """A running loop and its thread. It has no reference to its ReceiverLoop, which may be collected."""

    def __init__(self, close: Close | None, real_time: bool) -> None:  # noqa: FBT001 -- private
        self._close = close
        self._problem: BaseException | None = None
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        # A daemon: a receiver that hangs must not keep the process alive.
        kind = RealTimeThread if real_time else threading.Thread
        self._thread = kind(target=self._work, name="kling-mock receiver", daemon=True)
        self._thread.start()
        self._loop, self._ended = self._ready.result()

    def submit(self, coroutine: Coroutine[Any, Any, object]) -> Future[_Outcome]:
        return asyncio.run_coroutine_threadsafe(_outcome(coroutine), self._loop)

    def end(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    def join(self) -> None:
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_SECONDS)
        if self._problem is not None:
            raise self._problem

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        ended = asyncio.Event()
        self._ready.set_result((asyncio.get_running_loop(), ended))
        await ended.wait()
        if self._close is not None:
            try:
                await self._close()
            except BaseException as problem:  # noqa: BLE001 -- `join` raises it in the caller's thread
                self._problem = problem


# The result of a call, or its exception. An exception in a thread or a task would end those.
_Outcome = tuple[object, BaseException | None]


async def _outcome(coroutine: Awaitable[object]) -> _Outcome:
    try:
        return await coroutine, None
    except BaseException as problem:  # noqa: BLE001 -- raised by `wait_for` in the caller's thread
        return None, problem


def wait_for(future: Future[_Outcome], seconds: float | None = None) -> object:
    """The result of a call in another thread. Raises its exception, or TimeoutError; see `run`."""
    limit = ANSWER_SECONDS if seconds is None else seconds
    try:
        result, problem = future.result(limit)
    except TimeoutError:
        future.cancel()
        raise TimeoutError(f"no answer within {limit:g} s. {_IN_TIME}") from None
    except BaseException:  # the waiting thread was interrupted
        future.cancel()
        raise
    if problem is not None:
        raise problem
    return result


def in_thread(function: Callable[[], object]) -> object:
    """The result of a function that is called in a new thread, where no event loop is running."""
    future: Future[_Outcome] = Future()

    def work() -> None:
        try:
            outcome: _Outcome = function(), None
        except BaseException as problem:  # noqa: BLE001 -- raised by `wait_for` in the caller's thread
            outcome = None, problem
        if future.set_running_or_notify_cancel():
            future.set_result(outcome)

    threading.Thread(target=work, name="kling-mock receiver", daemon=True).start()
    return wait_for(future)


def run_on_trio(coroutine: Coroutine[Any, Any, object]) -> object:
    """The result of a coroutine that runs on an event loop of trio, in a new thread."""
    trio: Any = sys.modules["trio"]

    async def main() -> object:
        return await coroutine

    return in_thread(lambda: trio.run(main))


def loop_here() -> str | None:
    """The library whose event loop is running in this thread: `asyncio`, `trio` or None."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio: Any = sys.modules.get("trio")
        return "trio" if trio is not None and trio.lowlevel.in_trio_run() else None
    return "asyncio"
