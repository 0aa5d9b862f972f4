"""Sends callbacks over HTTP with httpx, from the event loop of a server.

httpx is imported when the first callback is sent, so that a server starts quickly.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from kling_contracts.redaction import hide_in_urls
from kling_mock import __version__
from kling_mock.callbacks.dispatcher import CallbackDispatcher, OnAttempt
from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.callbacks.policy import ANSWER_SECONDS
from kling_mock.callbacks.queue import PendingDelivery
from kling_mock.records import AttemptRecord
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    import httpx

# A slow receiver must neither delay other receivers nor use all sockets.
IN_FLIGHT_PER_RECEIVER: Final = 8
IN_FLIGHT: Final = 64
# Event loops limit the length of a sleep; after an early wake-up the sender sleeps again.
LONGEST_SLEEP: Final = 86_400.0


class CallbackClient:
    """The HTTP clients of one sender, made at their first use, and its limits of requests in flight."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._opening = asyncio.Lock()
        self._total = asyncio.Semaphore(IN_FLIGHT)
        self._gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, url: str) -> AsyncGenerator[None]:
        """Wait, in order of arrival, until a request to this receiver may be in flight."""
        gate = self._gates.setdefault(urlsplit(url).netloc, asyncio.Semaphore(IN_FLIGHT_PER_RECEIVER))
        async with gate, self._total:
            yield

    async def send(self, callback: Callback, judge: Callable[[str], str | None]) -> int:
        """Post a callback and return the status of the response, without reading its body.

        `judge` returns the reason why a URL must not be called, or None. It checks the URL that httpx parsed,
        which could differ. Raises ValueError for such a URL, and the errors of httpx.
        """
        secure = callback.url.lower().startswith("https:")
        async with self._opening:
            if secure not in self._clients:  # in a thread, because it takes up to 200 ms
                self._clients[secure] = await asyncio.to_thread(_open_client, secure=secure)
        url = _target(callback.url)
        why = judge(url)
        if why is not None:
            raise ValueError(f"not sent: {why}")
        async with self._clients[secure].stream(
            "POST", url, content=callback.content, headers=callback.headers
        ) as answer:
            return answer.status_code

    async def attempt(self, callback: Callback, judge: Callable[[str], str | None]) -> AttemptResult:
        """`send` within ANSWER_SECONDS, with the error as a text."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return AttemptResult(await self.send(callback, judge))
        except TimeoutError:
            return AttemptResult(None, error=f"no answer within {ANSWER_SECONDS:g} s")
        except Exception as problem:  # noqa: BLE001 -- any exception in sending is a failed attempt
            return AttemptResult(None, error=hide_in_urls(f"{type(problem).__name__}: {problem}"))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def _open_client(*, secure: bool) -> httpx.AsyncClient:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    return httpx.AsyncClient(
        # Loading certificates takes long, and plain HTTP needs none.
        verify=True if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 -- `attempt` has one deadline for the whole exchange
        # One request per connection: a receiver that restarts must not get a request on a stale connection.
        limits=httpx.Limits(max_keepalive_connections=0),
        headers={"user-agent": f"kling-mock/{__version__}", "connection": "close"},
        # Cookies of one receiver must not be sent to another.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def _target(url: str) -> str:
    """The URL to call, without user and password: httpx would send them as an `Authorization` header."""
    import httpx

    return str(httpx.URL(url).copy_with(userinfo=b"", fragment=None))


class CallbackSender:
    """Sends due callbacks and sleeps until the next due time. `run()` ends when it is cancelled."""

    def __init__(
        self, dispatcher: CallbackDispatcher, notifier: ChangeNotifier, on_attempt: OnAttempt | None
    ) -> None:
        self._dispatcher = dispatcher
        self._notifier = notifier
        self._on_attempt = on_attempt

    async def run(self) -> None:
        """Send until cancelled. Attempts in progress then count as not made."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        post = CallbackClient()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(changed.set)

        self._dispatcher.join(wake)
        try:
            async with asyncio.TaskGroup() as flights:
                while True:
                    changed.clear()
                    while (delivery := self._dispatcher.take()) is not None:
                        if delivery.callback.refused is None:
                            flights.create_task(self._deliver(delivery, post, wake))
                        elif self._on_attempt is not None:
                            self._on_attempt(delivery.callback, None)
                    await self._sleep(changed)
        finally:
            self._dispatcher.leave(wake)
            await post.close()

    async def _sleep(self, changed: asyncio.Event) -> None:
        """Sleep until a change, or until the clock reaches the next due time."""
        seconds = min(self._notifier.seconds_to(self._dispatcher.next_due()), LONGEST_SLEEP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()

    async def _deliver(
        self, delivery: PendingDelivery, post: CallbackClient, wake: Callable[[], None]
    ) -> None:
        attempt: AttemptRecord | None = None
        try:
            async with post.turn(delivery.callback.url):
                if self._dispatcher.sends:  # otherwise the test has set a receiver meanwhile
                    attempt = await self._attempt(delivery, post)
        finally:
            if attempt is None:
                self._dispatcher.put_back(delivery)
        if attempt is not None and self._on_attempt is not None:
            self._on_attempt(delivery.callback, attempt)
        wake()
        self._notifier.notify()

    async def _attempt(self, delivery: PendingDelivery, post: CallbackClient) -> AttemptRecord:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await post.attempt(delivery.callback, self._dispatcher.refusal)
        lasted = (loop.time() - began) * self._notifier.clock.speed
        return self._dispatcher.record(delivery, answer.status, answer.error, lasted)
