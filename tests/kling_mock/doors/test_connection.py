"""The protocol of the socket server, by bytes: order of replies, upgrades, framing, limits, timeouts."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kling_mock import Fake, Reply, Request
from kling_mock.doors.asgi import INLINE_BYTES, ASGIApp
from kling_mock.doors.limits import Limits
from kling_mock.doors.server import Server
from tests.kling_mock.doors.raw_client import CREATE, KEY, RawClient, connected, wait_for

QUICK = Limits(keep_alive=0.3, header_seconds=0.3, body_seconds=0.3, write_seconds=0.3, linger_seconds=0.3)


class Control:
    """An application for `/_mock/`: the path selects its behaviour, and `go_on` ends the slow ones."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.disconnected = threading.Event()
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/_mock/")
        self.seen.append(path)
        body = (await receive())["body"]
        if path == "fails":
            raise ZeroDivisionError
        if path.startswith("slow"):
            while not self.go_on.is_set():  # noqa: ASYNC110 -- it is set by another thread
                await asyncio.sleep(0.005)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", path.encode())]})
        if path == "cut":
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise ZeroDivisionError
        if path == "events":
            await send({"type": "http.response.body", "body": b"event", "more_body": True})
            assert (await receive())["type"] == "http.disconnect"
            self.disconnected.set()
        await send({"type": "http.response.body", "body": path.encode() + body})


@contextmanager
def serving(
    limits: Limits | None = None, **switches: Any
) -> Generator[tuple[Fake, Control, Callable[[], Any]]]:
    fake, control = Fake(keys=["sk-raw"], pace="instant", **switches), Control()
    with Server(ASGIApp(fake, control), limits=limits or Limits()) as server:
        yield fake, control, lambda: connected(server.url)
        control.go_on.set()
    fake.check()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    return caplog


@pytest.fixture
def served() -> Iterator[tuple[Fake, Control, Callable[[], Any]]]:
    with serving() as parts:
        yield parts


Served = tuple[Fake, Control, Callable[[], Any]]
PATHS = [f"{CREATE}/1", "/_mock/a", "/_mock/slow", f"{CREATE}/2", "/_mock/b", "/", f"{CREATE}/3", "/_mock/c"]


def label(body: bytes, headers: dict[str, str]) -> str:
    return headers.get("x-path") or ("index" if b"<!doctype" in body else str(json.loads(body)["code"]))


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_replies_leave_in_the_order_of_the_requests(served: Served, piece: int) -> None:
    """Whichever way each is answered, and wherever the bytes are cut."""
    _, control, connect = served
    data = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\n\r\n" for path in PATHS).encode()
    with connect() as client:
        for at in range(0, len(data), piece):
            client.send(data[at : at + piece])
        first = [client.read() for _ in range(2)]
        assert client.silent(0.05)
        control.go_on.set()
        replies = first + [client.read() for _ in range(len(PATHS) - 2)]
    assert [label(each.body, each.headers) for each in replies] == [
        "task_not_exist",
        "a",
        "slow",
        "task_not_exist",
        "b",
        "1203",
        "task_not_exist",
        "c",
    ]


def test_a_heavy_request_is_not_overtaken(served: Served, good_body: bytes) -> None:
    """It is answered by a thread, those behind it in the event loop."""
    fake, _, connect = served
    heavy = good_body[:-1] + b" " * INLINE_BYTES + b"}"
    with connect() as client:
        client.request("POST", CREATE, body=heavy)
        client.request("GET", f"{CREATE}/1")
        client.request("GET", "/_mock/a")
        replies = [client.read() for _ in range(3)]
    assert [label(each.body, each.headers) for each in replies] == ["0", "task_not_exist", "a"]
    assert len(fake.tasks) == 1


def test_thousands_of_pipelined_requests_are_all_answered(served: Served) -> None:
    """More than fit in one turn, one read and the buffers of the sockets."""
    _, _, connect = served
    count = 3000
    with connect() as client:
        data = f"GET {CREATE}/1 HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\n\r\n".encode() * count
        threading.Thread(target=client.send, args=(data,)).start()
        assert {client.read().status for _ in range(count)} == {400}
        client.request("GET", "/_mock/a")
        assert client.read().body == b"a"


