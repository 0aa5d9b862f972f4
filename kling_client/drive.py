"""The two drivers of flows, blocking and awaiting: they perform the steps (send, read, sleep) of a flow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import TypeAlias, TypeVar

from kling_client.config import Config
from kling_client.http import AsyncExchange, AsyncSession, Exchange, SyncHTTP
from kling_client.steps import Flow, Outcome, Show, Sleep, Step

T = TypeVar("T")

BlockingSleep: TypeAlias = Callable[[float], object]
AwaitableSleep: TypeAlias = Callable[[float], Awaitable[object]]


def sleep(seconds: float) -> None:
    """Block for some seconds. `time.sleep` is looked up at each call, so that a patched one is used."""
    time.sleep(seconds)


async def asleep(seconds: float) -> None:
    """Await some seconds. `asyncio.sleep` is looked up at each call, so that a patched one is used."""
    await asyncio.sleep(seconds)


class Driver:
    """Runs flows over a blocking HTTP client. Thread-safe: each run has its own state."""

    def __init__(self, config: Config, http: SyncHTTP, pause: BlockingSleep) -> None:
        self.config = config
        self._http = http
        self._sleep = pause

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return its result."""
        results: list[T] = []

        def to_the_end() -> Flow[None]:
            results.append((yield from flow))

        for _ in self.iterate(to_the_end()):
            pass
        return results[0]

    def iterate(self, flow: Flow[None]) -> Generator[object, None, None]:
        """Run a flow and yield the values of its `Show` steps. Closing the iterator closes the flow."""
        exchange = Exchange(self._http, self.config.redact)
        outcome: Outcome = None
        try:
            while (step := _advance(flow, outcome)) is not None:
                outcome = None
                if isinstance(step, Show):
                    yield step.value
                elif isinstance(step, Sleep):
                    self._sleep(step.seconds)
                else:
                    outcome = exchange.perform(step)
        finally:
            flow.close()
            exchange.close()


class AsyncDriver:
    """Runs flows over an asynchronous HTTP client. Tasks of one event loop may share a driver."""

    def __init__(self, config: Config, session: AsyncSession, pause: AwaitableSleep) -> None:
        self.config = config
        self._session = session
        self._sleep = pause

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return its result."""
        results: list[T] = []

        def to_the_end() -> Flow[None]:
            results.append((yield from flow))

        async for _ in self.iterate(to_the_end()):
            pass
        return results[0]

    async def iterate(self, flow: Flow[None]) -> AsyncGenerator[object, None]:
        """Run a flow and yield the values of its `Show` steps. Closing the iterator closes the flow."""
        exchange = AsyncExchange(self._session.current(), self.config.redact)
        outcome: Outcome = None
        try:
            while (step := _advance(flow, outcome)) is not None:
                outcome = None
                if isinstance(step, Show):
                    yield step.value
                elif isinstance(step, Sleep):
                    await self._sleep(step.seconds)
                else:
                    outcome = await exchange.perform(step)
        finally:
            flow.close()
            await exchange.close()


def _advance(flow: Flow[None], outcome: Outcome) -> Step | None:
    """The next step, or None at the end.

    StopIteration is caught here only, because functions of the caller may raise it as well.
    """
    try:
        return flow.send(outcome)
    except StopIteration:
        return None
