"""Faults of a reply as data: its body, its time, its connection. `changed_replies` realises them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from msgspec import Struct

from kling_contracts.gateways import Refusal

# The forms of a garbled body, each with its description.
GARBLED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "json": "JSON that ends too early",
        "utf8": "text that is not UTF-8",
        "type": "the content type of a web page",
        "html": "a web page with status 200",
        "null": "the JSON value null",
        "empty": "an empty body",
    }
)
# How a connection can end instead of a reply.
LOST: Final = ("reset", "close", "timeout")
CUT: Final = ("close", "reset")


class ReplyStage(Enum):
    """The effect of a request whose reply has a fault."""

    INSTEAD = auto()  # the request has no effect, and gets another reply or none
    REPLY = auto()  # the request is answered as usual, accepted or refused; the reply is changed
    ACCEPTED = auto()  # as REPLY, but only requests that took effect


class ReplyFaultKind(NamedTuple):
    """A kind of fault: two with a common aspect contradict each other."""

    stage: ReplyStage
    aspects: frozenset[str]


class GivenReply(Struct, frozen=True):
    """The reply of `answers`: a body of the service (`refusal`), or these bytes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    refusal: Refusal | None = None


if TYPE_CHECKING:
    ReplyFaultValue = Any  # depends on the kind
else:  # the types that `stores.record_format` decodes
    ReplyFaultValue = None | int | float | str | tuple[Any, ...] | GivenReply


class ReplyFault(Struct, frozen=True):
    """A fault of one reply; `value` depends on the kind."""

    kind: str
    value: ReplyFaultValue = None

    @property
    def instead(self) -> bool:
        """Whether the request has no effect."""
        return KINDS[self.kind].stage is ReplyStage.INSTEAD

    def describe(self) -> str:
        value: object = self.value
        if isinstance(value, GivenReply):
            value = value.status, None if value.refusal is None else f"with code {value.refusal.code}"
        parts = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        shown = [f"{each:g}" if isinstance(each, float) else str(each) for each in parts if each is not None]
        return " ".join([self.kind, *shown])


def _kind(stage: ReplyStage, *aspects: str) -> ReplyFaultKind:
    return ReplyFaultKind(stage, frozenset(aspects))


# What remains of a reply without a delivery: nothing that other faults could change.
_NOTHING: Final = ("effect", "body", "size", "connection", "rate")
# The order is that of their application.
KINDS: Final[Mapping[str, ReplyFaultKind]] = MappingProxyType(
    {
        "answers": _kind(ReplyStage.INSTEAD, "effect", "body"),
        "garbles": _kind(ReplyStage.REPLY, "body", "size"),
        "pads": _kind(ReplyStage.REPLY, "size"),
        "delays": _kind(ReplyStage.REPLY, "delay"),
        "sends_slowly": _kind(ReplyStage.REPLY, "rate"),
        "cuts": _kind(ReplyStage.REPLY, "connection"),
        "misstates_length": _kind(ReplyStage.REPLY, "connection"),
        "resets": _kind(ReplyStage.INSTEAD, *_NOTHING),
        "disconnects": _kind(ReplyStage.INSTEAD, *_NOTHING),
        "times_out": _kind(ReplyStage.INSTEAD, *_NOTHING, "delay"),
        "refuses_connections": _kind(ReplyStage.INSTEAD, *_NOTHING, "delay"),
        "loses_reply": _kind(ReplyStage.ACCEPTED, *_NOTHING, "delay"),
    }
)
