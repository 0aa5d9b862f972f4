"""How a client in this process receives a reply with a delivery: data and failures, and the time before each.

An HTTP library waits for each arrival at most for the read timeout of its request. Here nothing is waited for
that ends in a timeout: the failure is immediate. While sleeps are skipped, the timeout passes on the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from kling_contracts.virtual_time.functions import here
from kling_mock.delivery import Delivery


class Failure(Enum):
    """How an exchange fails. Each library has its own exceptions for these."""

    TIMEOUT = auto()  # the read timeout has passed
    REFUSED = auto()  # a connection is not established
    RESET = auto()  # RST, before the reply or within its body
    CLOSED = auto()  # FIN before the reply
    CUT = auto()  # FIN within the body


class Arrival(NamedTuple):
    """The next part of a reply: `seconds` after the previous one, data or a failure with its text."""

    seconds: float
    data: bytes = b""
    failure: Failure | None = None
    text: str = ""


_REFUSED = Arrival(0, b"", Failure.REFUSED, "[Errno 111] Connection refused")
_RESET = "[Errno 104] Connection reset by peer"
_CLOSED = "Server disconnected without sending a response."
_ENDLESS = (
    "this request is never answered, and it has no read timeout, so its client would wait forever: give the "
    "client a timeout"
)


def head_arrival(delivery: Delivery, timeout: float | None) -> Arrival:
    """The arrival of the head of the reply, or the failure instead; `timeout` in seconds."""
    if delivery.refused:
        return _REFUSED
    if delivery.never:
        return Arrival(0, b"", Failure.TIMEOUT, _ENDLESS) if timeout is None else _timed_out(timeout)
    if timeout is not None and delivery.delay > timeout:
        return _timed_out(timeout)
    if delivery.reset:
        return Arrival(delivery.delay, b"", Failure.RESET, _RESET)
    if delivery.closed:
        return Arrival(delivery.delay, b"", Failure.CLOSED, _CLOSED)
    return Arrival(delivery.delay)


def body_arrivals(delivery: Delivery, body: bytes, timeout: float | None) -> Iterator[Arrival]:
    """The arrivals of the body up to its announced length, or up to a failure."""
    announced = delivery.announced(len(body))
    received = 0
    for piece in delivery.pieces(body, announced):
        pause = delivery.pause(piece)
        if timeout is not None and pause > timeout:
            yield _timed_out(timeout)
            return
        received += len(piece)
        yield Arrival(pause, piece)
    if received == announced:
        return
    if delivery.cut_by_reset:
        yield Arrival(0, b"", Failure.RESET, _RESET)
        return
    # The text of httpx over a socket.
    text = (
        "peer closed connection without sending complete message body "
        f"(received {received} bytes, expected {announced})"
    )
    yield Arrival(0, b"", Failure.CUT, text)


def _timed_out(timeout: float) -> Arrival:
    # A skipped sleep moves the clock of the fake, as the timeout would have done.
    seconds = 0 if here() is None else timeout
    return Arrival(seconds, b"", Failure.TIMEOUT, f"no response within {timeout:g} s")
