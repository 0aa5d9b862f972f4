"""A reply with a delivery over a socket: pauses, slow bodies, and connections that end with FIN or RST."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from kling_mock.delivery import Delivery
from kling_mock.doors.socket_stream import SocketStream
from kling_mock.http import Reply

_log: Final = logging.getLogger("kling_mock.server")


class Ending(Enum):
    """The state of the connection after a reply."""

    OPEN = auto()
    CLOSED = auto()
    RESET = auto()


class SocketDelivery:
    """Sends one reply; `done` is called with the ending of the connection, in the event loop.

    `head` returns the encoded head at the time when it is sent; `bodiless`: the reply has only a head.
    """

    def __init__(
        self,
        stream: SocketStream,
        reply: Reply,
        delivery: Delivery,
        head: Callable[[], bytes],
        *,
        bodiless: bool,
    ) -> None:
        self._stream = stream
        self._reply = reply
        self._delivery = delivery
        self._head = head
        self._bodiless = bodiless
        self._task: asyncio.Task[Ending] | None = None

    def start(self, loop: asyncio.AbstractEventLoop, done: Callable[[Ending], None]) -> asyncio.Task[Ending]:
        self._task = task = loop.create_task(self._run())
        task.add_done_callback(lambda _: done(_ending(task)))
        return task

    def disconnect(self, *, lost: bool) -> None:
        """The client sends no more data, or the server stops; `lost`: the client also receives none."""
        if self._task is not None and (lost or self._delivery.never):
            self._task.cancel()

    async def _run(self) -> Ending:
        delivery, body = self._delivery, self._reply.body
        if delivery.never:
            await asyncio.get_running_loop().create_future()
        if delivery.delay:
            await asyncio.sleep(delivery.delay)
        if delivery.reset or delivery.refused:
            return Ending.RESET
        if delivery.closed:
            return Ending.CLOSED
        start = self._head()
        if self._bodiless:
            self._stream.write(start)
            return Ending.OPEN
        if delivery.rate is not None or not delivery.sent(len(body)):
            self._stream.write(start)
            start = b""
        for piece in delivery.pieces(body):
            pause = delivery.pause(piece)
            if pause:
                await asyncio.sleep(pause)
            # With the head in the same packet, a client sees bytes beyond the announced length at once.
            self._stream.write(start + piece)
            start = b""
            await self._stream.drain()
        if delivery.cut_by_reset:
            await self._stream.flush()
            return Ending.RESET
        return Ending.CLOSED if delivery.ends_connection(len(body)) else Ending.OPEN


def _ending(task: asyncio.Task[Ending]) -> Ending:
    if task.cancelled():
        return Ending.CLOSED
    error = task.exception()
    if error is not None:
        _log.error("a reply could not be sent", exc_info=error)
        return Ending.CLOSED
    return task.result()
