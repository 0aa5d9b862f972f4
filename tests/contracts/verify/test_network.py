"""The network: requests, the receiver of callbacks, and unreachable servers."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
import time

import httpx
import pytest

from kling_contracts.registry import SUITE, verify
from kling_contracts.verify.callback_server import CallbackServer
from kling_contracts.verify.plan import Options, is_loopback
from kling_contracts.verify.runner import Unreachable, run
from kling_contracts.verify.transport import HttpTransport

# -- wire and receiver


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1", True),
        ("http://127.1.2.3:9/x", True),
        ("http://[::1]:80", True),
        ("http://127.evil.example", False),
        ("http://localhost.evil.example", False),
        ("https://api.cometapi.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback_is_recognised_by_the_host(url: str, local: bool) -> None:
    assert is_loopback(url) is local


def test_targets_are_sent_as_given_but_in_ascii() -> None:
    sent: list[bytes] = []

    def note(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.raw_path)
        return httpx.Response(200)

    transport = HttpTransport("http://127.0.0.1:9/kling", httpx.MockTransport(note))
    for target in ("/v1/a%2F..//b%ff?x=%zz", "/v1/kc-é漢😀"):
        assert transport.send("GET", target, (), None).status == 200
    transport.close()
    assert sent == [b"/kling/v1/a%2F..//b%ff?x=%zz", b"/kling/v1/kc-%C3%A9%E6%BC%A2%F0%9F%98%80"]


def test_paths_are_sent_byte_for_byte() -> None:
    seen: list[bytes] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(302, headers={"location": "http://elsewhere.test/"})

    wire = HttpTransport("http://gateway.test/base/", httpx.MockTransport(server))
    for target in ("/a%2Fb/..%2F..", "/%00", "/x?pageNum=%EF%BC%91", "/kling/v1/" + "9" * 2000):
        assert wire.send("GET", target, (), None).status == 302  # not followed
    assert seen == [
        b"/base/a%2Fb/..%2F..",
        b"/base/%00",
        b"/base/x?pageNum=%EF%BC%91",
        b"/base/kling/v1/" + b"9" * 2000,
    ]


def test_a_very_large_answer_is_not_read_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_contracts.verify.transport.LARGEST_ANSWER", 1000)
    wire = HttpTransport(
        "http://gateway.test", httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * 2000))
    )
    answer = wire.send("GET", "/", (), None)
    assert (answer.status, answer.arrived, answer.closed) == (0, True, False)
    assert "more than 1000 bytes" in answer.failure


def test_a_failed_connection_is_marked_as_not_arrived() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    answer = HttpTransport("http://gateway.test", httpx.MockTransport(refuse)).send("POST", "/", (), b"{}")
    assert (answer.status, answer.arrived) == (0, False)


def test_no_cookies_are_kept() -> None:
    """Cookies would identify the caller besides the key, and the scripts of reports do not send them."""
    seen: list[str | None] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"set-cookie": "session=1; Path=/"})

    wire = HttpTransport("http://gateway.test", httpx.MockTransport(server))
    for _ in range(2):
        wire.send("GET", "/", (), None)
    assert seen == [None, None]


def test_a_query_on_a_connection_that_was_kept_and_is_closed_is_sent_again() -> None:
    """Once, on a new connection; a create is not, nor a query that was the first of its connection."""
    received: list[str] = []

    def serve(listener: socket.socket) -> None:
        for answers in (1, 1, 0, 1, 0):  # on each connection, before it is closed without an answer
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                for number in range(answers + 1):
                    received.append(stream.readline().decode().split()[0])
                    while stream.readline().strip():
                        pass
                    if number < answers:
                        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        wire = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")
        asked = ("GET", "GET", "GET", "GET", "POST", "GET")
        answers = [wire.send(method, "/", (), None) for method in asked]
        wire.close()
        thread.join(10)
    assert [answer.status for answer in answers] == [200, 200, 0, 200, 0, 0]
    assert received == ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "GET"]
    assert all(answer.arrived for answer in answers)
    assert [answer.closed for answer in answers] == [not answer.status for answer in answers]


def test_a_byte_by_byte_answer_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read timeout does not end a header that grows byte by byte."""
    monkeypatch.setattr("kling_contracts.verify.transport._LEAST", 0.1)
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while not stop.wait(0.02):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        try:
            options = Options(
                base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", api_key="sk-1", deadline=0.3
            )
            with pytest.raises(Unreachable, match=r"no answer within --deadline \(0.3 s\)"):
                verify(options)
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, if the deadline passed before the connection
            thread.join()
    assert [each.name for each in threading.enumerate() if isinstance(each, threading.Timer)] == []


def test_the_receiver_accepts_and_refuses() -> None:
    with CallbackServer(lambda: 7.0) as receiver:
        receiver.refuse_first("b")
        answers = [
            httpx.post(receiver.url(token), json={"n": n}, trust_env=False).status_code
            for n, token in enumerate("abb")
        ]
    assert answers == [200, 500, 200]
    deliveries = receiver.received()
    assert [(each.token, each.body, each.replied) for each in deliveries] == [
        ("a", b'{"n":0}', 200),
        ("b", b'{"n":1}', 500),
        ("b", b'{"n":2}', 200),
    ]
    assert dict(deliveries[0].headers)["content-type"] == "application/json"
    assert deliveries[0].received_at == 7.0


def test_the_receiver_reads_chunks_and_survives_disconnects(capsys: pytest.CaptureFixture[str]) -> None:
    """Servers may send chunked bodies; an open or reset connection leaves no thread behind."""
    threads = set(threading.enumerate())
    with CallbackServer(time.time) as receiver:
        port = int(receiver.url("a").rpartition(":")[2].partition("/")[0])
        kept = http.client.HTTPConnection("127.0.0.1", port)
        for parts in ([b'{"a"', b":1}"], [b"{}"]):
            kept.request("POST", "/callback/a", iter(parts))
            assert kept.getresponse().read() == b""
        torn = socket.create_connection(("127.0.0.1", port))
        torn.sendall(b"POST /callback/b HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
        torn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        torn.close()
    kept.close()
    assert [each.body for each in receiver.received() if each.token == "a"] == [b'{"a":1}', b"{}"]
    assert set(threading.enumerate()) <= threads
    assert capsys.readouterr().err == ""


# -- reaching the server


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("[Errno -2] Name or service not known", "check --base-url and that the server is running"),
        ("connection refused", "no server listens there: start it, or correct host and port"),
        ("[SSL: WRONG_VERSION_NUMBER]", "the server does not use TLS: set an http:// URL"),
    ],
)
def test_an_unreachable_server(reason: str, advice: str) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(reason)

    with pytest.raises(Unreachable, match=re.escape(f"no answer: ConnectError: {reason}; {advice}")):
        run(
            Options(base_url="http://gateway.test", api_key="sk-1"),
            SUITE,
            transport=httpx.MockTransport(refuse),
        )


@pytest.mark.parametrize("url", ["ftp://gateway.test", "gateway.test", "http://[", "http://me:secret@h/"])
def test_an_invalid_base_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ValueError, match="base_url: "):
        verify(Options(base_url=url, api_key="sk-1"))


def test_a_key_that_is_refused_is_not_shown() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, text=f"bad {request.headers.get('authorization')}")

    with pytest.raises(Unreachable, match=r"the key is refused: 401 bad Bearer \$KLING_API_KEY"):
        run(
            Options(base_url="http://gateway.test", api_key="sk-very-secret"),
            SUITE,
            transport=httpx.MockTransport(server),
        )
