"""How a transport sends a reply: late, slowly, in part, or not at all. Plain data; transports realise it.

Durations are in seconds, sizes in bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

# Without a size of its own, a chunk of a slow body is what arrives in this part of a second.
CHUNK_SECONDS: Final = 0.1
# Padding is sent in pieces of this size, so that it is never kept as a whole.
PADDING_PIECE: Final = b" " * 65_536
_INSTEAD: Final = ("never", "refused", "reset", "closed")


class Delivery(Struct, frozen=True, kw_only=True):
    """How a reply is sent. Raises ValueError for values that are out of range or contradict each other.

    `delay` passes before the first byte. Instead of the reply, the connection is `refused`, or ended by a
    `reset` (RST) or `closed` (FIN), or the request is `never` answered.

    The other fields concern the body. `padding` is the number of spaces after it, which are never in memory
    as a whole. `cut` is the number of bytes that are sent before the connection ends, with FIN or
    `cut_by_reset`. `length` is announced as the content length in place of the size of the body: after a
    body that is shorter or longer, the connection ends. `rate` is in bytes per second; each `chunk` is sent
    when it would have arrived at that rate.
    """

    delay: float = 0.0
    never: bool = False
    refused: bool = False
    reset: bool = False
    closed: bool = False
    cut: int | None = None
    cut_by_reset: bool = False
    length: int | None = None
    rate: float | None = None
    chunk: int | None = None
    padding: int = 0

    def __post_init__(self) -> None:
        _require_seconds("delay", self.delay)
        if self.rate is not None and not (_is_number(self.rate) and 0 < self.rate < math.inf):
            raise ValueError(f"rate: must be a positive number of bytes per second; got {self.rate!r}")
        for name, least in (("cut", 0), ("length", 0), ("chunk", 1), ("padding", 0)):
            value: object = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise ValueError(f"{name}: must be an integer from {least} on; got {value!r}")
        given = [name for name in _INSTEAD if getattr(self, name)]
        body = [name for name in ("cut", "length", "rate") if getattr(self, name) is not None]
        if self.padding:
            body.append("padding")
        if len(given) > 1 or (given and body):
            raise ValueError(f"{' and '.join([*given, *body])}: contradictory; {given[0]} leaves no reply")
        if self.delay and (self.never or self.refused):
            raise ValueError(f"delay and {given[0]}: contradictory; a delay is followed by something")
        if self.cut is not None and self.length is not None:
            raise ValueError("cut and length: contradictory; a cut announces the size of the whole body")
        if self.cut_by_reset and self.cut is None:
            raise ValueError("cut_by_reset: needs cut, the number of bytes before the reset")
        if self.chunk is not None and self.rate is None:
            raise ValueError("chunk: needs rate, the number of bytes per second")

    @property
    def no_reply(self) -> bool:
        """Whether nothing of the reply is sent."""
        return self.never or self.refused or self.reset or self.closed

    def announced(self, size: int) -> int:
        """The content length of a reply with a body of this size."""
        return size + self.padding if self.length is None else self.length

    def sent(self, size: int) -> int:
        """The number of bytes that are sent for a body of this size."""
        size += self.padding
        return size if self.cut is None else min(self.cut, size)

    def ends_connection(self, size: int) -> bool:
        """Whether the connection ends after the reply, with a body of this size."""
        return self.no_reply or self.cut is not None or self.announced(size) != size + self.padding

    def looks_complete(self, size: int) -> bool:
        """Whether a client receives all bytes that are announced, with a body of this size."""
        return not self.no_reply and self.sent(size) >= self.announced(size)

    def pieces(self, body: bytes, most: int | None = None) -> Iterator[bytes]:
        """The bytes to send for this body, in pieces: each is preceded by a pause of `pause(piece)` seconds.

        `most`: at most this number of bytes, for a client that reads no more.
        """
        left = self.sent(len(body)) if most is None else min(self.sent(len(body)), most)
        size = self._chunk()
        view = memoryview(body)
        at = 0
        while left:
            if at == 0 and size is None and left >= len(body) > 0:
                piece = body
            elif at < len(body):
                piece = bytes(view[at : at + min(left, size or left)])
            else:
                piece = PADDING_PIECE[: min(left, size or left)]
            at += len(piece)
            left -= len(piece)
            yield piece

    def _chunk(self) -> int | None:
        if self.rate is None:
            return None
        return max(1, int(self.rate * CHUNK_SECONDS)) if self.chunk is None else self.chunk

    def pause(self, piece: bytes) -> float:
        """The number of seconds before this piece of the body is sent."""
        return 0.0 if self.rate is None else len(piece) / self.rate

    def describe(self) -> str:
        """One line for the journal and the log."""
        parts = [f"delayed by {self.delay:g} s"] if self.delay else []
        if self.never:
            parts.append("never sent")
        if self.refused:
            parts.append("connection refused")
        if self.reset:
            parts.append("connection reset instead")
        if self.closed:
            parts.append("connection closed instead")
        if self.padding:
            parts.append(f"padded with {self.padding} spaces")
        if self.length is not None:
            parts.append(f"announced as {self.length} B")
        if self.rate is not None:
            parts.append(f"sent at {self.rate:g} B/s")
        if self.cut is not None:
            parts.append(f"cut after {self.cut} B" + (" by a reset" if self.cut_by_reset else ""))
        return f"reply: {', '.join(parts) or 'sent as usual'}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_seconds(name: str, value: object) -> None:
    if not (isinstance(value, int | float) and _is_number(value) and 0 <= value < math.inf):
        raise ValueError(f"{name}: must be a finite number of seconds from 0 on; got {value!r}")
