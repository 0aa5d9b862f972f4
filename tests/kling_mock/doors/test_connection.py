"""Connections of the socket server: order and framing of replies, timeouts, the end of a connection."""

from __future__ import annotations

import asyncio
import json
import socket
import threading

import pytest
from uvicorn.server import ServerState

from kling_mock import Fake
from kling_mock.doors.asgi import INLINE_BYTES, ASGIApp
from kling_mock.doors.connection import Connection
from kling_mock.doors.limits import Limits
from kling_mock.doors.server import Server, uvicorn_config
from tests.kling_mock.doors.raw_client import CREATE, KEY, RawClient, connected, wait_for
from tests.kling_mock.doors.served_fakes import QUICK, Control, HeldFake, RawServer, serving

PATHS = [f"{CREATE}/1", "/_mock/a", "/_mock/slow", f"{CREATE}/2", "/_mock/b", "/", f"{CREATE}/3", "/_mock/c"]


def label(body: bytes, headers: dict[str, str]) -> str:
    return headers.get("x-path") or ("index" if b"<!doctype" in body else str(json.loads(body)["code"]))


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_replies_leave_in_the_order_of_the_requests(raw_server: RawServer, piece: int) -> None:
    """Whichever way each is answered, and wherever the bytes are cut."""
    _, control, connect = raw_server
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


def test_a_heavy_request_is_not_overtaken(raw_server: RawServer, good_body: bytes) -> None:
    """It is answered by a thread, those behind it in the event loop."""
    fake, _, connect = raw_server
    heavy = good_body[:-1] + b" " * INLINE_BYTES + b"}"
    with connect() as client:
        client.request("POST", CREATE, body=heavy)
        client.request("GET", f"{CREATE}/1")
        client.request("GET", "/_mock/a")
        replies = [client.read() for _ in range(3)]
    assert [label(each.body, each.headers) for each in replies] == ["0", "task_not_exist", "a"]
    assert len(fake.tasks) == 1


def test_thousands_of_pipelined_requests_are_all_answered(raw_server: RawServer) -> None:
    """More than fit in one turn, one read and the buffers of the sockets."""
    _, _, connect = raw_server
    count = 3000
    with connect() as client:
        data = f"GET {CREATE}/1 HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\n\r\n".encode() * count
        threading.Thread(target=client.send, args=(data,)).start()
        assert {client.read().status for _ in range(count)} == {400}
        client.request("GET", "/_mock/a")
        assert client.read().body == b"a"


class _Transport(asyncio.Transport):
    """The transport of a connection without a socket."""

    reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def test_others_are_served_between_two_reads_of_a_large_body() -> None:
    """Reading pauses for one iteration of the event loop; uvloop would read up to 8 MB in one."""

    async def paused(size: int) -> tuple[bool, bool]:
        config, limits = uvicorn_config(Fake().asgi()), Limits(turn_bytes=1_000)
        connection = Connection(config, ServerState(), {}, limits=limits, guarded=False)
        transport = _Transport()
        connection.connection_made(transport)
        connection.data_received(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n")
        assert transport.reading
        connection.data_received(bytes(size))
        at_once = transport.reading
        await asyncio.sleep(0)
        return at_once, transport.reading

    assert asyncio.run(paused(1_000)) == (False, True)
    assert asyncio.run(paused(999)) == (True, True)


@pytest.mark.parametrize("path", [f"{CREATE}/1", "/_mock/a", "/"])
def test_http_1_0_closes(raw_server: RawServer, path: str) -> None:
    _, _, connect = raw_server
    with connect() as client:
        client.request("GET", path, version="1.0")
        reply = client.read()
        assert reply.headers["connection"] == "close"
        assert "transfer-encoding" not in reply.headers
        assert client.rest() == b""


@pytest.mark.parametrize("path", [f"{CREATE}/1", "/_mock/a", "/"])
def test_head_has_no_body(raw_server: RawServer, path: str) -> None:
    _, _, connect = raw_server
    with connect() as client:
        client.request("HEAD", path)
        client.request("GET", "/_mock/b")
        client.read(head=True)
        assert client.read().body == b"b"


@pytest.mark.parametrize("path", [CREATE, "/_mock/a"])
def test_expect_is_answered_before_the_body(raw_server: RawServer, good_body: bytes, path: str) -> None:
    _, _, connect = raw_server
    with connect() as client:
        client.request("POST", path, "Expect: 100-continue", f"Content-Length: {len(good_body)}")
        assert client.read().status == 100
        client.send(good_body)
        assert client.read().status == 200


def test_expect_waits_for_the_replies_before_it(raw_server: RawServer) -> None:
    _, control, connect = raw_server
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


def test_a_refusal_leaves_after_the_replies_before_it(raw_server: RawServer) -> None:
    _, control, connect = raw_server
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
def test_a_client_that_closes_its_side_gets_its_replies(raw_server: RawServer, path: str) -> None:
    """Half-close: all requests were sent, and the answers are still wanted."""
    _, control, connect = raw_server
    with connect() as client:
        client.request("GET", path)
        client.request("GET", f"{CREATE}/2")
        client.sock.shutdown(socket.SHUT_WR)
        control.go_on.set()
        assert client.read().status in (200, 400)
        assert client.read().status == 400
        assert client.rest() == b""


def test_an_event_stream_ends_when_the_client_leaves(raw_server: RawServer) -> None:
    _, control, connect = raw_server
    with connect() as client:
        client.request("GET", "/_mock/events")
        assert client._until(b"event\r\n")
    assert control.disconnected.wait(5)


def test_data_after_the_last_request_is_ignored(raw_server: RawServer) -> None:
    fake, _, connect = raw_server
    with connect() as client:
        client.request("GET", f"{CREATE}/1", "Connection: close")
        client.request("GET", f"{CREATE}/2")
        assert client.read().headers["connection"] == "close"
        client.rest()
    assert len(fake.calls) == 1


@pytest.mark.parametrize(("path", "status"), [("fails", 500), ("cut", 200)])
def test_a_failure_of_the_application_ends_the_connection(
    raw_server: RawServer, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    """With a 500, or without the end of the response: a part must not look whole."""
    _, _, connect = raw_server
    with connect() as client:
        client.request("GET", f"/_mock/{path}")
        if status == 500:
            assert client.read().status == 500
            assert client.rest() == b""
        else:
            assert client.rest().endswith(b"half\r\n")
    assert "the application failed" in caplog.text


def test_stopping_does_not_wait_for_clients_and_heavy_work() -> None:
    """An upload, an event stream, a heavy request and a client that does not read: within two seconds."""
    fake, control = HeldFake(keys=["sk-raw"]), Control()
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


def test_raw_client_is_right(raw_server: RawServer) -> None:
    """Counterexample: the client of these tests notices silence and data."""
    _, _, connect = raw_server
    client: RawClient
    with connect() as client:
        assert client.silent(0.01)
        client.request("GET", "/_mock/a")
        assert client.read().body == b"a"
