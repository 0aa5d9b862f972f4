"""A reply with a delivery over a socket: pauses, slow bodies, and connections that end with FIN or RST."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

from kling_mock.delivery import Delivery
from kling_mock.http import Reply

_log: Final = logging.getLogger("kling_mock.server")
# The value of SO_LINGER with which closing a socket sends RST and discards unsent data.
_NO_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
# In seconds: how often the system is asked for unsent bytes, and for how long, before a reset.
_ASK_EVERY: Final = 0.001
_FLUSH_SECONDS: Final = 1.0


class Ending(Enum):
    """The state of the connection after a reply."""

    OPEN = auto()
    CLOSED = auto()
    RESET = auto()


class DeliveryWriter(Protocol):
    """The part of a connection that a delivery uses."""

    transport: asyncio.Transport

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


class SocketDelivery:
    """Sends one reply; `done` is called with the ending of the connection, in the event loop.

    `head` returns the encoded head at the time when it is sent; `bodiless`: the reply has only a head.
    """

    def __init__(
        self,
        writer: DeliveryWriter,
        reply: Reply,
        delivery: Delivery,
        head: Callable[[], bytes],
        *,
        bodiless: bool,
    ) -> None:
        self._writer = writer
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
            self._writer.write(start)
            return Ending.OPEN
        if delivery.rate is not None or not delivery.sent(len(body)):
            self._writer.write(start)
            start = b""
        for piece in delivery.pieces(body):
            pause = delivery.pause(piece)
            if pause:
                await asyncio.sleep(pause)
            # With the head in the same packet, a client sees bytes beyond the announced length at once.
            self._writer.write(start + piece)
            start = b""
            await self._writer.drain()
        if delivery.cut_by_reset:
            await self._flush()
            return Ending.RESET
        return Ending.CLOSED if delivery.ends_connection(len(body)) else Ending.OPEN

    async def _flush(self) -> None:
        """Wait until the client's system has the bytes, because a reset discards those that it has not."""
        transport = self._writer.transport
        deadline = asyncio.get_running_loop().time() + _FLUSH_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_ASK_EVERY)
            if not transport.get_write_buffer_size() and not _unsent(transport):
                return


def reset(transport: asyncio.Transport) -> None:
    """End the connection at once with RST."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _ending(task: asyncio.Task[Ending]) -> Ending:
    if task.cancelled():
        return Ending.CLOSED
    error = task.exception()
    if error is not None:
        _log.error("a reply could not be sent", exc_info=error)
        return Ending.CLOSED
    return task.result()


def _unsent(transport: asyncio.Transport) -> int:
    """The number of bytes that the client's system has not acknowledged; 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    import fcntl
    import termios

    answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", answer)[0])
