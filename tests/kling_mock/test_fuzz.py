"""Some hundred hostile requests, always the same, and the faulty servers that they find.

`make fuzz` sends a million.
"""

from __future__ import annotations

import asyncio

import pytest
import time_machine

from kling_mock import Fake
from kling_mock.doors.server import Server
from tests.kling_mock.broken_requests import SMUGGLED_KEY
from tests.kling_mock.fuzz import Fuzz
from tests.kling_mock.hostile_requests import draw
from tests.kling_mock.request_bytes import KEYS

REQUESTS = 300
KINDS = {
    *("body", "chunked body", "encoding", "route or method", "list", "headers", "key", "control API"),
    *("conflicting framing", "broken chunks", "not HTTP", "cut off in its head", "cut off in its body"),
    *("length over the cap", "Expect", "mutated"),
}
OK = b"HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\n{}"


def test_hostile_requests_are_refused_without_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    fake = Fake(keys=[*KEYS, SMUGGLED_KEY], pace="polls:2")
    with Server(fake.asgi()) as server:
        fuzz = Fuzz(server.url, 7, large=0)
        asyncio.run(fuzz.run(REQUESTS))
    assert fuzz.problems == []
    assert fuzz.statuses.keys() >= {200, 400, 401, 404, 405, 413, 415, 501}
    assert {call.account for call in fake.calls} <= {*KEYS, None}
    assert caplog.records == []
    fake.check()


def test_every_kind_is_drawn_and_an_exchange_is_drawn_from_its_number() -> None:
    exchanges = [draw(7, number, 0) for number in range(REQUESTS // 3)]
    assert {part.kind for each in exchanges for part in each.parts} == KINDS
    with time_machine.travel(86_400):  # the head of gzip has an instant
        assert exchanges == [draw(7, number, 0) for number in range(REQUESTS // 3)]
    assert exchanges[5] != draw(8, 5, 0)
    assert all(b"".join(each.pieces) == b"".join(part.data for part in each.parts) for each in exchanges)
    assert {part.kind for part in draw(7, 0, 1).parts[-1:]} <= {"large body", "large chunked body"}


FAULTY: dict[str, tuple[list[bytes], str]] = {
    "an internal error": ([b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"], "500 b''"),
    "a 503 of no known cause": ([OK.replace(b"400", b"503")], "503 b'{}'"),
    "a smuggled request": ([OK, OK] * 9, "18 replies instead of"),
    "no reply": ([], "0 replies instead of"),
    "half a body": ([OK[:-1]], "a body of 2 bytes is cut off"),
    "bytes after the reply": ([OK, b"more"], "not a response"),
    "a connection that does not end": ([OK, b""], "no end after"),
}


def test_faulty_servers_are_found() -> None:
    """Each sends the same bytes for anything; empty bytes leave the connection open."""
    for name, (sent, text) in FAULTY.items():
        found = asyncio.run(_problems(sent))
        assert any(text in each for each in found), (name, found)


async def _problems(sent: list[bytes]) -> list[str]:
    opened: list[asyncio.Transport] = []

    class Faulty(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport
            opened.append(transport)

        def data_received(self, data: bytes) -> None:
            assert data
            self.transport.writelines(sent)
            if b"" not in sent:
                self.transport.close()

        def eof_received(self) -> bool:
            return b"" in sent

    server = await asyncio.get_running_loop().create_server(Faulty, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    fuzz = Fuzz(f"http://{host}:{port}", 7, patience=0.02, large=0)
    await fuzz.run(30, connections=8)
    server.close()
    for transport in opened:
        transport.abort()
    return fuzz.problems
