"""Deadlines against servers that never finish: each sends something, so no single read ever times out."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import httpx2
import pytest

from kling_client import (
    AsyncClient,
    Client,
    DownloadError,
    KlingError,
    SubmitUncertain,
    WaitTimeout,
    download,
)
from kling_client.cli import main
from kling_client.deadline import CallTimedOut, CallTimeout, limit_connections
from kling_client.retry import Retry
from tests.kling_client.conftest import TASK_ID, no_environment, picture, shown
from tests.rows import some_rows

# Seconds. A server pauses for less than the timeout between two bytes.
TIMEOUT, DEADLINE, PAUSE = 0.4, 0.2, 0.01
# A client without a deadline reads all of these, for 8 seconds or, on a busy machine, much longer.
CHUNKS = 800
KEY = "sk-secret-0123456789"

Behaviour = Callable[[socket.socket], None]


class AllWasRead(Exception):
    """The client did not close its connection before the last chunk."""


class Dripping:
    """A server on a socket; each connection is served by a behaviour until the client closes it."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.all_was_read = False
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        self._listening.settimeout(0.05)
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                connection = self._listening.accept()[0]
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection, contextlib.suppress(OSError):
            try:
                self._behave(connection)
            except AllWasRead:
                self.all_was_read = True


def drip(connection: socket.socket, chunks: Iterator[bytes]) -> None:
    """Send chunks with pauses, until the client closes the connection."""
    for chunk in itertools.islice(chunks, CHUNKS):
        connection.sendall(chunk)
        time.sleep(PAUSE)
    raise AllWasRead


