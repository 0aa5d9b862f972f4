"""Both clients against the mock over every transport and integration, with one awaitable interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from kling_client import AsyncClient, Client, Task
from kling_mock import Fake, ManualClock
from kling_mock.shared_server import SharedServer
from tests.rows import exhaustive

KEY = "sk-together"
LINES = (
    "transport, sync",
    "transport, async",
    "intercept, sync",
    "intercept, async",
    "asgi, async",
    "socket, sync",
    "socket, async",
)
USUAL = ("transport, sync", "intercept, async", "asgi, async", "socket, sync")


class Awaited:
    """Awaitable wrapper of a blocking client or task, so that one script runs with both clients."""

    CALLS = ("generate", "get", "wait", "refresh", "save")

    def __init__(self, blocking: Client | Task) -> None:
        self._blocking = blocking

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._blocking, name)
        if name == "task" and isinstance(self._blocking, Client):
            return lambda task_id: Awaited(value(task_id))
        if name not in self.CALLS:
            return value

        async def call(*arguments: Any, **named: Any) -> Any:
            result = value(*arguments, **named)
            return Awaited(result) if isinstance(result, Task) else result

        return call


@dataclass
class Line:
    """One transport between a client and a fake. `run` runs a script with a new fake and a client of it."""

    name: str
    shared_server: SharedServer

    def run(
        self,
        script: Callable[[Fake, Any], Coroutine[Any, Any, Any]],
        **switches: Any,
    ) -> Any:
        with ExitStack() as stack:
            switches.setdefault("keys", [KEY])
            clock = ManualClock()
            if self.name.startswith("socket"):
                fake: Fake = stack.enter_context(self.shared_server.use(clock=clock, **switches))
                base_url: str | None = self.shared_server.server.url
            else:
                fake, base_url = Fake(clock=clock, **switches), None
            if self.name.startswith("intercept"):
                stack.enter_context(fake.intercept())
            result = asyncio.run(self._talk(fake, base_url, script))
            fake.check()
            return result

    async def _talk(
        self, fake: Fake, base_url: str | None, script: Callable[[Fake, Any], Coroutine[Any, Any, Any]]
    ) -> Any:
        clock = fake.clock
        if self.name.endswith("async"):

            async def skip(seconds: float) -> None:
                clock.advance(seconds)

            async with httpx.AsyncClient(transport=self._async_transport(fake)) as http:
                client = AsyncClient(KEY, base_url=base_url, http_client=http, sleep=skip, clock=clock.now)
                return await script(fake, client)
        with httpx.Client(transport=self._transport(fake)) as blocking:
            return await script(
                fake,
                Awaited(
                    Client(KEY, base_url=base_url, http_client=blocking, sleep=clock.advance, clock=clock.now)
                ),
            )

    def _transport(self, fake: Fake) -> httpx.BaseTransport:
        # verify=False, because loading certificates takes 30 ms and no connection is encrypted.
        return fake.transport() if "transport" in self.name else httpx.HTTPTransport(verify=False)

    def _async_transport(self, fake: Fake) -> httpx.AsyncBaseTransport:
        if "transport" in self.name:
            return fake.transport()
        if "asgi" in self.name:
            return httpx.ASGITransport(fake.asgi())
        return httpx.AsyncHTTPTransport(verify=False)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[SharedServer]:
    with SharedServer() as running:
        yield running


@pytest.fixture(params=[pytest.param(name, marks=() if name in USUAL else exhaustive) for name in LINES])
def line(
    request: pytest.FixtureRequest, shared_server: SharedServer, monkeypatch: pytest.MonkeyPatch
) -> Line:
    monkeypatch.delenv("KLING_BASE_URL", raising=False)
    return Line(request.param, shared_server)
