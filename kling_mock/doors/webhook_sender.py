"""The door outwards: sends callbacks over HTTP with httpx, from the event loop of a server.

httpx is loaded when the first callback is sent: a server should answer soon.
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
from kling_mock.callbacks.dispatcher import CallbackDispatcher, Tell
from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.callbacks.policy import ANSWER_SECONDS
from kling_mock.callbacks.queue import PendingDelivery
from kling_mock.records import AttemptRecord
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    import httpx

# So that a slow receiver takes up neither the other receivers' turns nor all the sockets.
IN_FLIGHT_PER_RECEIVER: Final = 8
IN_FLIGHT: Final = 64
# A loop cannot sleep for ever so many seconds; whoever wakes early sleeps again.
LONGEST_SLEEP: Final = 86_400.0


class CallbackClient:
    """What one run sends with: clients, made when they are first needed, and a bound on what is in flight."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._opening = asyncio.Lock()
        self._total = asyncio.Semaphore(IN_FLIGHT)
        self._gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def turn(self, url: str) -> AsyncGenerator[None]:
        """Wait until one more may be in flight, to this receiver and at all. First come, first served."""
        gate = self._gates.setdefault(urlsplit(url).netloc, asyncio.Semaphore(IN_FLIGHT_PER_RECEIVER))
        async with gate, self._total:
            yield

    async def send(self, callback: Callback, judge: Callable[[str], str | None]) -> int:
        """Post a callback and give the status of the answer, whose body nobody waits for.

        `judge` says why a URL may not be called: it is asked again, for the URL as httpx reads it. Raises
        what httpx raises.
        """
        secure = callback.url.lower().startswith("https:")
        async with self._opening:
            if secure not in self._clients:  # it takes up to 200 ms, in which others want to poll
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
        # The other one speaks no TLS: so it does without certificates, which take long to load.
        verify=True if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 -- the whole of an attempt has one deadline, set around it
        # One request a connection: a receiver that ends or starts anew never meets an old one of ours.
        limits=httpx.Limits(max_keepalive_connections=0),
        headers={"user-agent": f"kling-mock/{__version__}", "connection": "close"},
        # What one receiver sets must not be told to another.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def _target(url: str) -> str:
    """The URL to call. User and password would become an `Authorization` header, and none is ever sent."""
    import httpx

    return str(httpx.URL(url).copy_with(userinfo=b"", fragment=None))


class CallbackSender:
    """Sends what is due, wakes at the next due time, and sleeps in between. `run()` ends by cancelling it."""

    def __init__(self, dispatcher: CallbackDispatcher, watch: ChangeNotifier, tell: Tell | None) -> None:
        self._dispatcher = dispatcher
        self._notifier = watch
        self._tell = tell

    async def run(self) -> None:
        """Send until cancelled. What is on its way then counts as not tried."""
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
                        elif self._tell is not None:
                            self._tell(delivery.callback, None)
                    await self._sleep(changed)
        finally:
            self._dispatcher.leave(wake)
            await post.close()

    async def _sleep(self, changed: asyncio.Event) -> None:
        """Until something changes, or the clock gets to the next due time."""
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
                if self._dispatcher.sends:  # else the test has a receiver of its own by now
                    attempt = await self._attempt(delivery, post)
        finally:
            if attempt is None:
                self._dispatcher.put_back(delivery)
        if attempt is not None and self._tell is not None:
            self._tell(delivery.callback, attempt)
        wake()
        self._notifier.notify()

    async def _attempt(self, delivery: PendingDelivery, post: CallbackClient) -> AttemptRecord:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await post.attempt(delivery.callback, self._dispatcher.refusal)
        lasted = (loop.time() - began) * self._notifier.clock.speed
        return self._dispatcher.record(delivery, answer.status, answer.error, lasted)
