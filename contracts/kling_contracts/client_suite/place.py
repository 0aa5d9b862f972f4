"""Where the items of one suite meet the client: one address and one event loop, kept from item to item."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, Self

from kling_contracts.client_suite.connections import Connections
from kling_contracts.client_suite.stand_in import Received, Reply, StandIn
from kling_contracts.client_suite.virtual_time import SILENCE, VirtualTime


class Place:
    """A stand-in and an event loop, both open until `close`.

    Clients that live as long as a program keep their base URL, their connections and their loop; so the
    suite does as well.
    """

    def __init__(self) -> None:
        self.clock = VirtualTime(self._is_quiet, self.interrupt)
        # How many requests had come when a call was interrupted; None where it was not.
        self.stopped: int | None = None
        self.connections = Connections(self._is_awaited)
        self.stand_in = self._new_stand_in()
        self._listens = False
        self._runner: asyncio.Runner | None = None
        self._selector: _JumpingSelector | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both. They open again where they are wanted again."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()
        if self._listens:
            self.stand_in.__exit__()
            self.stand_in, self._listens = self._new_stand_in(), False

    def interrupt(self) -> None:
        """Take note of what had been sent when a call is interrupted."""
        self.stand_in.settle()
        self.stopped = len(self.stand_in.requests)

    def open_stand_in(self, answer: Callable[[Received], Reply], now: Callable[[], float]) -> StandIn:
        """The stand-in, with nothing left of what it was used for before."""
        if not self._listens:
            self.stand_in.__enter__()
            self._listens = True
        self.stand_in.begin(answer, now)
        return self.stand_in

    def run(self, work: Coroutine[Any, Any, object]) -> object:
        """What a coroutine returns, in the loop of this place."""
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=self._loop)
        try:
            return self._runner.run(work)
        except BaseException:
            if self.clock.overdue:  # the loop was left in the middle of something
                runner, self._runner = self._runner, None
                runner.close()
            raise

    def _new_stand_in(self) -> StandIn:
        return StandIn(lambda _: Reply(), self.connections.patience)

    def _loop(self) -> asyncio.AbstractEventLoop:
        self._selector = _JumpingSelector(self.clock)
        return asyncio.SelectorEventLoop(self._selector)

    def _is_awaited(self, number: int) -> bool:
        """Whether our loop, in virtual time, waits for a socket."""
        awaited = self._selector.get_map() if self._selector and self.clock.active else None
        return awaited is not None and number in awaited  # None: the loop is closed

    def _is_quiet(self) -> bool:
        """Whether nothing is under way between the client and the stand-in."""
        return not self._listens or self.stand_in.is_idle()


class _JumpingSelector(selectors.DefaultSelector):
    """Lets virtual time pass where a loop has nothing to do but wait for a timer.

    So timeouts and timers take no time either, however a client came to them.
    """

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        clock = self._clock
        if timeout is None or timeout <= 0 or not clock.active:
            return super().select(timeout)
        until, silent_since = time.perf_counter() + timeout, time.perf_counter()
        while True:
            quiet = clock.is_quiet()
            ready = super().select(0)
            now = time.perf_counter()
            if ready or now >= until:
                return ready
            if not quiet:
                silent_since = now
            elif not clock.companions() or now - silent_since > SILENCE:
                clock.pass_by(timeout)
                return []
            if ready := super().select(0.001):
                return ready
