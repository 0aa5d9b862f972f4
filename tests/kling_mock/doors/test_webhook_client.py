"""The HTTP client of callbacks, and receivers that answer in every way; both on one event loop."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import pytest
import trustme

from kling_contracts.vocabulary import TaskStatus
from kling_mock.callbacks import policy
from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.doors import webhook_client
from kling_mock.doors.webhook_client import WebhookClient
from kling_mock.doors.webhook_connection import LARGEST_BODY, LARGEST_HEAD
from kling_mock.setting_types import Reach

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def callback(port: int, scheme: str = "http", host: str = "127.0.0.1") -> Callback:
    return Callback("1", f"{scheme}://{host}:{port}/hook?x=1", TaskStatus.SUBMITTED, 0.0, 0, {"a": 1}, ())


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))


class Receiver:
    """A server on a free port. `connections` and `requests` are those so far."""

    def __init__(self, answer: Handler, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.received = asyncio.Event()
        self.port = 0
        self._answer = answer
        self._context = context

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await read_request(reader))
                self.received.set()
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def sends(data: bytes, *, closes: bool = False) -> Handler:
    """A receiver that answers with these bytes."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if closes:
            raise ConnectionError

    return answer


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """A receiver that never answers."""
    await reader.read()
    raise ConnectionError


def run(test: Callable[[WebhookClient], Awaitable[Any]], reach: Reach = "loopback") -> Any:
    async def main() -> Any:
        client = WebhookClient(reach)
        try:
            return await test(client)
        finally:
            await client.close()
            assert not client._open

    return asyncio.run(main())


def attempts(answer: Handler, number: int = 1) -> tuple[list[AttemptResult], Receiver]:
    """The results of attempts at one receiver, one after another."""

    async def test(client: WebhookClient) -> tuple[list[AttemptResult], Receiver]:
        async with Receiver(answer) as receiver:
            return [await client.attempt(callback(receiver.port)) for _ in range(number)], receiver

    found: tuple[list[AttemptResult], Receiver] = run(test)
    return found


def test_a_connection_is_kept_for_the_next_callback() -> None:
    results, receiver = attempts(sends(OK), 5)
    assert [each.status for each in results] == [200] * 5
    assert receiver.connections == 1
    head, _, body = receiver.requests[-1].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?x=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % receiver.port)
    assert body == b'{"a": 1}'


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        b"HTTP/1.0 204 No Content\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n" + OK,  # a second response, to no request
    ],
)
def test_a_connection_that_cannot_be_kept_is_closed(data: bytes) -> None:
    results, receiver = attempts(sends(data), 2)
    assert [each.status for each in results] == [204] * 2
    assert receiver.connections == 2


def test_a_kept_connection_that_was_closed_is_replaced_within_one_attempt() -> None:
    """The receiver closes each connection after the first response, without announcing it."""
    results, receiver = attempts(sends(OK, closes=True), 3)
    assert [(each.status, each.error) for each in results] == [(200, None)] * 3
    assert (receiver.connections, len(receiver.requests)) == (3, 3)


def test_a_request_that_may_be_half_answered_is_not_repeated() -> None:
    answers = [OK, b"HTTP/1.1 2"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await sends(answers[0], closes=len(answers) == 1)(reader, writer)
        answers.pop(0)

    results, receiver = attempts(answer, 2)
    assert [each.status for each in results] == [200, None]
    assert len(receiver.requests) == 2
    assert str(results[1].error).startswith("the connection ended without a response")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the connection ended without a response"),
        (b"SSH-2.0-OpenSSH\r\n", "the response is not HTTP/1.1: "),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * LARGEST_HEAD, "the head of the response is longer than "),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", "the connection ended without a response"),
    ],
)
def test_other_bytes_are_a_failed_attempt(data: bytes, reason: str) -> None:
    results, _ = attempts(sends(data, closes=True))
    assert results[0].status is None
    assert str(results[0].error).startswith(reason)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, 200),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n\x00", 101),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LARGEST_BODY * 2), 200),  # the body has no end
        (b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n", 201),  # the body never arrives
    ],
)
def test_the_status_counts_as_soon_as_it_arrives(data: bytes, status: int) -> None:
    results, receiver = attempts(sends(data), 2)
    assert [(each.status, each.error) for each in results] == [(status, None)] * 2
    assert receiver.connections <= 2


