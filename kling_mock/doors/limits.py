"""Limits of the socket server, and the deadlines of its connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

# Bodies over the cap are read and discarded up to this multiple of the cap, so that a client that first sends
# everything can read the refusal.
DRAINED_CAPS: Final = 4
# The length that counts for a Content-Length of more digits, which is over every cap.
LONGEST: Final = 10**18
NEVER: Final = float("inf")


def read_length(text: str) -> int:
    """The number of bytes that a Content-Length declares, at most LONGEST; 0 if it is not a number."""
    if not (text.isascii() and text.isdigit()):
        return 0
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) < len(str(LONGEST)) else LONGEST


class Limits(Struct, frozen=True, gc=False, kw_only=True):
    """Sizes in bytes, durations in seconds.

    `keep_alive` is longer than the 5 s between polls of many clients: the server must not close a connection
    while the next poll is being sent.
    """

    target_bytes: int = 65_535
    header_bytes: int = 65_536
    header_count: int = 256
    ahead_bytes: int = 65_536  # read beyond the request in progress before reading pauses
    turn_requests: int = 32  # pipelined requests answered before the event loop serves other connections
    turn_bytes: int = 131_072  # of a body, read before the event loop serves other connections
    keep_alive: float = 75.0
    header_seconds: float = 10.0  # from the first byte of a head to its end
    body_seconds: float = 60.0  # between two reads of a body
    write_seconds: float = 60.0  # while the client reads nothing
    linger_seconds: float = 2.0  # received data is discarded after a final reply, before closing
    stop_seconds: float = 1.0  # for replies in progress when the server is stopped


class Deadlines:
    """Times of the event loop at which a connection is ended: one of its current state, one of writing.

    `now` returns the time of the event loop.
    """

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._state = NEVER
        self._write = NEVER
        self._head_began = False

    def passed(self, now: float) -> bool:
        """Whether the deadline of the current state has passed."""
        return now >= self._state

    def write_passed(self, now: float) -> bool:
        """Whether the client has read nothing for `write_seconds`."""
        return now >= self._write

    def writing_paused(self) -> None:
        self._write = self._now() + self._limits.write_seconds

    def writing_resumed(self) -> None:
        self._write = NEVER

    def closing(self, seconds: float) -> None:
        """The final state: the connection ends after this time."""
        self._state = self._now() + seconds

    def replying(self) -> None:
        """A reply in progress has no deadline."""
        self._state = NEVER
        self._head_began = False

    def reading_head(self, *, received: bool) -> None:
        """Counted from the first byte of the head: later bytes, `received`, do not extend it."""
        if not received or not self._head_began:
            self._state = self._now() + self._limits.header_seconds
        self._head_began = True

    def reading_body(self) -> None:
        self._state = self._now() + self._limits.body_seconds
        self._head_began = False

    def idle(self) -> None:
        self._state = self._now() + self._limits.keep_alive
        self._head_began = False
