"""The vocabulary between flows, which decide, and drivers, which act.

A flow is a generator: it yields a step and is sent the outcome. It imports no HTTP library, never sleeps
and never awaits, so that one flow serves `Client` and `AsyncClient`, and a test needs only a list.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeAlias, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request. `timeout` is in seconds, for each of connecting, sending and receiving.

    A `private` call goes to the service and may take part in what an injected HTTP client adds; any other
    goes to a foreign host, with these headers and no others.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float
    private: bool
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a call; the outcome is the head of its answer, or why there is none."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """Read on; the outcome is some bytes of the body, none at its end, or why there are no more."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Show(Generic[T]):
    """Hand a value to the caller while the flow goes on."""

    value: T


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers (names in lower case) of an answer."""

    status: int
    headers: Mapping[str, str]

    @property
    def length(self) -> int | None:
        """Content-Length, if it is a sane number."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    @property
    def encoding(self) -> str:
        """The Content-Encoding that we did not ask for, or nothing."""
        encoding = self.headers.get("content-encoding", "").strip().lower()
        return "" if encoding == "identity" else encoding


class Stage(Enum):
    """How far a call got that was not answered."""

    IMPOSSIBLE = "it cannot be sent at all, now or later"
    UNSENT = "no connection came about: nothing was sent"
    SENT = "it was sent, at least in part"


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that was not answered, or not to the end. `error` is the library's own."""

    stage: Stage
    reason: str
    error: Exception | None = None


Step: TypeAlias = Send | Read | Sleep | Show[object]
Outcome: TypeAlias = Head | bytes | Failure | None
Flow: TypeAlias = Generator[Step, Outcome, T]


# A generator has one type for all that is sent into it; these say which outcome belongs to which step.


def send(call: Call) -> Flow[Head | Failure]:
    return cast("Head | Failure", (yield Send(call)))


def read() -> Flow[bytes | Failure]:
    return cast("bytes | Failure", (yield Read()))


def sleep(seconds: float) -> Flow[None]:
    yield Sleep(seconds)


def show(value: object) -> Flow[None]:
    yield Show(value)
