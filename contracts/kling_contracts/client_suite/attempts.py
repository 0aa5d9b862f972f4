"""Runs one call of an adapter and records its result, requests and duration."""

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
from kling_contracts.client_suite.virtual_time import OutOfTime
from kling_contracts.virtual_time.threads import RealTimeThread

# Real seconds to watch threads and tasks that the client left running after a call.
_AFTERMATH: Final = 0.2
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The record of one call of the adapter: its value or error, requests and duration.

    - `seconds`: the duration, in virtual time if the client waits in virtual time.
    - `overdue`: the suite stopped the call.
    - `late`: the number of requests after the call had ended.
    - `unstopped`: the number of requests after an interruption by Ctrl-C (for a coroutine: cancellation);
      None if the call was not interrupted.
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
        """Whether the caller receives a text, in the returned outcome or the raised exception."""
        return text in (str(self.outcome.message) if self.outcome else self.complaint)

    @property
    def complaint(self) -> str:
        """The exception with its traceback, causes and notes; empty without one."""
        return "" if self.error is None else "".join(traceback.format_exception(self.error))

    def __str__(self) -> str:
        if self.overdue:
            return f"a call that the suite stopped after {self.seconds:.0f} s"
        if self.error is None:
            return f"the return value {self.value!r}"
        return f"{type(self.error).__name__}: {str(self.error)[:300]}"


@dataclass
class _End:
    """The time at which a call ended, and the requests until then."""

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
    """Run a call. Stop it after `limit` seconds of the clock `now`; interrupt it after `interruption`."""
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
            raise  # pressed by the user
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
    """Await a method of the adapter. Tasks that it left running are watched for a while, then cancelled."""
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
    """Wait a moment for threads that the call left running, so that their requests are recorded."""
    for thread in set(threading.enumerate()) - before:
        if not isinstance(thread, RealTimeThread):
            thread.join(_AFTERMATH)
