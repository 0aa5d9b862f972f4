"""The realisation of faults of a reply: the changes of its content, and its delivery. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, cast

from msgspec.structs import replace

from kling_contracts.vocabulary import ASSUMED
from kling_mock.delivery import Delivery
from kling_mock.http import Headers, Reply, json_reply, rule_header
from kling_mock.reply_faults import KINDS, GivenReply, ReplyFault

ANSWERS_RULE: Final = "script.answers"
HTML_TYPE: Final = ("content-type", "text/html; charset=utf-8")
LOGIN_PAGE: Final = b"<!doctype html><title>Sign in</title><p>Please sign in to use this network</p>"
# A body is compressed in pieces of this size; equal pieces are compressed once.
_PIECE: Final = b" " * 1_000_000

Parts = dict[str, Any]


def reply_instead(faults: Sequence[ReplyFault], request_id: str) -> Reply:
    """The reply to a request without effect. Without a given reply its status is 0: nothing is sent."""
    for fault in faults:
        if fault.kind == "answers":
            return _given(cast("GivenReply", fault.value), request_id)
    return Reply(0, (), b"")


def _given(given: GivenReply, request_id: str) -> Reply:
    mark = () if given.status < 400 else (rule_header(ANSWERS_RULE, ASSUMED, None),)
    headers = (*given.headers, *mark)
    if given.refusal is None:
        return Reply(given.status, headers, given.body)
    return json_reply(given.status, given.refusal.body(request_id), headers)


def with_faults(reply: Reply, faults: Sequence[ReplyFault]) -> Reply:
    """The reply with its faults."""
    parts: Parts = {}
    for fault in sorted(faults, key=lambda each: _ORDER[each.kind]):
        change = _CHANGES.get(fault.kind)
        if change is not None:
            reply = change(reply, fault.value, parts)
    return replace(reply, delivery=Delivery(**parts)) if parts else reply


def _garbled(reply: Reply, how: str, _: Parts) -> Reply:
    body = reply.body
    half = len(body) // 2
    match how:
        case "json":
            return replace(reply, body=body[:half])
        case "utf8":
            return replace(reply, body=body[:half] + b"\xff" + body[half:])
        case "type":
            return replace(reply, headers=_typed(reply.headers, HTML_TYPE[1]))
        case "html":
            return Reply(200, (HTML_TYPE,), LOGIN_PAGE)
        case "null":
            return replace(reply, body=b"null")
        case _:
            return replace(reply, body=b"")


def _typed(headers: Headers, media_type: str) -> Headers:
    return (*[pair for pair in headers if pair[0] != "content-type"], ("content-type", media_type))


def _padded(reply: Reply, value: tuple[int, bool], parts: Parts) -> Reply:
    size, compressed = value
    padding = max(size - len(reply.body), 0)
    if not compressed:
        parts["padding"] = padding
        return reply
    return replace(
        reply,
        headers=(*reply.headers, ("content-encoding", "gzip")),
        body=_gzip_header() + _compressed(reply.body, padding),
    )


def _gzip_header() -> bytes:
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time


@lru_cache(maxsize=1)
def _compressed_piece() -> bytes:
    """`_PIECE` as deflate blocks, which can be repeated: they refer to nothing before them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(_PIECE) + packer.flush(zlib.Z_FULL_FLUSH)


def _compressed(body: bytes, padding: int) -> bytes:
    """The body and this number of spaces after it, as the data and the trailer of gzip."""
    whole, rest = divmod(padding, len(_PIECE))
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(body + _PIECE[:rest]) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(body + _PIECE[:rest])
    for _ in range(whole):
        checksum = zlib.crc32(_PIECE, checksum)
    end = packer.flush(zlib.Z_FINISH)
    size = (len(body) + padding) & 0xFFFFFFFF
    trailer = checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return start + _compressed_piece() * whole + end + trailer


def _delayed(reply: Reply, seconds: float, parts: Parts) -> Reply:
    parts["delay"] = seconds
    return reply


def _slow(reply: Reply, value: tuple[float, int | None], parts: Parts) -> Reply:
    parts["rate"], parts["chunk"] = value
    return reply


def _cut(reply: Reply, value: tuple[int | None, str], parts: Parts) -> Reply:
    at, by = value
    size = len(reply.body) + parts.get("padding", 0)
    parts["cut"] = size // 2 if at is None else min(at, max(size - 1, 0))
    parts["cut_by_reset"] = by == "reset"
    return reply


def _misstated(reply: Reply, by: int, parts: Parts) -> Reply:
    parts["length"] = max(len(reply.body) + parts.get("padding", 0) + by, 0)
    return reply


def _lost(reply: Reply, by: str, parts: Parts) -> Reply:
    parts[_LOST_BY[by]] = True
    return reply


def _ends(part: str) -> Callable[[Reply, Any, Parts], Reply]:
    def change(reply: Reply, _: object, parts: Parts) -> Reply:
        parts[part] = True
        return reply

    return change


_LOST_BY: Final[Mapping[str, str]] = MappingProxyType(
    {"reset": "reset", "close": "closed", "timeout": "never"}
)
_ORDER: Final = {kind: position for position, kind in enumerate(KINDS)}
_CHANGES: Final[Mapping[str, Callable[[Reply, Any, Parts], Reply]]] = MappingProxyType(
    {
        "garbles": _garbled,
        "pads": _padded,
        "delays": _delayed,
        "sends_slowly": _slow,
        "cuts": _cut,
        "misstates_length": _misstated,
        "resets": _ends("reset"),
        "disconnects": _ends("closed"),
        "times_out": _ends("never"),
        "refuses_connections": _ends("refused"),
        "loses_reply": _lost,
    }
)
