"""Faulty replies, and the outcome of each for a client of httpx or httpx2, in process and over a socket."""

from __future__ import annotations

from typing import Any, NamedTuple

from kling_mock import Fake, Reply, Request
from kling_mock.delivery import Delivery
from kling_mock.doors.asgi import INLINE_BYTES
from kling_mock.http import JSON_TYPE, Headers
from tests.kling_mock.doors.http_libraries import Way

BODY = b'{"code":0,"data":"' + b"x" * 80 + b'"}'
SIZE = len(BODY)  # 100
GZIP = (JSON_TYPE, ("content-encoding", "gzip"))


class FaultyFake(Fake):
    """A fake whose replies all have one body, and the delivery that a test sets."""

    def __init__(self, delivery: Delivery | None = None, headers: Headers = (JSON_TYPE,)) -> None:
        super().__init__(body_cap=2 * INLINE_BYTES)
        self.delivery = delivery
        self.reply_headers = headers
        self.answered = 0

    def handle(self, request: Request) -> Reply:
        self.answered += 1
        return Reply(200, self.reply_headers, BODY, delivery=self.delivery)


class Case(NamedTuple):
    """A fault, and the expected outcome: the name of an exception, or the size of the body."""

    delivery: Delivery
    outcome: str | int
    headers: Headers = (JSON_TYPE,)

    @property
    def timeout(self) -> float:
        """The read timeout of the request in seconds."""
        return 0.1 if self.outcome == "ReadTimeout" else 10


CASES = {
    "as usual": Case(Delivery(), SIZE),
    "never": Case(Delivery(never=True), "ReadTimeout"),
    "delayed beyond the timeout": Case(Delivery(delay=30), "ReadTimeout"),
    "delayed within the timeout": Case(Delivery(delay=0.01), SIZE),
    "reset": Case(Delivery(reset=True), "ReadError"),
    "reset later": Case(Delivery(reset=True, delay=0.01), "ReadError"),
    "reset too late": Case(Delivery(reset=True, delay=30), "ReadTimeout"),
    "closed": Case(Delivery(closed=True), "RemoteProtocolError"),
    "closed later": Case(Delivery(closed=True, delay=0.01), "RemoteProtocolError"),
    "cut at once": Case(Delivery(cut=0), "RemoteProtocolError"),
    "cut": Case(Delivery(cut=10), "RemoteProtocolError"),
    "cut before the last byte": Case(Delivery(cut=SIZE - 1), "RemoteProtocolError"),
    "cut after the end": Case(Delivery(cut=SIZE), SIZE),
    "reset in the body": Case(Delivery(cut=10, cut_by_reset=True), "ReadError"),
    "reset before the body": Case(Delivery(cut=0, cut_by_reset=True), "ReadError"),
    "length too long": Case(Delivery(length=SIZE + 1), "RemoteProtocolError"),
    "length too short": Case(Delivery(length=50), 50),
    "length zero": Case(Delivery(length=0), 0),
    "slow": Case(Delivery(rate=2000, chunk=30), SIZE),
    "too slow": Case(Delivery(rate=10, chunk=10), "ReadTimeout"),
    "slow and cut": Case(Delivery(rate=2000, cut=50), "RemoteProtocolError"),
    "padded": Case(Delivery(padding=1_000_000), SIZE + 1_000_000),
    "padded and cut": Case(Delivery(padding=200_000, cut=100_000), "RemoteProtocolError"),
    "not compressed": Case(Delivery(cut=SIZE), "DecodingError", GZIP),
}


def outcome(way: Way, client: Any, url: str, timeout: float = 10) -> str | int:
    """The outcome of one request, of the form in a `Case`."""
    try:
        return len(way.send(client, "GET", url, timeout=timeout).content)
    except way.library.HTTPError as error:
        return type(error).__name__