# -- upgrades

OFFERS = {
    "Java": [
        "Connection: Upgrade, HTTP2-Settings",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    ],
    "curl": ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"],
    "with keep-alive": ["Connection: keep-alive, Upgrade"],
    "twice": ["Connection: Upgrade", "Connection: keep-alive", "Upgrade: foo/2"],
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("token", ["h2c", "websocket", "TLS/1.0"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("piece", [1, 100_000])
def test_an_upgrade_offer_is_ignored_and_the_body_read(
    served: Served, good_body: bytes, offer: list[str], token: str, *, chunked: bool, piece: int
) -> None:
    """Also where requests follow; the next one may offer again."""
    fake, _, connect = served
    body = b"%x\r\n%b\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(good_body), good_body) if chunked else good_body
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    lines = [f"POST {CREATE} HTTP/1.1", "Host: localhost", KEY, f"Upgrade: {token}", *offer, framing, "", ""]
    data = ("\r\n".join(lines).encode() + body) * 2
    with connect() as client:
        for at in range(0, len(data), piece):
            client.send(data[at : at + piece])
        client.request("GET", f"{CREATE}/1")
        assert [client.read().status for _ in range(3)] == [200, 200, 400]
    assert len(fake.tasks) == 2
    headers = dict(fake.calls[0].headers)
    assert {"upgrade", "http2-settings", "x-trailer"}.isdisjoint(headers)


def test_an_upgrade_offer_without_a_body_and_with_close(served: Served) -> None:
    _, _, connect = served
    with connect() as client:
        client.request("GET", "/_mock/a", "Upgrade: h2c", "Connection: close, Upgrade")
        reply = client.read()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert client.rest() == b""


# -- framing


def test_trailers_are_not_headers(served: Served, good_body: bytes) -> None:
    """Here one that would be a second key."""
    fake, _, connect = served
    chunk = b"%x\r\n%b\r\n0\r\nAuthorization: Bearer other\r\nX-Late: 1\r\n\r\n" % (len(good_body), good_body)
    with connect() as client:
        client.request("POST", CREATE, "Transfer-Encoding: chunked", body=chunk)
        assert client.read().status == 200
    assert "x-late" not in dict(fake.calls[0].headers)


@pytest.mark.parametrize("path", [f"{CREATE}/1", "/_mock/a", "/"])
def test_http_1_0_closes(served: Served, path: str) -> None:
    _, _, connect = served
    with connect() as client:
        client.request("GET", path, version="1.0")
        reply = client.read()
        assert reply.headers["connection"] == "close"
        assert "transfer-encoding" not in reply.headers
        assert client.rest() == b""


@pytest.mark.parametrize("path", [f"{CREATE}/1", "/_mock/a", "/"])
def test_head_has_no_body(served: Served, path: str) -> None:
    _, _, connect = served
    with connect() as client:
        client.request("HEAD", path)
        client.request("GET", "/_mock/b")
        client.read(head=True)
        assert client.read().body == b"b"


@pytest.mark.parametrize("path", [CREATE, "/_mock/a"])
def test_expect_is_answered_before_the_body(served: Served, good_body: bytes, path: str) -> None:
    _, _, connect = served
    with connect() as client:
        client.request("POST", path, "Expect: 100-continue", f"Content-Length: {len(good_body)}")
        assert client.read().status == 100
        client.send(good_body)
        assert client.read().status == 200


def test_expect_waits_for_the_replies_before_it(served: Served) -> None:
    _, control, connect = served
    with connect() as client:
        client.request("GET", "/_mock/slow")
        client.request("POST", "/_mock/a", "Expect: 100-continue", "Content-Length: 2")
        assert client.silent(0.05)
        control.go_on.set()
        assert [client.read().status, client.read().status] == [200, 100]
        client.send(b"{}")
        assert client.read().body == b"a{}"


def test_a_body_over_the_cap_is_refused_before_it_is_sent() -> None:
    with serving(body_cap=1000) as (fake, _, connect), connect() as client:
        client.request("POST", CREATE, "Expect: 100-continue", "Content-Length: 1001")
        reply = client.read()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        assert client.rest() == b""
    assert not fake.tasks


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_cap_is_read_and_refused(*, chunked: bool) -> None:
    """And the connection serves on; a body without end is not read for ever."""
    with serving(body_cap=1000) as (_, _, connect), connect() as client:
        body = b"x" * 3000
        if chunked:
            client.request(
                "POST", CREATE, "Transfer-Encoding: chunked", body=b"bb8\r\n%b\r\n0\r\n\r\n" % body
            )
        else:
            client.request("POST", CREATE, body=body)
        client.request("GET", f"{CREATE}/1")
        assert [client.read().status, client.read().status] == [413, 400]
        client.request("POST", CREATE, "Transfer-Encoding: chunked", body=b"2710\r\n" + b"x" * 5000)
        assert client.read().status == 413
        assert client.rest() == b""


def test_the_framing_of_chunks_is_limited() -> None:
    """Chunk extensions and trailers are not counted by the cap."""
    with serving(body_cap=1000) as (_, _, connect), connect() as client:
        client.request("POST", CREATE, "Transfer-Encoding: chunked", body=b"1;" + b"a" * 1_200_000)
        assert client.read().status == 413


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Host: localhost", "Host: localhost"], 400),
        (["Host: localhost", "Host: other"], 400),
        (["Host: localhost:99999"], 400),
        (["Host: localhost:65536"], 400),
        (["Host: local host"], 400),
        (["Host: [::1"], 400),
        (["Host: [1:2]"], 400),
        (["Host: a@localhost"], 400),
        ([], 400),
        (["Host:"], 200),
        (["Host: localhost:65535"], 200),
        (["Host: LOCALHOST"], 200),
        (["Host: app.localhost:1"], 200),
        (["Host: 127.1.2.3"], 200),
        (["Host: [::1]:8000"], 200),
        (["Host: example.com"], 403),
        (["Host: localhost.example.com"], 403),
        (["Host: 127.0.0.1.example.com"], 403),
        (["Host: 128.0.0.1"], 403),
        (["Host: [::2]"], 403),
    ],
)
@pytest.mark.parametrize("path", ["/_mock/a", CREATE])
def test_hosts(served: Served, good_body: bytes, lines: list[str], status: int, path: str) -> None:
    """Invalid ones are a 400; those of other machines a 403 that names the flag."""
    fake, _, connect = served
    with connect() as client:
        head = [f"POST {path} HTTP/1.1", *lines, KEY, f"Content-Length: {len(good_body)}", "", ""]
        client.send("\r\n".join(head).encode() + good_body)
        reply = client.read()
        assert reply.status == status
        if status == 403:
            assert b"--public-url" in reply.body
            assert reply.headers["x-kling-mock-rule"].startswith("server.host; ")
    assert len(fake.tasks) == (status == 200 and path == CREATE)


def test_other_hosts_are_served_with_a_public_url(good_body: bytes) -> None:
    with serving(base_url="http://host.docker.internal:8000") as (fake, _, connect), connect() as client:
        client.send(
            f"POST {CREATE} HTTP/1.1\r\nHost: host.docker.internal\r\n{KEY}\r\nContent-Length: "
            f"{len(good_body)}\r\n\r\n".encode()
            + good_body
        )
        assert client.read().status == 200
        assert fake.task.images[0].startswith("http://host.docker.internal:8000/bs2/")


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "https"),
        ("http", "http"),
        ("wss", "http"),
        ("javascript", "http"),
        ("https://evil", "http"),
        ("", "http"),
    ],
)
def test_the_forwarded_scheme_is_http_or_https(
    served: Served, good_body: bytes, value: str, scheme: str
) -> None:
    """Of a proxy that terminates TLS; anything else would become part of result URLs."""
    fake, _, connect = served
    with connect() as client:
        client.request("POST", CREATE, f"X-Forwarded-Proto: {value}", body=good_body)
        assert client.read().status == 200
    assert fake.task.images[0].startswith(f"{scheme}://localhost/bs2/")


