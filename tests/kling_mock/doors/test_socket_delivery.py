"""Faulty replies of the socket server: the same exceptions as in process, and the bytes on the wire."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests

from kling_mock.delivery import Delivery
from kling_mock.doors.asgi import INLINE_BYTES
from kling_mock.doors.listening import bind
from tests.kling_mock.doors.faulty_replies import BODY, CASES, SIZE, FaultyFake, outcome
from tests.kling_mock.doors.http_libraries import Way
from tests.kling_mock.doors.raw_client import CREATE, RawClient, connected, receive_all, wait_for

PATH = f"{CREATE}/1"
RESETTING = struct.pack("ii", 1, 0)  # a value of SO_LINGER


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FaultyFake, str]]:
    """One server for all tests of this module, whose fake has a delivery that they set."""
    fake = FaultyFake()
    with fake.serve() as server:
        yield fake, server.url


Served = tuple[FaultyFake, str]


@contextmanager
def requesting(served: Served, delivery: Delivery, method: str = "GET") -> Generator[RawClient]:
    """A connection whose first request is answered with this delivery."""
    fake, url = served
    fake.delivery, fake.answered = delivery, 0
    with connected(url) as client:
        client.request(method, PATH)
        yield client


@pytest.mark.parametrize(
    "way", ["httpx blocking", "httpx asyncio", "httpx2 blocking", "httpx2 asyncio"], indirect=True
)
def test_clients_get_the_exceptions_that_they_get_in_process(served: Served, way: Way) -> None:
    """The table of `test_httpx_delivery`; a request after each fault is answered."""
    fake, url = served
    found: dict[str, object] = {}

    async def main() -> None:
        async with way.Client(trust_env=False, verify=False) as client:
            for name, case in CASES.items():
                fake.delivery, fake.reply_headers = case.delivery, case.headers
                try:
                    found[name] = len((await client.get(url + PATH, timeout=case.timeout)).content)
                except way.library.HTTPError as error:
                    found[name] = type(error).__name__

    if way.blocking:
        client = way.Client(trust_env=False, verify=False)
        for name, case in CASES.items():
            fake.delivery, fake.reply_headers = case.delivery, case.headers
            found[name] = outcome(way, client, url + PATH, case.timeout)
        way.close(client)
    else:
        assert way.run is not None
        way.run(main)
    assert found == {name: case.outcome for name, case in CASES.items()}


def test_requests_gets_the_exceptions_that_it_gets_in_process(served: Served) -> None:
    """Through its adapter, and over a socket; after each fault a request is answered."""
    fake, url = served

    def outcomes(base: str, session: requests.Session) -> dict[str, object]:
        session.trust_env = False
        found: dict[str, object] = {}
        for name, case in CASES.items():
            fake.delivery, fake.reply_headers = case.delivery, case.headers
            try:
                found[name] = len(session.get(base + PATH, timeout=(5, case.timeout)).content)
            except requests.RequestException as error:
                found[name] = type(error).__name__
        return found

    with requests.Session() as mounted, requests.Session() as plain:
        mounted.mount("https://", fake.requests_adapter())
        in_process = outcomes("https://kling.test", mounted)
        assert outcomes(url, plain) == in_process
    expected = {
        "never": "ReadTimeout",
        "too slow": "ConnectionError",  # a timeout within the body
        "reset": "ConnectionError",
        "closed": "ConnectionError",
        "cut": "ChunkedEncodingError",
        "reset in the body": "ChunkedEncodingError",
        "length too long": "ChunkedEncodingError",
        "not compressed": "ContentDecodingError",
    }
    assert expected.items() <= in_process.items()
    sizes = {name: case.outcome for name, case in CASES.items() if isinstance(case.outcome, int)}
    assert {name: found for name, found in in_process.items() if isinstance(found, int)} == sizes


def test_a_refused_connection_is_that_of_a_closed_port(way: Way) -> None:
    """The exception in process is that of a port on which no server listens."""
    with closing(bind("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    client = way.Client(trust_env=False, verify=False)
    assert outcome(way, client, f"http://127.0.0.1:{port}/") == "ConnectError"
    way.close(client)


def test_a_long_body_is_not_kept() -> None:
    """While the client does not read, the server holds a small part of 100 MB."""
    fake = FaultyFake(Delivery(padding=100_000_000))
    with fake.serve() as server, connected(server.url) as client:
        lifecycle: Any = server._server
        client.request("GET", PATH)
        wait_for(lambda: lifecycle.server_state.tasks)
        (connection,) = lifecycle.server_state.connections
        wait_for(lambda: connection._stream.writable is not None)
        assert connection.transport.get_write_buffer_size() < 1_000_000
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)


@pytest.mark.parametrize(
    ("delivery", "length", "sent", "end"),
    [
        (Delivery(cut=0), SIZE, 0, "FIN"),
        (Delivery(cut=30), SIZE, 30, "FIN"),
        (Delivery(cut=30, rate=1000, chunk=20), SIZE, 30, "FIN"),
        (Delivery(cut=0, cut_by_reset=True), SIZE, 0, "RST"),
        (Delivery(cut=30, cut_by_reset=True), SIZE, 30, "RST"),
        (Delivery(cut=SIZE, cut_by_reset=True), SIZE, SIZE, "RST"),
        (Delivery(length=SIZE + 5), SIZE + 5, SIZE, "FIN"),
        (Delivery(length=SIZE - 5), SIZE - 5, SIZE, "FIN"),
        (Delivery(padding=3_000_000, length=1), 1, SIZE + 3_000_000, "FIN"),
        (Delivery(padding=3_000_000, cut=2_000_000, cut_by_reset=True), SIZE + 3_000_000, 2_000_000, "RST"),
    ],
)
def test_the_bytes_of_a_reply(served: Served, delivery: Delivery, length: int, sent: int, end: str) -> None:
    """The exact number of bytes of the body, the end, and `connection: close` if the client sees no fault."""
    with requesting(served, delivery) as client:
        data, found = receive_all(client.sock)
    head, _, body = data.partition(b"\r\n\r\n")
    assert f"\r\ncontent-length: {length}" in head.decode()
    assert (b"\r\nconnection: close" in head) == (sent >= length)
    assert (len(body), found) == (sent, end)
    assert (BODY + b" " * delivery.padding).startswith(body)


@pytest.mark.parametrize(
    ("delivery", "end"),
    [
        (Delivery(reset=True), "RST"),
        (Delivery(refused=True), "RST"),
        (Delivery(closed=True), "FIN"),
        (Delivery(closed=True, delay=0.01), "FIN"),
        (Delivery(reset=True, delay=0.01), "RST"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_end_in_place_of_a_reply(served: Served, delivery: Delivery, end: str, method: str) -> None:
    """Requests that were sent behind it are not answered."""
    fake, url = served
    fake.delivery, fake.answered = delivery, 0
    request = f"{method} {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(url) as client:
        client.send(request * 3)
        assert receive_all(client.sock) == (b"", end)
    assert fake.answered == 1


def test_a_slow_body_arrives_by_and_by(served: Served) -> None:
    """In parts, of which none arrives before its share of the time."""
    rate, chunk = 500, 40
    with requesting(served, Delivery(rate=rate, chunk=chunk)) as client:
        began = time.monotonic()
        parts = 0
        data = b""
        while not data.endswith(BODY):
            data += client.sock.recv(65_536)
            parts += 1
            body = data.partition(b"\r\n\r\n")[2]
            assert time.monotonic() - began >= len(body) / rate - 0.01
            assert len(body) % chunk == 0 or body == BODY
    assert parts > 1  # at most the head and three chunks, of which the client may see several at once


@pytest.mark.parametrize("delivery", [Delivery(delay=0.05), Delivery(rate=2000), Delivery(padding=300_000)])
def test_later_requests_of_the_connection_wait(served: Served, delivery: Delivery) -> None:
    """Other connections do not. Afterwards the connection is used further."""
    fake, url = served
    with requesting(served, delivery) as client, connected(url) as other:
        wait_for(lambda: fake.answered)
        fake.delivery = None
        for _ in range(50):
            client.request("GET", PATH)
        client.request("HEAD", PATH)
        other.request("GET", PATH)
        assert other.read().body == BODY
        assert client.read().body == BODY + b" " * delivery.padding
        for _ in range(50):
            assert client.read().body == BODY
        assert client.read(head=True).headers["content-length"] == str(SIZE)


def test_head_has_the_faults_of_the_head_only(served: Served) -> None:
    with requesting(served, Delivery(cut=3, delay=0.01), "HEAD") as client:
        assert client.read(head=True).headers["content-length"] == str(SIZE)
        client.request("HEAD", PATH)
        assert client.read(head=True).status == 200


def test_http_1_0_closes_after_a_late_reply(served: Served) -> None:
    fake, url = served
    fake.delivery = Delivery(delay=0.01)
    with connected(url) as client:
        client.request("GET", PATH, version="1.0")
        reply = client.read()
        assert (reply.headers["connection"], reply.body) == ("close", BODY)
        assert receive_all(client.sock) == (b"", "FIN")


@pytest.mark.parametrize("delivery", [Delivery(never=True), Delivery(delay=60), Delivery(rate=1, chunk=50)])
def test_a_reply_in_progress_ends_with_its_client(delivery: Delivery) -> None:
    """An endless wait when the client ends its side, others when the connection is lost."""
    with FaultyFake(delivery).serve() as server:
        lifecycle: Any = server._server
        state = lifecycle.server_state
        with connected(server.url) as client:
            client.request("GET", PATH)
            wait_for(lambda: state.tasks)
            if delivery.never:
                client.sock.shutdown(socket.SHUT_WR)
                assert receive_all(client.sock) == (b"", "FIN")
            else:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        wait_for(lambda: not state.tasks and not state.connections)


@pytest.mark.parametrize("delivery", [Delivery(never=True), Delivery(delay=60), Delivery(rate=1, chunk=50)])
def test_the_server_stops_within_two_seconds(delivery: Delivery) -> None:
    fake = FaultyFake(delivery)
    with fake.serve() as server, connected(server.url) as client:
        client.request("GET", PATH)
        wait_for(lambda: fake.answered)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 20  # ten times the promise, on a busy machine
        assert b"x" not in client.rest()


def test_a_reply_that_a_thread_computed(served: Served) -> None:
    """A large body is answered by a thread, and the reply gets CORS headers; the fault is the same."""
    fake, url = served
    fake.delivery = Delivery(cut=7)
    with connected(url) as client:
        client.request("POST", CREATE, "Origin: http://localhost:3000", body=b" " * (INLINE_BYTES + 1))
        data, end = receive_all(client.sock)
    assert b"\r\naccess-control-allow-origin: http://localhost:3000\r\n" in data
    assert (data.partition(b"\r\n\r\n")[2], end) == (BODY[:7], "FIN")


def test_a_body_over_the_cap_is_read_before_the_end(served: Served) -> None:
    """Closing with unread data would be a reset."""
    fake, url = served
    fake.delivery = Delivery(closed=True)
    with connected(url) as client:
        client.request("POST", CREATE, body=b" " * (fake.settings.body_cap + 1))
        assert receive_all(client.sock) == (b"", "FIN")
