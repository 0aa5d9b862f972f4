"""Limits and timeouts of the socket server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# A body above the cap is read and dropped, so that the client can finish sending and read the refusal; at
# most this many times the cap.
DRAINED_CAPS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, durations in seconds.

    `keep_alive` is longer than the 5 s at which many clients poll: the server must not close a connection
    while the next poll is on its way.
    """

    target_bytes: int = 65_535
    header_bytes: int = 65_536
    header_count: int = 256
    ahead_bytes: int = 65_536  # read beyond the request in progress before reading pauses
    turn_requests: int = 32  # pipelined requests that are answered before other connections get a turn
    keep_alive: float = 75.0
    header_seconds: float = 10.0  # from the first byte of a head to its end
    body_seconds: float = 60.0  # between two reads of a body
    write_seconds: float = 60.0  # for a client to make room after it stopped reading
    linger_seconds: float = 2.0  # data is dropped after a final reply, as closing at once could destroy it
    stop_seconds: float = 1.0  # for replies in progress when the server is stopped