@pytest.mark.parametrize("code", ["gzip", "gzip, chunked", "identity"])
def test_transfer_codings_other_than_chunked_are_refused(served: Served, code: str) -> None:
    _, _, connect = served
    with connect() as client:
        client.request("POST", CREATE, f"Transfer-Encoding: {code}", body=b"2\r\n{}\r\n0\r\n\r\n")
        assert client.read().status in (400, 501)
        assert client.rest() == b""


# -- limits


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([f"x-{number}: 1" for number in range(250)], 400),
        ([f"x-{number}: 1" for number in range(300)], 431),
        (["x: " + "a" * 60_000], 400),
        (["x: " + "a" * 70_000], 431),
        ([f"x-{number}: {'a' * 1000}" for number in range(100)], 431),
        ([f"{'x' * 70_000}: 1"], 431),
    ],
)
def test_headers_are_limited(served: Served, lines: list[str], status: int) -> None:
    """By their number and by their bytes; the client gets to read the refusal."""
    _, _, connect = served
    with connect() as client:
        client.request("GET", f"{CREATE}/1", *lines)
        assert client.read().status == status


@pytest.mark.parametrize("start", ["GET /", "GET / HTTP/1.1\r\nHost: localhost\r\nx: ", "GET / HTTP/1.1\r\n"])
def test_a_head_without_end_is_refused(served: Served, start: str) -> None:
    _, _, connect = served
    with connect() as client:
        client.send(start)
        endless = b"a: b\r\n" if start.endswith("\n") else b"a"

        def flood() -> None:
            try:
                for _ in range(1000):
                    client.send(endless * 2000)
            except OSError:
                pass

        thread = threading.Thread(target=flood)
        thread.start()
        assert client.read().status in (400, 431)
        client.rest()
        thread.join()


