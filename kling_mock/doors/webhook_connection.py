"""One connection to the receiver of callbacks: sends a request, and parses the response with httptools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

# The head of a response, and the part of a body that is read so that the connection can be kept.
LARGEST_HEAD: Final = 65_536
LARGEST_BODY: Final = 65_536
# The body of a response is read for this number of seconds at most.
BODY_SECONDS: Final = 1.0


class NoResponse(Exception):
    """The receiver did not send a response; the text is the reason. `stale`: nothing of one arrived."""

    def __init__(self, reason: str, *, stale: bool = False) -> None:
        super().__init__(reason)
        self.stale = stale


class WebhookConnection(asyncio.Protocol):
    """A connection for one request at a time.

    The result of a request is the status, as soon as the head of the response has arrived. The body is read
    and dropped; then `on_free` is called if the connection can be used again. `on_lost` is called at its end.
    """

    def __init__(
        self, on_free: Callable[[WebhookConnection], None], on_lost: Callable[[WebhookConnection], None]
    ) -> None:
        self.idle_since = 0.0
        self._on_free = on_free
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._result: asyncio.Future[int] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._size = 0
        self._interim = False
        self._in_body = False

    async def post(self, request: bytes) -> int:
        """Send a request. Returns the status of the response; raises NoResponse. Cancelling it aborts."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NoResponse("the connection was closed", stale=True)
        self._size = 0
        self._result = asyncio.get_running_loop().create_future()
        transport.write(request)
        try:
            return await self._result
        except BaseException:
            transport.abort()
            raise

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        why = "" if exc is None else f" ({exc})"
        self._fail(f"the connection ended without a response{why}", stale=not self._size)
        self._forget_limit()
        self._transport = None
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        result = self._result
        if result is None:  # no request was sent
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # after its status, the bytes are not HTTP
            self._in_body = False
            self.abort()
        except httptools.HttpParserError as error:
            self._fail(f"the response is not HTTP/1.1: {error}")
            self.abort()
        if self._result is not result or self._transport is None:  # the response is complete
            return
        if not result.done():
            if self._size > LARGEST_HEAD:
                self._fail(f"the head of the response is longer than {LARGEST_HEAD} bytes")
                self.abort()
        elif self._size > LARGEST_BODY:
            self.abort()
        elif self._in_body and self._limit is None:
            self._limit = asyncio.get_running_loop().call_later(BODY_SECONDS, self.abort)

    # -- of httptools

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200 and status != 101
        if self._interim or self._result is None or self._result.done():
            return
        self._in_body = True
        self._size = 0
        self._result.set_result(status)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            return
        self._in_body = False
        self._forget_limit()
        if self._transport is None or self._transport.is_closing():
            return
        if self._result is None:  # a second response
            self.abort()
            return
        self._result = None
        if self._parser.should_keep_alive():
            self._on_free(self)
        else:
            self._transport.close()

    def _fail(self, reason: str, *, stale: bool = False) -> None:
        if self._result is not None and not self._result.done():
            self._result.set_exception(NoResponse(reason, stale=stale))

    def _forget_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
