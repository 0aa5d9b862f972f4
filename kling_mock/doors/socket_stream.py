"""The transport of a connection: writing that may be paused, reading that can be, and the ways to end it."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Final

from kling_mock.doors.limits import Deadlines, Limits

# The value of SO_LINGER with which closing a socket sends RST and discards unsent data.
_NO_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
# In seconds: how often the system is asked for unsent bytes, and for how long, before a reset.
_ASK_EVERY: Final = 0.001
_FLUSH_SECONDS: Final = 1.0


class SocketStream:
    """Sends bytes to one client. `closing`: the last reply was written, or the connection was lost.

    `writable` is set while writing is paused, `reading` is false while reading is.
    """

    __slots__ = ("_deadlines", "_limits", "_lost", "closing", "reading", "transport", "writable")

    def __init__(self, transport: asyncio.Transport, limits: Limits, deadlines: Deadlines) -> None:
        self.transport = transport
        self.closing = False
        self.reading = True
        self.writable: asyncio.Future[None] | None = None
        self._limits = limits
        self._deadlines = deadlines
        self._lost = False

    def write(self, data: bytes) -> None:
        if not self.closing:
            self.transport.write(data)

    def pause_writing(self) -> None:
        if self.writable is None:
            self.writable = asyncio.get_running_loop().create_future()
            self._deadlines.writing_paused()

    def resume_writing(self) -> bool:
        """Returns whether writing was paused."""
        writable, self.writable = self.writable, None
        if writable is None:
            return False
        if not writable.done():
            writable.set_result(None)
        self._deadlines.writing_resumed()
        return True

    async def drain(self) -> None:
        """Wait while writing is paused."""
        if self.writable is not None:
            await asyncio.shield(self.writable)

    async def flush(self) -> None:
        """Wait until the client's system has the bytes, because a reset discards those that it has not."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + _FLUSH_SECONDS
        while clock() < deadline:
            await asyncio.sleep(_ASK_EVERY)
            if not self.transport.get_write_buffer_size() and not _unsent(self.transport):
                return

    def read(self, *, wanted: bool) -> None:
        """Resume or pause reading."""
        if wanted != self.reading and not self._lost:
            self.reading = wanted
            (self.transport.resume_reading if wanted else self.transport.pause_reading)()

    # -- the end

    def close(self) -> None:
        """Close after the written data was sent."""
        if not self.closing:
            self.closing = True
            self._deadlines.closing(self._limits.write_seconds)
            self.transport.close()

    def linger(self, *, stopping: bool) -> None:
        """Close after `linger_seconds`: closing with unread data would reset the connection.

        `stopping`: the server is being stopped, and closes at once.
        """
        if self.closing:
            return
        self.closing = True
        self._deadlines.closing(self._limits.linger_seconds)
        if stopping:
            self.transport.close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.read(wanted=True)

    def reset(self) -> None:
        """End the connection at once with RST."""
        self.closing = True
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def lost(self) -> None:
        """The connection has ended."""
        self._lost = self.closing = True


def _unsent(transport: asyncio.Transport) -> int:
    """The number of bytes that the client's system has not acknowledged; 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    import fcntl
    import termios

    answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", answer)[0])