def test_a_refusal_leaves_after_the_replies_before_it(served: Served) -> None:
    _, control, connect = served
    with connect() as client:
        client.request("GET", "/_mock/slow")
        client.send("garbage\r\n\r\n")
        assert client.silent(0.05)
        control.go_on.set()
        assert [client.read().status, client.read().status] == [200, 400]
        assert client.rest() == b""


# -- timeouts


@pytest.mark.parametrize("before", [[], [f"{CREATE}/1"], ["/_mock/a"]], ids=["none", "direct", "asgi"])
def test_an_idle_connection_is_closed(before: list[str]) -> None:
    """After a reply on either path, or without any request."""
    with serving(QUICK) as (_, _, connect), connect() as client:
        for path in before:
            client.request("GET", path)
            client.read()
        assert client.rest() == b""


def test_a_slow_head_is_a_408() -> None:
    """Bytes that trickle in win no time."""
    with serving(QUICK) as (_, _, connect), connect() as client:
        client.send("GET / HTTP/1.1\r\n")
        for _ in range(20):
            if not client.silent(0.1):
                break
            client.send("x: y\r\n")
        assert client.read().status == 408
        assert client.rest() == b""


def test_a_body_that_stops_ends_the_connection() -> None:
    with serving(QUICK) as (fake, _, connect), connect() as client:
        client.request("POST", CREATE, "Content-Length: 100", body=b"")
        client.send(b"{")
        assert client.rest() == b""
    assert not fake.tasks


def test_a_reply_in_progress_has_no_time_limit() -> None:
    with serving(QUICK) as (_, control, connect), connect() as client:
        client.request("GET", "/_mock/slow")
        assert client.silent(1.5)
        control.go_on.set()
        assert client.read().body == b"slow"


def test_a_client_that_does_not_read_holds_no_memory(good_body: bytes) -> None:
    """Its further requests wait; in the end the connection is given up."""
    fake = Fake(keys=["sk-raw"], pace="instant")
    with Server(fake.asgi(), limits=Limits(write_seconds=0.5)) as server:
        with connected(server.url) as client:
            client.request("POST", CREATE, body=good_body)
            client.read()
        path = fake.task.images[0].removeprefix("http://localhost")
        assert server._server is not None
        connections = server._server.server_state.connections
        with connected(server.url) as client:
            for _ in range(600):
                client.request("GET", path)
            wait_for(lambda: len(fake.calls) > 1)
            wait_for(lambda: not connections)
            assert len(fake.calls) < 500
    fake.check()


# -- the end of a connection


