"""Requests that no HTTP library would send, written to the socket as bytes."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from functools import partial

import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake
from kling_mock.doors.asgi import ASGIApp
from tests.kling_mock.doors.raw_client import Response, connected, send_raw

Talk = Callable[[bytes], Response]

CREATE = COMETAPI.create_path.encode()
HEAD = b"Host: localhost\r\nAuthorization: Bearer sk-raw\r\nConnection: close\r\n"


@pytest.fixture
def fake(served: tuple[ASGIApp, str]) -> Fake:
    app, _ = served
    app.fake = Fake(keys=["sk-raw"])
    return app.fake


@pytest.fixture
def talk(served: tuple[ASGIApp, str], fake: Fake) -> Talk:
    """`send_raw` to the server of the fake."""
    return partial(send_raw, served[1])


NOT_HTTP = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown method": b"FOO %b HTTP/1.1\r\n%b\r\n" % (CREATE, HEAD),
    "a method in lower case": b"get %b HTTP/1.1\r\n%b\r\n" % (CREATE, HEAD),
    "CONNECT": b"CONNECT api.cometapi.com:443 HTTP/1.1\r\n%b\r\n" % HEAD,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bytes beyond ASCII in the path": b"GET %b/\xff\xfe HTTP/1.1\r\n%b\r\n" % (CREATE, HEAD),
    "a path of 70 kB": b"GET /%b HTTP/1.1\r\n%b\r\n" % (b"a" * 70_000, HEAD),
    "no path": b"GET  HTTP/1.1\r\n%b\r\n" % HEAD,
    "a path that does not begin": b"GET kling HTTP/1.1\r\n%b\r\n" % HEAD,
    "a broken absolute target": b"GET http://[::1/x HTTP/1.1\r\n%b\r\n" % HEAD,
    "a header without a colon": b"GET / HTTP/1.1\r\nHost localhost\r\n%b\r\n" % HEAD,
    "two lengths": b"POST %b HTTP/1.1\r\n%bContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" % (CREATE, HEAD),
    "a negative length": b"POST %b HTTP/1.1\r\n%bContent-Length: -1\r\n\r\n{}" % (CREATE, HEAD),
    "a chunk of no size": b"POST %b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    % (CREATE, HEAD),
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP)
def test_invalid_http_is_refused_below_the_service(talk: Talk, fake: Fake, data: bytes) -> None:
    """400 by the web server, as in front of the real service; it never reaches the fake."""
    status, _, _ = talk(data)
    assert status == 400
    assert fake.tasks == ()
    assert all(call.status < 500 for call in fake.calls)
    assert talk(b"GET /_mock/health HTTP/1.1\r\n%b\r\n" % HEAD)[0] == 200
    fake.check()


@pytest.mark.parametrize("method", ["PROPFIND", "M-SEARCH", "LOCK", "PURGE", "TRACE", "OPTIONS"])
def test_odd_methods_that_http_knows_are_a_405(talk: Talk, method: str) -> None:
    status, headers, body = talk(b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), CREATE, HEAD))
    assert (status, headers["allow"]) == (405, "post")
    assert method in json.loads(body)["error"]["message"]


def test_options_of_everything_is_a_404(talk: Talk) -> None:
    status, _, body = talk(b"OPTIONS * HTTP/1.1\r\n%b\r\n" % HEAD)
    assert (status, json.loads(body)["code"]) == (404, 1203)


def test_an_absolute_target_is_its_path(talk: Talk, fake: Fake) -> None:
    """As a proxy sends it."""
    status, _, _ = talk(b"GET http://api.cometapi.com%b/5?x=1 HTTP/1.1\r\n%b\r\n" % (CREATE, HEAD))
    assert status == 400
    assert [(call.path, call.rule) for call in fake.calls] == [(f"{CREATE.decode()}/5", "task.exists")]


def test_http_1_0_without_a_host_is_answered(talk: Talk, fake: Fake, good_body: bytes) -> None:
    """Result URLs then begin with the address of the server itself."""
    status, _, _ = talk(
        b"POST %b HTTP/1.0\r\nAuthorization: Bearer sk-raw\r\nContent-Length: %d\r\n\r\n%b"
        % (CREATE, len(good_body), good_body)
    )
    assert status == 200
    fake.task.succeed()
    assert fake.task.images[0].startswith("http://127.0.0.1:")


def test_a_request_to_become_a_websocket_is_answered_as_what_it_is_otherwise(talk: Talk) -> None:
    """The service has none, and whether a websocket library is installed must not matter."""
    status, _, body = talk(
        b"GET %b/1 HTTP/1.1\r\n%bUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n"
        % (CREATE, HEAD.replace(b"close", b"Upgrade, close"))
    )
    assert (status, json.loads(body)["code"]) == (400, "task_not_exist")


def test_half_a_body_creates_nothing(served: tuple[ASGIApp, str], fake: Fake, good_body: bytes) -> None:
    """The client has announced more than it sent before it left."""
    head = b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (CREATE, HEAD, len(good_body) + 1)
    with connected(served[1]) as client:
        client.send(head + good_body)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest() == b""
    assert fake.tasks == ()


@pytest.mark.parametrize("cut", [1, 50])
def test_a_chunked_body_is_put_together(talk: Talk, fake: Fake, good_body: bytes, cut: int) -> None:
    """With chunk extensions, in upper-case hexadecimal, and a trailer that is ignored."""
    pieces = [good_body[at : at + cut] for at in range(0, len(good_body), cut)]
    chunks = b"".join(b"%X;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    status, _, _ = talk(
        b"POST %b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n%b0\r\nx-trailer: 1\r\n\r\n"
        % (CREATE, HEAD, chunks)
    )
    assert status == 200
    assert len(fake.task.request.subjects) == 2


@pytest.mark.parametrize("keys", [b"Bearer sk-raw, Bearer sk-raw", b"Bearer   ", b"Bearer \xff\xfe", b"\t"])
def test_odd_keys_are_a_401(talk: Talk, keys: bytes) -> None:
    """Bytes that httpx refuses to send among them."""
    status, _, body = talk(
        b"GET %b/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: %b\r\n\r\n"
        % (CREATE, keys)
    )
    assert (status, json.loads(body)["error"]["type"]) == (401, "comet_api_error")


def test_requests_sent_in_one_go_are_answered_in_order(talk: Talk, fake: Fake) -> None:
    """Pipelining: rare, and easy to get wrong."""
    more = b"GET %b/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-raw\r\n\r\n" % CREATE
    talk(more + more + b"GET %b/2 HTTP/1.1\r\n%b\r\n" % (CREATE, HEAD))
    assert [call.path[-1] for call in fake.calls] == ["1", "1", "2"]
