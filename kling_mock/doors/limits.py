"""Limits and timeouts of the socket server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Bodies over the cap are read and discarded up to this multiple of the cap, so that a client that first sends
# everything can read the refusal.
DRAINED_CAPS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, durations in seconds.

    `keep_alive` is longer than the 5 s between polls of many clients: the server must not close a connection
    while the next poll is being sent.
    """

    target_bytes: int = 65_535
    header_bytes: int = 65_536
    header_count: int = 256
    ahead_bytes: int = 65_536  # read beyond the request in progress before reading pauses
    turn_requests: int = 32  # pipelined requests answered before the event loop serves other connections
    keep_alive: float = 75.0
    header_seconds: float = 10.0  # from the first byte of a head to its end
    body_seconds: float = 60.0  # between two reads of a body
    write_seconds: float = 60.0  # while the client reads nothing
    linger_seconds: float = 2.0  # received data is discarded after a final reply, before closing
    stop_seconds: float = 1.0  # for replies in progress when the server is stopped
