"""`Delivery`: its validation, the bytes that it sends, and its description in the journal."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from kling_mock import Fake, Request, decisions, request_decisions
from kling_mock.delivery import PADDING_PIECE, Delivery
from kling_mock.http import Reply

BODY = bytes(range(100))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"delay": -1}, "delay: must be a finite number of seconds from 0 on; got -1"),
        ({"delay": math.nan}, "delay: must be a finite number"),
        ({"delay": math.inf}, "delay: must be a finite number"),
        ({"delay": True}, "delay: must be a finite number"),
        ({"delay": "1"}, "delay: must be a finite number.*got '1'"),
        ({"rate": 0}, "rate: must be a positive number of bytes per second; got 0"),
        ({"rate": math.inf}, "rate: must be a positive number"),
        ({"cut": -1}, "cut: must be an integer from 0 on; got -1"),
        ({"cut": 1.5}, "cut: must be an integer"),
        ({"cut": True}, "cut: must be an integer"),
        ({"length": -1}, "length: must be an integer from 0 on"),
        ({"padding": -1}, "padding: must be an integer from 0 on"),
        ({"rate": 1, "chunk": 0}, "chunk: must be an integer from 1 on"),
        ({"never": True, "reset": True}, "never and reset: contradictory"),
        ({"refused": True, "closed": True}, "refused and closed: contradictory"),
        ({"never": True, "cut": 0}, "never and cut: contradictory; never leaves no reply"),
        ({"closed": True, "rate": 5.0}, "closed and rate: contradictory"),
        ({"reset": True, "length": 0}, "reset and length: contradictory"),
        ({"refused": True, "padding": 1}, "refused and padding: contradictory"),
        ({"never": True, "delay": 1}, "delay and never: contradictory"),
        ({"refused": True, "delay": 1}, "delay and refused: contradictory"),
        ({"cut": 0, "length": 0}, "cut and length: contradictory"),
        ({"cut_by_reset": True}, "cut_by_reset: needs cut"),
        ({"chunk": 5}, "chunk: needs rate"),
    ],
)
def test_contradictions_are_errors(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Delivery(**parts)


@pytest.mark.parametrize(
    ("delivery", "sent", "announced", "ends"),
    [
        (Delivery(), BODY, 100, False),
        (Delivery(delay=1), BODY, 100, False),
        (Delivery(cut=0), b"", 100, True),
        (Delivery(cut=30), BODY[:30], 100, True),
        (Delivery(cut=300), BODY, 100, True),
        (Delivery(length=100), BODY, 100, False),
        (Delivery(length=101), BODY, 101, True),
        (Delivery(length=0), BODY, 0, True),
        (Delivery(padding=5), BODY + b"     ", 105, False),
        (Delivery(padding=5, cut=102), BODY + b"  ", 105, True),
        (Delivery(padding=5, length=100), BODY + b"     ", 100, True),
        (Delivery(rate=20.0), BODY, 100, False),
        (Delivery(rate=0.5), BODY, 100, False),
        (Delivery(rate=20.0, chunk=7, cut=20), BODY[:20], 100, True),
    ],
)
def test_the_bytes_of_a_body(delivery: Delivery, sent: bytes, announced: int, *, ends: bool) -> None:
    assert b"".join(delivery.pieces(BODY)) == sent
    assert b"".join(delivery.pieces(BODY, 11)) == sent[:11]
    assert delivery.sent(100) == len(sent)
    assert delivery.ends_connection(100) == ends
    assert delivery.looks_complete(100) == (len(sent) >= announced)
    assert dict(Reply(200, (), BODY, delivery=delivery).framed_headers) == {"content-length": str(announced)}


@pytest.mark.parametrize(
    ("delivery", "sizes", "pauses"),
    [
        (Delivery(), [100], [0]),
        (Delivery(rate=400.0), [40, 40, 20], [0.1, 0.1, 0.05]),
        (Delivery(rate=2.0, chunk=60), [60, 40], [30, 20]),
        (Delivery(rate=4.0, chunk=50, padding=10), [50, 50, 10], [12.5, 12.5, 2.5]),
        (Delivery(rate=1e9), [100], [1e-7]),
    ],
)
def test_the_pauses_of_a_slow_body(delivery: Delivery, sizes: list[int], pauses: list[float]) -> None:
    pieces = list(delivery.pieces(BODY))
    assert [len(piece) for piece in pieces] == sizes
    assert [delivery.pause(piece) for piece in pieces] == pauses


def test_padding_is_not_kept() -> None:
    """All pieces of 100 MB are the same object, but for the last one."""
    pieces = Delivery(padding=100_000_000).pieces(b"{}")
    assert next(pieces) == b"{}"
    assert {id(piece) for _, piece in zip(range(1000), pieces, strict=False)} == {id(PADDING_PIECE)}
    assert sum(map(len, pieces)) == 100_000_000 - 1000 * len(PADDING_PIECE)


@pytest.mark.parametrize(
    ("delivery", "note"),
    [
        (Delivery(), "reply: sent as usual"),
        (Delivery(never=True), "reply: never sent"),
        (Delivery(refused=True), "reply: connection refused"),
        (Delivery(delay=1.5, reset=True), "reply: delayed by 1.5 s, connection reset instead"),
        (Delivery(closed=True), "reply: connection closed instead"),
        (Delivery(rate=10.0, cut=5, cut_by_reset=True), "reply: sent at 10 B/s, cut after 5 B by a reset"),
        (
            Delivery(padding=7, length=3),
            "reply: padded with 7 spaces, announced as 3 B",
        ),
    ],
)
def test_the_journal_has_the_delivery(monkeypatch: pytest.MonkeyPatch, delivery: Delivery, note: str) -> None:
    """Before the other notes of the entry."""
    decide = decisions.decide

    def faulty(*arguments: Any) -> Any:
        decision = decide(*arguments)
        return replace(decision, reply=replace(decision.reply, delivery=delivery))

    monkeypatch.setattr(request_decisions, "decide", faulty)
    fake = Fake()
    reply = fake.handle(Request("GET", "/kling/v1/images/generations/1"))
    assert reply.delivery == delivery
    assert fake.calls[0].notes[0] == note
    fake.check()
