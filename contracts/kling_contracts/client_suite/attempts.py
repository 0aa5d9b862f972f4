"""One call of an adapter, and all that can be seen of it."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, cast

from kling_contracts.client_suite.adapter import Outcome
from kling_contracts.client_suite.environment import Environment
from kling_contracts.client_suite.replies import PICTURES
from kling_contracts.client_suite.server import Received
from kling_contracts.client_suite.virtual_time import OutOfTime, RealTimeThread

# What is still going on in threads and tasks of the client is watched for so long, in real seconds.
_AFTERMATH: Final = 0.2
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call of the adapter: what it returned or raised, what was sent meanwhile, and how long it took.

    `seconds` are virtual where the client lives in virtual time. `overdue`: the suite ended it,
    `late` counts the requests that came after it, `unstopped` those after it was interrupted, as by Ctrl-C (a
    coroutine: cancelled); None if that did not happen.
    """

    value: object = None
    error: BaseException | None = None
    requests: tuple[Received, ...] = ()
    seconds: float = 0.0
    overdue: bool = False
    late: int = 0
    unstopped: int | None = None

    @property
    def creates(self) -> list[Received]:
        return [request for request in self.requests if request.method == "POST"]

    @property
    def queries(self) -> list[Received]:
        return [each for each in self.requests if each.method == "GET" and not each.path.startswith(PICTURES)]

    @property
    def outcome(self) -> Outcome | None:
        return self.value if isinstance(self.value, Outcome) else None

    @property
    def status(self) -> str:
        return str(self.outcome.status) if self.outcome else ""

    def shows(self, text: str) -> bool:
        """Whether a text reaches the caller, in the value returned or the exception raised."""
        return text in (str(self.outcome.message) if self.outcome else self.complaint)

    @property
    def complaint(self) -> str:
        """The whole text of an exception, its causes and notes included."""
        return "" if self.error is None else "".join(traceback.format_exception(self.error))

    def __str__(self) -> str:
        if self.overdue:
            return f"a call that the suite had to end after {self.seconds:.0f} s"
        if self.error is None:
            return f"the return of {self.value!r}"
        return f"{type(self.error).__name__}: {str(self.error)[:300]}"


@dataclass
class _End:
    """When a call came to its end, and what had been sent by then."""

    environment: Environment
    now: Callable[[], float]
    at: float | None = None
    requests: tuple[Received, ...] = ()

    def note(self, *, in_error: bool) -> None:
        """Record the end, once."""
        if self.at is not None:
            return
        self.at = self.now()
        if in_error:
            self.environment.server.settle()
        self.requests = tuple(self.environment.server.requests)


def attempted(
    call: Callable[[], object],
    environment: Environment,
    now: Callable[[], float],
    *,
    limit: float,
    interruption: float = NEVER,
) -> Attempt:
    """Make a call, end it after `limit` seconds of `now`, interrupt it after `interruption` of them."""
    clock, server = environment.clock, environment.server
    server.requests.clear()
    clock.overdue, environment.stopped = False, None
    began, threads = now(), set(threading.enumerate())
    clock.limit, clock.interruption = clock.elapsed + limit, clock.elapsed + interruption
    value: object = None
    error: BaseException | None = None
    end = _End(environment, now)
    try:
        value = call()
        if inspect.isawaitable(value):
            clock.interruption = NEVER
            value = environment.run(_awaited(cast("Awaitable[object]", value), end, interruption))
    except (Exception, SystemExit, OutOfTime, asyncio.CancelledError, KeyboardInterrupt) as raised:
        if isinstance(raised, KeyboardInterrupt) and environment.stopped is None:
            raise  # that was the user
        error = raised
    finally:
        clock.interruption = NEVER
    end.note(in_error=error is not None)
    _watch_threads(threads)
    sent = len(server.requests)
    return Attempt(
        value=value,
        error=error,
        requests=end.requests,
        seconds=(end.at or began) - began,
        overdue=clock.overdue,
        late=sent - len(end.requests),
        unstopped=None if environment.stopped is None else sent - environment.stopped,
    )


async def _awaited(value: Awaitable[object], end: _End, interruption: float) -> object:
    """What a method of the adapter returns; tasks that it leaves behind are watched, then cancelled."""
    before = asyncio.all_tasks()
    work = asyncio.ensure_future(value)
    stopper = (
        asyncio.ensure_future(_stop(work, end.environment, interruption)) if interruption < NEVER else None
    )
    in_error = True
    try:
        result = await work
        in_error = False
        return result
    finally:
        end.note(in_error=in_error)
        if stopper is not None:
            stopper.cancel()
            before.add(stopper)
        left = asyncio.all_tasks() - before
        until, sent = time.perf_counter() + _AFTERMATH, len(end.environment.server.requests)
        while any(not each.done() for each in left) and time.perf_counter() < until:
            if len(end.environment.server.requests) > sent:
                break
            await asyncio.sleep(0)
        for each in left:
            each.cancel()


async def _stop(work: asyncio.Future[object], environment: Environment, seconds: float) -> None:
    await asyncio.sleep(seconds)
    environment.interrupt()
    work.cancel()


def _watch_threads(before: set[threading.Thread]) -> None:
    """Give threads that the call left behind the time to be seen sending."""
    for thread in set(threading.enumerate()) - before:
        if not isinstance(thread, RealTimeThread):
            thread.join(_AFTERMATH)
