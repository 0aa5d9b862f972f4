"""Replies that scripts give, garble and pad."""

from __future__ import annotations

import gzip
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from kling_contracts.gateways import COMETAPI, RefusalReason
from kling_contracts.vocabulary import ERRORS
from kling_mock import Reply
from kling_mock.changed_replies import with_faults
from kling_mock.delivery import Delivery
from kling_mock.reply_faults import GivenReply, ReplyFault
from kling_mock.scripts.given_replies import CODE_OF_STATUS
from tests.kling_mock.reading import body_of

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller


@pytest.mark.parametrize("status", [*CODE_OF_STATUS, 502, 524, 599, 200, 204, 304])
def test_bodies_of_answers(status: int, caller: Caller) -> None:
    """Those of the service by code, a page of a proxy for other errors."""
    if status == 200:
        caller.fake.next_query.answers(200, 1302)
    else:
        caller.fake.next_query.answers(status)
    reply = caller.poll("1")
    assert reply.status == status
    if status in CODE_OF_STATUS or status == 200:
        body = body_of(reply)
        assert body["code"] == CODE_OF_STATUS.get(status, 1302)
        assert body["message"] == ERRORS[body["code"]].wording
        assert len(body["request_id"]) == 36
    elif status > 400:
        assert reply.content_type == "text/html; charset=utf-8"
        assert str(status) in reply.body.decode()
    else:
        assert reply.body == b""
    assert (dict(reply.headers).get("retry-after") == "1") is (status == HTTPStatus.TOO_MANY_REQUESTS)
    assert ("x-kling-mock-rule" in dict(reply.headers)) is (status >= 400)


def test_the_journal_has_the_rule_of_an_error_that_answers_a_create(caller: Caller) -> None:
    rules = {}
    for status in (200, 399, 400, 503):
        caller.fake.next.answers(status, body="")
        reply = caller.ask()
        assert reply.status == status
        assert ("x-kling-mock-rule" in dict(reply.headers)) is (status >= 400)
        rules[status] = caller.fake.calls[-1].rule
    assert rules == {200: None, 399: None, 400: "script.answers", 503: "script.answers"}


def test_a_garbled_type_replaces_no_other_header() -> None:
    headers = (("allow", "GET"), ("content-type", "application/json"), ("x-other", "1"))
    found = with_faults(Reply(405, headers, b"{}"), [ReplyFault("garbles", "type")]).headers
    assert sorted(found) == [headers[0], ("content-type", "text/html; charset=utf-8"), headers[2]]


def test_bytes_until_a_cut_and_announced_lengths() -> None:
    """Of a body of 10 bytes; with padding, of 30."""
    pads = ReplyFault("pads", (30, False))
    for faults, expected in (
        ([ReplyFault("cuts", (None, "close"))], Delivery(cut=5)),
        ([ReplyFault("cuts", (3, "reset"))], Delivery(cut=3, cut_by_reset=True)),
        ([ReplyFault("cuts", (99, "close"))], Delivery(cut=9)),
        ([ReplyFault("cuts", (None, "close")), pads], Delivery(cut=15, padding=20)),
        ([ReplyFault("cuts", (99, "close")), pads], Delivery(cut=29, padding=20)),
        ([ReplyFault("misstates_length", 5)], Delivery(length=15)),
        ([ReplyFault("misstates_length", -99)], Delivery(length=0)),
        ([ReplyFault("misstates_length", 5), pads], Delivery(length=35, padding=20)),
    ):
        assert with_faults(Reply(200, (), b"0123456789"), faults).delivery == expected
    empty = with_faults(Reply(200, (), b""), [ReplyFault("cuts", (5, "close"))])
    assert empty.delivery == Delivery(cut=0)


def test_descriptions_of_faults() -> None:
    refusal = COMETAPI.refusals[RefusalReason.TOO_MANY]
    for fault, text in (
        (ReplyFault("resets"), "resets"),
        (ReplyFault("delays", 2.0), "delays 2"),
        (ReplyFault("delays", 0.25), "delays 0.25"),
        (ReplyFault("cuts", (None, "close")), "cuts close"),
        (ReplyFault("cuts", (3, "reset")), "cuts 3 reset"),
        (ReplyFault("answers", GivenReply(503, (), b"")), "answers 503"),
        (ReplyFault("answers", GivenReply(429, (), b"", refusal)), f"answers 429 with code {refusal.code}"),
    ):
        assert fault.describe() == text


@pytest.mark.parametrize(
    ("body", "media_type", "content"),
    [
        ({"code": 0}, "application/json", b'{"code":0}'),
        ([1], "application/json", b"[1]"),
        ("<p>", "text/html; charset=utf-8", b"<p>"),
        ("no", "text/plain; charset=utf-8", b"no"),
        (b"\0", "application/octet-stream", b"\0"),
        ("", "text/plain; charset=utf-8", b""),
    ],
)
def test_given_bodies(body: Any, media_type: str, content: bytes, caller: Caller) -> None:
    caller.fake.next_query.answers(200, body=body).times(1)
    reply = caller.poll("1")
    assert (reply.content_type, reply.body) == (media_type, content)
    caller.fake.next_query.answers(200, body=body, headers={"Content-Type": "x/y", "Retry-After": "9"})
    assert dict(caller.poll("1").headers) == {"content-type": "x/y", "retry-after": "9"}


def test_garbled_replies(caller: Caller) -> None:
    task = caller.make()
    forms: dict[str, Reply] = {}
    for how in ("json", "utf8", "type", "html", "null", "empty"):
        caller.fake.next_query.garbles(how)
        forms[how] = caller.poll(task.id)
    with pytest.raises(json.JSONDecodeError):
        forms["json"].json()
    with pytest.raises(UnicodeDecodeError):
        forms["utf8"].json()
    assert forms["type"].content_type == forms["html"].content_type == "text/html; charset=utf-8"
    assert body_of(forms["type"])["code"] == 0
    assert forms["html"].body.startswith(b"<!doctype html>")
    assert forms["null"].json() is None
    assert forms["empty"].body == b""
    assert {each.status for each in forms.values()} == {200}
    assert task.polls == 6


@pytest.mark.parametrize("to", [1, 1000, 999_999, 1_000_000, 3_000_001])
def test_compressed_padding(to: int, caller: Caller) -> None:
    """The body with spaces after it, as valid gzip."""
    task = caller.make()
    caller.fake.next_query.pads(to, compressed=True)
    reply = caller.poll(task.id)
    assert dict(reply.headers)["content-encoding"] == "gzip"
    plain = gzip.decompress(reply.body)
    assert len(plain) == max(to, len(plain.rstrip(b" ")))
    assert json.loads(plain)["data"]["task_id"] == task.id
    assert reply.delivery is None


def test_a_bomb_is_small_on_the_wire(caller: Caller) -> None:
    caller.fake.next_query.answers(500).pads(compressed=True)
    assert len(caller.poll("1").body) < 500_000
    caller.fake.next_query.answers(500).pads()
    reply = caller.poll("1")
    assert reply.length == 100_000_000
    assert len(reply.body) < 1000
