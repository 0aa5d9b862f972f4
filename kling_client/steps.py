"""The steps that a flow yields, and the outcomes that a driver sends back.

A flow is a generator: it yields a step and receives its outcome. It imports no HTTP library, never sleeps
and never awaits, so `Client` and `AsyncClient` share it, and a test can drive it with a list of outcomes.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeAlias, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request. `timeout` is in seconds, for a single network operation.

    `total`: seconds for the whole call, or for the time after its body was sent (default: `timeout`).
    A `private` call goes to the service, with the default headers, cookies and parameters of an injected HTTP
    client. Any other call goes to another host, with these headers only.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float
    private: bool
    content: bytes | None = field(default=None, repr=False)
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send a call. Outcome: the Head of the response, or a Failure."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """Read the next chunk of the body. Outcome: bytes (empty at the end), or a Failure."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Sleep for some seconds. Outcome: None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Show(Generic[T]):
    """Yield a value to the caller; the flow continues. Outcome: None."""

    value: T


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers (names in lower case) of a response."""

    status: int
    headers: Mapping[str, str]

    @property
    def length(self) -> int | None:
        """Content-Length, or None if it is missing or not a plausible number."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    @property
    def encoding(self) -> str:
        """The Content-Encoding, empty for `identity`. The client never requests another."""
        encoding = self.headers.get("content-encoding", "").strip().lower()
        return "" if encoding == "identity" else encoding


class Stage(Enum):
    """The stage at which a call failed. The values are texts for messages."""

    IMPOSSIBLE = "the request is invalid and cannot be sent"
    UNSENT = "no connection, nothing was sent; check the base URL and the network"
    SENT = "the request was sent, at least in part"


@dataclass(frozen=True, slots=True)
class Failure:
    """A call without a complete response. `error` is the exception of the HTTP library."""

    stage: Stage
    reason: str
    error: Exception | None = None


Step: TypeAlias = Send | Read | Sleep | Show[object]
Outcome: TypeAlias = Head | bytes | Failure | None
Flow: TypeAlias = Generator[Step, Outcome, T]


# A generator has one type for everything sent into it; these functions narrow it to the step's outcome.


def send(call: Call) -> Flow[Head | Failure]:
    return cast("Head | Failure", (yield Send(call)))


def read() -> Flow[bytes | Failure]:
    return cast("bytes | Failure", (yield Read()))


def sleep(seconds: float) -> Flow[None]:
    yield Sleep(seconds)


def show(value: object) -> Flow[None]:
    yield Show(value)