@pytest.mark.parametrize("path", [f"{CREATE}/1", "/_mock/slow"])
def test_a_client_that_closes_its_side_gets_its_replies(served: Served, path: str) -> None:
    """Half-close: all requests were sent, and the answers are still wanted."""
    _, control, connect = served
    with connect() as client:
        client.request("GET", path)
        client.request("GET", f"{CREATE}/2")
        client.sock.shutdown(socket.SHUT_WR)
        control.go_on.set()
        assert client.read().status in (200, 400)
        assert client.read().status == 400
        assert client.rest() == b""


def test_an_event_stream_ends_when_the_client_leaves(served: Served) -> None:
    _, control, connect = served
    with connect() as client:
        client.request("GET", "/_mock/events")
        assert client._until(b"event\r\n")
    assert control.disconnected.wait(5)


def test_data_after_the_last_request_is_ignored(served: Served) -> None:
    fake, _, connect = served
    with connect() as client:
        client.request("GET", f"{CREATE}/1", "Connection: close")
        client.request("GET", f"{CREATE}/2")
        assert client.read().headers["connection"] == "close"
        client.rest()
    assert len(fake.calls) == 1


@pytest.mark.parametrize(("path", "status"), [("fails", 500), ("cut", 200)])
def test_a_failure_of_the_application_ends_the_connection(
    served: Served, quiet: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    """With a 500, or without the end of the response: a part must not look whole."""
    _, _, connect = served
    with connect() as client:
        client.request("GET", f"/_mock/{path}")
        if status == 500:
            assert client.read().status == 500
            assert client.rest() == b""
        else:
            assert client.rest().endswith(b"half\r\n")
    assert "the application failed" in quiet.text


class Busy(Fake):
    """A fake that answers heavy requests when it is allowed to."""

    def __init__(self) -> None:
        super().__init__(keys=["sk-raw"])
        self.entered, self.go_on = threading.Event(), threading.Event()

    def handle(self, request: Request) -> Reply:
        if request.size > INLINE_BYTES:
            self.entered.set()
            assert self.go_on.wait(30)
        return super().handle(request)


def test_stopping_does_not_wait_for_clients_and_heavy_work() -> None:
    """An upload, an event stream, a heavy request and a client that does not read: within two seconds."""
    fake, control = Busy(), Control()
    server = Server(ASGIApp(fake, control)).start()
    with connected(server.url) as upload, connected(server.url) as events, connected(server.url) as heavy:
        upload.request("POST", CREATE, "Content-Length: 1000", body=b"")
        events.request("GET", "/_mock/events")
        assert events._until(b"event\r\n")
        heavy.request("POST", CREATE, body=b" " * (INLINE_BYTES + 1))
        assert fake.entered.wait(10)
        thread = server._thread
        assert thread is not None
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(4)  # twice the promise, on a busy machine
        assert not stopping.is_alive()
        assert not thread.is_alive()
        assert upload.rest() == b""
        assert heavy.rest() == b""
    fake.go_on.set()


def test_stopping_waits_a_moment_for_replies_in_progress() -> None:
    fake, control = Fake(keys=["sk-raw"]), Control()
    server = Server(ASGIApp(fake, control)).start()
    with connected(server.url) as client:
        client.request("GET", "/_mock/slow")
        wait_for(lambda: control.seen)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        control.go_on.set()
        assert client.read().body == b"slow"
        assert client.rest() == b""
        stopping.join()


def test_the_parser_reads_the_same_however_it_is_cut(good_body: bytes) -> None:
    """Counterexample to a parser that remembers less than it should: all cuts in two."""
    with serving() as (fake, _, connect), connect() as client:
        head = (
            f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
        )
        data = head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(good_body), good_body)
        cuts = [*range(1, len(head) + 40, 4), len(data) - 1]
        for cut in cuts:
            client.send(data[:cut])
            client.send(data[cut:])
            assert client.read().status == 200
    assert len(fake.tasks) == len(cuts)


def test_raw_client_is_right(served: Served) -> None:
    """Counterexample: the client of these tests notices silence and data."""
    _, _, connect = served
    client: RawClient
    with connect() as client:
        assert client.silent(0.01)
        client.request("GET", "/_mock/a")
        assert client.read().body == b"a"
