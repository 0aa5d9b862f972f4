"""The ASGI application, called directly: no server or client in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import httpx
import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake
from kling_mock.doors.asgi import ASGIApp
from kling_mock.doors.limits import DRAINED_CAPS

Build = Callable[..., httpx.Request]
Message = MutableMapping[str, Any]

CREATE = COMETAPI.create_path
KEY = (b"authorization", b"Bearer sk-asgi")


def scope(path: str = CREATE, method: str = "POST", **parts: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"here:1"), KEY],
        "server": ("127.0.0.1", 8000),
    } | parts


class Wire:
    """The messages that a server would pass to the application, and those that it sent."""

    def __init__(self, messages: Iterable[Message], *, broken: bool = False) -> None:
        self._messages = iter(messages)
        self._broken = broken
        self.received = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        self.received += 1
        message = next(self._messages, None)
        if message is None:
            raise AssertionError("the app waits for a message that never comes")
        return message

    async def send(self, message: Message) -> None:
        if self._broken:
            raise ConnectionResetError("the client has gone")
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def body_of(*chunks: bytes) -> list[Message]:
    last = len(chunks) - 1
    return [
        {"type": "http.request", "body": chunk, "more_body": at < last} for at, chunk in enumerate(chunks)
    ]


def run(app: ASGIApp, of: dict[str, Any], messages: Iterable[Message], *, broken: bool = False) -> Wire:
    wire = Wire(messages, broken=broken)
    asyncio.run(app(of, wire.receive, wire.send))
    return wire


def test_a_body_comes_in_any_number_of_chunks(good_body: bytes) -> None:
    """Empty ones among them, and one without a body at all."""
    fake = Fake()
    chunks: list[Message] = [
        {"type": "http.request", "more_body": True},
        *body_of(*(good_body[at : at + 1] for at in range(len(good_body))), b""),
    ]
    wire = run(fake.asgi(), scope(), chunks)
    assert wire.status == 200
    assert wire.received == len(good_body) + 2
    assert fake.task.polls == 0


def test_the_answer_is_framed(good_body: bytes) -> None:
    """Two messages; bytes for names and values; the length of the body."""
    wire = run(Fake().asgi(), scope(), body_of(good_body))
    start, body = wire.sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == str(len(wire.body)).encode()
    assert not body.get("more_body")


def test_head_keeps_the_length_and_not_the_body(good_body: bytes) -> None:
    fake = Fake(pace="instant")
    app = fake.asgi()
    run(app, scope(), body_of(good_body))
    path = httpx.URL(fake.task.images[0]).path
    whole = run(app, scope(path, "GET"), body_of(b""))
    head = run(app, scope(path, "HEAD"), body_of(b""))
    assert whole.body.startswith(b"\x89PNG")
    assert head.body == b""
    assert head.sent[0] == whole.sent[0]


@pytest.mark.parametrize("left", [b"", b'{"subject'])
def test_a_client_that_leaves_before_the_end_of_its_body_creates_nothing(left: bytes) -> None:
    """And sends no response."""
    fake = Fake()
    messages: list[Message] = [
        {"type": "http.request", "body": left, "more_body": True},
        {"type": "http.disconnect"},
    ]
    wire = run(fake.asgi(), scope(), messages)
    assert wire.sent == []
    assert fake.tasks == ()
    assert len(fake.calls) == 0
    fake.check()


def test_a_client_that_leaves_before_the_answer_has_its_task_all_the_same(good_body: bytes) -> None:
    """As with the real service: the create took effect. The error is the server's, no bug of the fake."""
    fake = Fake()
    app = fake.asgi()
    with pytest.raises(ConnectionResetError):
        run(app, scope(), body_of(good_body), broken=True)
    fake.check()
    polled = run(app, scope(f"{CREATE}/{fake.task.id}", "GET"), body_of(b""))
    assert polled.status == 200


def test_a_body_over_the_cap_is_read_to_its_end_and_refused() -> None:
    """So that a client that sends first and reads then gets to read the refusal."""
    fake = Fake(body_cap=1000)
    wire = run(fake.asgi(), scope(), body_of(*[b"x" * 500] * 5))
    assert (wire.status, wire.received) == (413, 5)
    assert fake.tasks == ()