def test_a_receiver_that_does_not_answer_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert policy.ANSWER_SECONDS == 10
    monkeypatch.setattr(webhook_client, "ANSWER_SECONDS", 0.01)
    results, _ = attempts(silent)
    assert results == [AttemptResult(None, error="no answer within 0.01 s")]


def test_a_receiver_that_does_not_answer_delays_no_other() -> None:
    """Nor do those whose responses have no end."""

    async def test(client: WebhookClient) -> None:
        drip = sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\nx")
        async with Receiver(silent) as first, Receiver(drip) as second, Receiver(sends(OK)) as third:
            waiting = [asyncio.create_task(client.attempt(callback(first.port))) for _ in range(8)]
            for _ in range(8):
                assert (await client.attempt(callback(second.port))).status == 200
                assert (await client.attempt(callback(third.port))).status == 200
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)

    run(test)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1\x7f/", "ValueError: "),
        ("ftp://127.0.0.1/hook", "ValueError: URL: must be http or https, with a host"),
        ("http://127.0.0.1:0/hook", "ValueError: URL: the port must not be 0"),
        ("http://127.0.0.1:1/hook", "cannot connect to 127.0.0.1:1: Connection refused"),
        ("http://192.0.2.1/hook", "not sent: its host is not this machine's own"),
    ],
)
def test_a_receiver_that_cannot_be_called_is_a_failed_attempt(url: str, reason: str) -> None:
    result = run(lambda client: client.attempt(callback(1)._replace(url=url)))
    assert result.status is None
    assert result.error.startswith(reason)


def test_the_address_of_a_name_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` may be another machine: nothing is sent there."""
    connected: list[object] = []

    async def resolve(*_: object, **__: object) -> list[Any]:
        return [(2, 1, 6, "", ("192.0.2.1", 80))]

    async def connect(*_: object, **__: object) -> None:
        connected.append(_)
        raise OSError

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", connect)
    result = run(lambda client: client.attempt(callback(80, host="localhost")))
    assert result.error == (
        "not sent: localhost is 192.0.2.1, which is not an address of this machine; "
        "--callbacks any sends to it"
    )
    assert connected == []
    run(lambda client: client.attempt(callback(80, host="localhost")), "any")
    assert len(connected) == 1, "with any it is called"


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_client, "IDLE_SECONDS", 0.01)

    async def test(client: WebhookClient) -> None:
        async with Receiver(sends(OK)) as receiver:
            await client.attempt(callback(receiver.port))
            assert len(client._open) == 1
            await client._none_open.wait()
            assert not client._idle

    run(test)


def test_the_client_ends_at_once_whatever_receivers_do() -> None:
    """Requests in progress are cancelled; responses without an end are cut."""

    async def test(client: WebhookClient) -> float:
        endless = sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        async with Receiver(silent) as first, Receiver(endless) as second:
            waiting = asyncio.create_task(client.attempt(callback(first.port)))
            assert (await client.attempt(callback(second.port))).status == 200
            await first.received.wait()
            began = time.monotonic()
            waiting.cancel()
            await asyncio.wait([waiting])
            await client.close()
            return time.monotonic() - began

    assert run(test) < 5


def test_https_with_a_certificate_that_the_system_trusts(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the counterexample, one that it does not trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def test(client: WebhookClient) -> AttemptResult:
        async with Receiver(sends(OK), context) as receiver:
            return await client.attempt(callback(receiver.port, "https"))

    assert re.search("CERTIFICATE_VERIFY_FAILED.*; the variable SSL_CERT_FILE may", run(test).error or "")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert run(test).status == 200