def after_request(*first: bytes, then: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        drip(connection, itertools.chain(first, itertools.repeat(then)))

    return behave


def handshake(connection: socket.socket) -> None:
    """The first bytes of a TLS record that is never completed."""
    connection.recv(65536)
    drip(connection, itertools.chain([b"\x16\x03\x03\x10\x00"], itertools.repeat(b"\x02")))


OK = b"HTTP/1.1 200 OK\r\n"
BEHAVIOURS: dict[str, Behaviour] = {
    "headers": after_request(OK, then=b"x-more: y\r\n"),
    "one header": after_request(OK, b"x-more: ", then=b"y"),
    "status line": after_request(b"HTTP/1.1 200 ", then=b"O"),
    "100": after_request(then=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103": after_request(then=b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
    "body": after_request(OK + b"content-length: 1000000\r\n\r\n", then=b" "),
    "chunked body": after_request(OK + b"transfer-encoding: chunked\r\n\r\n", then=b"1\r\n \r\n"),
    "body until close": after_request(OK + b"\r\n", then=b" "),
    "handshake": handshake,
}


def url_of(server: Dripping, name: str) -> str:
    return f"http{'s' if name == 'handshake' else ''}://127.0.0.1:{server.port}"


@contextlib.contextmanager
def in_time(server: Dripping) -> Iterator[None]:
    """The client closes its connections before the server ends. Not in seconds: machines are busy."""
    yield
    assert not server.all_was_read


def act_sync(url: str, act: Callable[[Any], Any], http: Any = None, timeout: float = TIMEOUT) -> None:
    with Client(KEY, base_url=url, timeout=timeout, http_client=http, retry=Retry(attempts=1)) as client:
        act(client)


def act_async(url: str, act: Callable[[Any], Any], http: Any = None, timeout: float = TIMEOUT) -> None:
    async def session() -> None:
        options: Any = {"timeout": timeout, "http_client": http, "retry": Retry(attempts=1)}
        async with AsyncClient(KEY, base_url=url, **options) as client:
            await act(client)

    asyncio.run(session())


KINDS = {"sync": act_sync, "async": act_async}
both = pytest.mark.parametrize("kind", KINDS)
every = some_rows("name", BEHAVIOURS, usual=3)


@every
@both
def test_a_wait_ends(kind: str, name: str) -> None:
    with Dripping(BEHAVIOURS[name]) as server, in_time(server), pytest.raises(WaitTimeout) as caught:
        KINDS[kind](url_of(server, name), lambda client: client.task(TASK_ID).wait(deadline=DEADLINE))
    assert caught.value.task_id == TASK_ID
    assert caught.value.__cause__ is not None


@every
def test_the_command_ends(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    no_environment(monkeypatch)
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    with Dripping(BEHAVIOURS[name]) as server, in_time(server):
        options = ["--base-url", url_of(server, name), "--timeout", str(TIMEOUT), "--deadline", str(DEADLINE)]
        assert main(["wait", TASK_ID, *options]) == 3
    assert "has not finished" in capsys.readouterr().err


@some_rows("name", ["headers", "100", "body", "handshake"], usual=2)
@both
def test_a_single_query_and_a_create_end(kind: str, name: str) -> None:
    images = ["https://h/a.png", "https://h/b.png"]
    with Dripping(BEHAVIOURS[name]) as server, in_time(server):
        with pytest.raises(KlingError):
            KINDS[kind](url_of(server, name), lambda client: client.get(TASK_ID))
        expected = KlingError if name == "handshake" else SubmitUncertain
        with pytest.raises(expected):
            KINDS[kind](url_of(server, name), lambda client: client.generate(images))


@pytest.mark.parametrize("library", [httpx, httpx2])
@both
def test_a_wait_ends_with_an_injected_http_client(kind: str, library: Any) -> None:
    http = library.Client() if kind == "sync" else library.AsyncClient()
    with Dripping(BEHAVIOURS["103"]) as server, in_time(server), pytest.raises(WaitTimeout):
        KINDS[kind](url_of(server, ""), lambda client: client.task(TASK_ID).wait(deadline=0.1), http)


def test_redirects_without_end_are_not_followed() -> None:
    def behave(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n")

    with Dripping(behave) as server, pytest.raises(KlingError, match="redirect"):
        act_sync(url_of(server, ""), lambda client: client.task(TASK_ID).wait(deadline=60))


@some_rows("name", ["headers", "103", "body", "chunked body"], usual=2)
@both
def test_a_download_ends(kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt has a limit of its own, much longer than the timeout."""
    monkeypatch.setattr(download, "SECONDS_PER_RESULT", 0.4)
    with Dripping(BEHAVIOURS[name]) as server:
        answer = shown("succeed", urls=[f"{url_of(server, name)}/0.png"]).content
        head = OK + f"content-length: {len(answer)}\r\nconnection: close\r\n\r\n".encode()

        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(head + answer)

        def save(client: Any) -> Any:
            if kind == "sync":
                return client.get(TASK_ID).save(tmp_path)

            async def both_steps() -> None:
                await (await client.get(TASK_ID)).save(tmp_path)

            return both_steps()

        with Dripping(behave) as service, in_time(server), pytest.raises(DownloadError) as caught:
            KINDS[kind](url_of(service, ""), save)
    assert caught.value.task_id == TASK_ID
    assert list(tmp_path.iterdir()) == []


def test_a_server_whose_response_is_read_to_its_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counterexample: a client whose deadline is later."""
    monkeypatch.setattr(f"{__name__}.CHUNKS", 3)

    def query_in_time(server: Dripping) -> None:
        with in_time(server), pytest.raises(KlingError):
            act_sync(url_of(server, "headers"), lambda client: client.get(TASK_ID), timeout=60)

    with Dripping(BEHAVIOURS["headers"]) as server, pytest.raises(AssertionError, match="all_was_read"):
        query_in_time(server)


@both
def test_slow_but_finite_responses_are_received(kind: str) -> None:
    """Counterexample: bytes that arrive with pauses, all within the limit; twice over one connection."""
    answer = shown("processing").content
    head = OK + f"content-length: {len(answer)}\r\n\r\n".encode()

    def behave(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            for part in (head[:9], head[9:], answer[:50], answer[50:]):
                connection.sendall(part)
                time.sleep(PAUSE)

    def ask(client: Any) -> Any:
        if kind == "sync":
            return [client.get(TASK_ID), client.get(TASK_ID)]

        async def two() -> None:
            await client.get(TASK_ID)
            await client.get(TASK_ID)

        return two()

    with Dripping(behave) as server:
        KINDS[kind](url_of(server, ""), ask, timeout=10.0)


# -- parts


def test_a_total_counts_all_operations_together() -> None:
    timeout = CallTimeout(5.0, 0.02, sends=False)
    assert timeout == 5.0
    assert 0 < timeout.left(sent=True) <= 0.02
    time.sleep(0.03)
    timeout.sent()
    for sent in (False, True):
        with pytest.raises(CallTimedOut, match=r"within 0.02 s") as caught:
            timeout.left(sent=sent)
        assert caught.value.sent is sent


def test_the_upload_of_a_body_does_not_count() -> None:
    """It may be large; each of its parts has the timeout of a single operation."""
    timeout = CallTimeout(5.0, 0.02, sends=True)
    time.sleep(0.03)
    timeout.sent()
    assert timeout.left(sent=True) > 0


LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2])


@LIBRARIES
@pytest.mark.parametrize("name", ["Client", "AsyncClient"])
def test_the_libraries_still_have_the_parts_that_are_replaced(library: Any, name: str) -> None:
    """Also behind a proxy. A release that moves them must not silently remove the limits."""
    kind = getattr(library, "HTTPTransport" if name == "Client" else "AsyncHTTPTransport")
    client = getattr(library, name)(mounts={"https://": kind(proxy="http://127.0.0.1:1"), "all://h": None})
    for _ in range(2):  # the second time changes nothing
        limit_connections(client, awaitable=name == "AsyncClient")
    transports = [client._transport, *client._mounts.values()]
    assert len(transports) >= 3
    for transport in filter(None, transports):
        backend = transport._pool._network_backend
        assert type(backend).__module__ == "kling_client.deadline"
        assert type(backend._backend).__module__.startswith("httpcore")


def test_transports_of_tests_are_left_alone() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=picture())))
    limit_connections(http, awaitable=False)
    assert http.get("https://h").status_code == 200