def test_a_body_without_end_is_not_read_for_ever() -> None:
    """The response is sent after a few times the cap, even if more data follows."""
    fake = Fake(body_cap=1000)
    endless = ({"type": "http.request", "body": b"x" * 500, "more_body": True} for _ in range(10**6))
    wire = run(fake.asgi(), scope(), endless)
    assert wire.status == 413
    assert wire.received == 1000 * DRAINED_CAPS // 500 + 1


@pytest.mark.parametrize(("size", "status"), [(1000, 400), (1001, 413)])
def test_the_cap_itself_is_allowed(size: int, status: int) -> None:
    wire = run(Fake(body_cap=1000).asgi(), scope(), body_of(b" " * size))
    assert wire.status == status


def test_the_path_is_taken_as_it_was_sent() -> None:
    """A decoded `%2F` would be two segments, and so another path."""
    fake = Fake()
    raw = f"{CREATE}/a%2Fb%C3%A9".encode()
    run(fake.asgi(), scope(f"{CREATE}/a/bé", "GET", raw_path=raw), body_of(b""))
    assert [call.path for call in fake.calls] == [raw.decode()]
    assert fake.calls[0].rule == "task.exists"


@pytest.mark.parametrize("missing", [{"raw_path": None}, {}])
def test_a_server_that_does_not_tell_the_raw_path_is_served_too(missing: dict[str, object]) -> None:
    """It is optional in ASGI: then the decoded path is encoded again."""
    fake = Fake()
    of = scope(f"{CREATE}/bé 1", "GET")
    del of["raw_path"]
    run(fake.asgi(), of | missing, body_of(b""))
    assert [call.path for call in fake.calls] == [f"{CREATE}/b%C3%A9%201"]


@pytest.mark.parametrize(
    ("headers", "server", "origin"),
    [
        ([(b"host", b"kling.test:81")], ("127.0.0.1", 8000), "http://kling.test:81"),
        ([], ("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        ([(b"host", b"")], ("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        ([(b"host", b"  ")], ("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        ([], ("::1", 8000), "http://[::1]:8000"),
        ([], ("/run/kling.sock", None), "http://127.0.0.1"),
        ([], None, "http://127.0.0.1"),
    ],
)
def test_result_urls_begin_where_the_client_called(
    good_body: bytes, headers: list[tuple[bytes, bytes]], server: object, origin: str
) -> None:
    """By its Host header; without one (HTTP/1.0) by the address of the server."""
    fake = Fake(pace="instant")
    run(fake.asgi(), scope(headers=[*headers, KEY], server=server), body_of(good_body))
    (image,) = fake.task.images
    assert image.startswith(f"{origin}/bs2/")


def test_the_scheme_is_that_of_the_request(good_body: bytes) -> None:
    fake = Fake(pace="instant")
    run(fake.asgi(), scope(scheme="https"), body_of(good_body))
    assert fake.task.images[0].startswith("https://here:1/")


def test_lifespan_is_followed_to_its_end() -> None:
    """For servers that insist on it."""
    messages: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    wire = run(Fake().asgi(), {"type": "lifespan"}, messages)
    assert [message["type"] for message in wire.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_a_websocket_is_closed() -> None:
    """The service has none."""
    wire = run(Fake().asgi(), {"type": "websocket", "path": "/"}, [{"type": "websocket.connect"}])
    assert [message["type"] for message in wire.sent] == ["websocket.close"]


def test_the_fake_behind_an_app_can_be_changed(good_body: bytes) -> None:
    """A request belongs to the fake that was there when it came, however long its body takes."""
    first, second = Fake(), Fake()
    app = first.asgi()

    def change() -> Iterable[Message]:
        half, rest = body_of(good_body[:10], good_body[10:])
        yield half
        app.fake = second
        yield rest

    assert run(app, scope(), change()).status == 200
    assert run(app, scope(f"{CREATE}/1", "GET"), body_of(b"")).status == 400
    assert (len(first.calls), len(second.calls)) == (1, 1)


def test_errors_are_answered_in_json(good_body: bytes) -> None:
    """Also where a scope has headers in bytes that are no ASCII."""
    odd = [(b"host", b"\xff"), (b"x-odd", b"\x80\xff"), (b"authorization", b"Bearer \xff")]
    fake = Fake(keys=["sk-asgi"])
    wire = run(fake.asgi(), scope(headers=odd), body_of(good_body))
    assert wire.status == 401
    assert json.loads(wire.body)["error"]["type"] == "comet_api_error"
    fake.check()
