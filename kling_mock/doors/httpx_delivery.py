"""Replies with a delivery, for httpx and httpx2: pauses are slept, and failures are the library's exceptions.

`library` is httpx, httpx2, or the httpcore of one of them, whose exceptions have the same names.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Self

from kling_mock.delivery import Delivery
from kling_mock.doors.arrivals import Arrival, Failure, body_arrivals, head_arrival
from kling_mock.http import Reply, Request

# As raised over a socket; a test compares them.
ERRORS: Final = {
    Failure.TIMEOUT: "ReadTimeout",
    Failure.REFUSED: "ConnectError",
    Failure.RESET: "ReadError",
    Failure.CLOSED: "RemoteProtocolError",
    Failure.CUT: "RemoteProtocolError",
}


async def answer_async(handle: Callable[[Request], Reply], request: Request) -> Reply:
    """The reply of a fake, computed in a thread if pictures may be fetched: the event loop goes on."""
    settings = getattr(getattr(handle, "__self__", None), "settings", None)
    if request.method != "POST" or settings is None or settings.fetch_images == "off":
        return handle(request)
    import anyio.to_thread  # only for requests that wait

    return await anyio.to_thread.run_sync(handle, request)


def read_timeout(extensions: Mapping[str, Any]) -> float | None:
    """The read timeout of a request in seconds; None if it has none."""
    timeouts: Mapping[str, float | None] = extensions.get("timeout") or {}
    return timeouts.get("read")


def wait(library: Any, send: Callable[[], Reply], reply: Reply, timeout: float | None, pool: object) -> Reply:
    """Wait for the head of a reply. Raises the library's exception if none arrives.

    A connection that is refused is repeated as the pool repeats it; `send` sends the request again.
    """
    for pause in _pauses(pool):
        if not _is_refused(reply):
            break
        time.sleep(pause)
        reply = send()
    if reply.delivery is not None:
        arrival = head_arrival(reply.delivery, timeout)
        if arrival.seconds:
            time.sleep(arrival.seconds)
        _require_success(library, arrival)
    return reply


async def wait_async(
    library: Any,
    send: Callable[[], Awaitable[Reply]],
    reply: Reply,
    timeout: float | None,  # noqa: ASYNC109 -- of the request
    pool: object,
) -> Reply:
    """`wait` for asynchronous clients."""
    for pause in _pauses(pool):
        if not _is_refused(reply):
            break
        await _sleep(pause)
        reply = await send()
    if reply.delivery is not None:
        arrival = head_arrival(reply.delivery, timeout)
        if arrival.seconds:
            await _sleep(arrival.seconds)
        _require_success(library, arrival)
    return reply


def body(library: Any, delivery: Delivery, content: bytes, timeout: float | None) -> Iterator[bytes]:
    """The body as it arrives. Raises the library's exception if its end does not."""
    for arrival in body_arrivals(delivery, content, timeout):
        if arrival.seconds:
            time.sleep(arrival.seconds)
        _require_success(library, arrival)
        yield arrival.data


class AsyncBody:
    """`body` for asynchronous clients: not a generator, so nothing is left to close if reading ends early."""

    def __init__(self, library: Any, delivery: Delivery, content: bytes, timeout: float | None) -> None:
        self._library = library
        self._arrivals = body_arrivals(delivery, content, timeout)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for arrival in self._arrivals:
            if arrival.seconds:
                await _sleep(arrival.seconds)
            _require_success(self._library, arrival)
            return arrival.data
        raise StopAsyncIteration


def _pauses(pool: object) -> Iterator[float]:
    """The pauses in seconds before a pool of httpcore connects again: `retries=` of a transport."""
    return (2.0 ** (number - 2) if number else 0.0 for number in range(getattr(pool, "_retries", 0)))


def _is_refused(reply: Reply) -> bool:
    return reply.delivery is not None and reply.delivery.refused


def _require_success(library: Any, arrival: Arrival) -> None:
    if arrival.failure is not None:
        raise getattr(library, ERRORS[arrival.failure])(arrival.text)


async def _sleep(seconds: float) -> None:
    import anyio  # only for replies with a pause

    await anyio.sleep(seconds)
