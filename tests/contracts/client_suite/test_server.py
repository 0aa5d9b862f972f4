"""The scripted server and the virtual time of the client suite."""

from __future__ import annotations

import asyncio
import http.client
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType

import pytest

from kling_contracts.client_suite.replies import Script, created, shown, task
from kling_contracts.client_suite.server import Delivery, Received, Reply, ScriptedServer
from kling_contracts.client_suite.virtual_time import ClientTime, OutOfTime
from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.virtual_time.threads import RealTimeThread
from kling_contracts.vocabulary import TaskStatus

CHUNKED = (
    b"POST /a?b=c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{1\r\n1;x=y\r\n}\r\n0\r\nT: 1\r\n\r\n"
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda _: Reply(body="é".encode())) as running:
        yield running


def talk(server: ScriptedServer, sent: bytes) -> bytes:
    """Send bytes on a new connection; return everything received."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"POST /a?b=c HTTP/1.1\r\nContent-Length: 3\r\n\r\n{1}", b"{1}"),
        (CHUNKED, b"{1}"),
        (b"GET /a?b=c HTTP/1.1\r\nX-Key: one\r\nx-key: two\r\n\r\n", b""),
    ],
    ids=["length", "chunks", "none"],
)
def test_requests_are_recorded_unchanged(server: ScriptedServer, sent: bytes, body: bytes) -> None:
    talk(server, sent)
    (received,) = server.requests
    assert (received.target, received.path, received.body) == ("/a?b=c", "/a", body)
    assert received.header("x-key") == ("one, two" if not body else "")


def test_a_connection_is_kept_and_an_interim_answer_given(server: ScriptedServer) -> None:
    """As curl requests it before a large body."""
    one = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n1"
    back = talk(server, one)
    assert back.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(2):
        connection.request("GET", "/")
        assert connection.getresponse().read().decode() == "é"
        assert connection.sock is not None
    connection.close()


@pytest.mark.parametrize(
    ("delivery", "end"),
    [
        (Delivery.WHOLE, b"\r\nContent-Length: 2\r\n\r\n\xc3\xa9"),
        (Delivery.CLOSING, b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\xc3\xa9"),
        (Delivery.CHUNKED, b"\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\xc3\r\n1\r\n\xa9\r\n0\r\n\r\n"),
        (Delivery.CUT, b"\r\nContent-Length: 2\r\n\r\n\xc3"),
        (Delivery.DROPPED, b""),
    ],
)
def test_every_kind_of_delivery(server: ScriptedServer, delivery: Delivery, end: bytes) -> None:
    server.answer = lambda _: Reply(body="é".encode(), delivery=delivery)
    back = talk(server, b"GET / HTTP/1.1\r\n\r\n")
    assert back.endswith(end)
    assert bool(back) is bool(end)
    assert len(server.requests) == 1


def test_a_stalled_reply_ends_with_the_client(server: ScriptedServer) -> None:
    """The server closes the connection as soon as the client does."""
    server.answer = lambda _: Reply(delivery=Delivery.STALLED)
    assert talk(server, b"GET / HTTP/1.1\r\n\r\n") == b""


def test_a_request_of_a_closed_connection_is_recorded(server: ScriptedServer) -> None:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    connection.close()
    server.settle()
    assert len(server.requests) == 1


def test_an_error_in_a_script_is_kept(server: ScriptedServer) -> None:
    statuses: dict[str, int] = {}
    server.answer = lambda _: Reply(status=statuses["none"])
    talk(server, b"GET / HTTP/1.1\r\n\r\n")
    assert isinstance(server.failure, KeyError)


def asked(method: str, target: str = "/x", body: bytes = b"") -> Received:
    return Received(method=method, target=target, headers=(), body=body)


@pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda each: each.name)
def test_a_script_counts_what_it_accepts(gateway: Gateway) -> None:
    """A create with an external id in use gets the contract's error and is not accepted."""
    first, second = created(task(TaskStatus.SUBMITTED)), created(task("other"))
    script = Script(gateway, creates=[first, second])
    body = b'{"external_task_id": "mine"}'
    assert [script(asked("POST", body=body)), script(asked("POST", body=b"no JSON"))] == [first, second]
    duplicate = script(asked("POST", body=body))
    assert (duplicate.status, b"External_task_id mine already exists" in duplicate.body) == (400, True)
    assert script(asked("POST", body=b"[]")) == second
    assert script.accepted == 3


def test_a_script_lists_where_the_gateway_does() -> None:
    """A client may list the tasks to find out whether its create arrived."""
    script = Script(KLING, creates=[created(task(TaskStatus.SUBMITTED))], queries=[Reply(status=418)])
    empty = script(asked("GET", "/v1?pageNum=1"))
    script(asked("POST"))
    full = script(asked("GET", "/v1?pageNum=1"))
    assert (b"task_id" in empty.body, b"task_id" in full.body) == (False, True)
    assert Script(COMETAPI, queries=[Reply(status=418)])(asked("GET", "/v1?pageNum=1")).status == 418


def test_the_last_query_is_repeated_and_without_one_there_is_no_task() -> None:
    replies = [shown(task(status)) for status in (TaskStatus.SUBMITTED, TaskStatus.SUCCEED)]
    script = Script(COMETAPI, queries=replies)
    assert [script(asked("GET")) for _ in range(3)] == [*replies, replies[1]]
    assert b"task_not_exist" in Script(COMETAPI)(asked("GET")).body


# --- virtual time -----------------------------------------------------------------------------------------


def test_sleep_takes_no_time_and_moves_the_clocks() -> None:
    began = time.perf_counter()
    with ClientTime() as clock:
        before = time.monotonic(), time.time(), time.monotonic_ns(), time.time_ns()
        time.sleep(3600)
        after = time.monotonic(), time.time(), time.monotonic_ns(), time.time_ns()
    assert [round(b - a, -1) for a, b in zip(before[:2], after[:2], strict=True)] == [3600, 3600]
    assert [(b - a) // 10**10 for a, b in zip(before[2:], after[2:], strict=True)] == [360, 360]
    assert clock.elapsed == 3600
    assert time.perf_counter() - began < 60


def test_asynchronous_sleeps_pass_side_by_side() -> None:
    order: list[float] = []

    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    async def all_of_them() -> None:
        await asyncio.gather(*(nap(seconds) for seconds in (300, 100, 200)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(50):
                await asyncio.sleep(100)

    with ClientTime() as clock:
        asyncio.run(all_of_them())
    assert order == [100, 200, 300]
    assert clock.elapsed == pytest.approx(350, abs=20)  # real time runs beside it


def test_a_function_imported_by_name_is_reached_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Except in modules of the standard library and of pytest, on which the test runs."""
    real = time.sleep
    client, standard = ModuleType("their_client"), ModuleType("threading.copy")
    for module in (client, standard):
        module.__dict__["nap"] = real
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with ClientTime() as clock:
        client.nap(50)
        assert standard.nap is real
    assert clock.elapsed == 50
    assert client.nap is real


def test_earlier_threads_and_those_of_the_server_keep_real_time() -> None:
    seen: dict[str, bool] = {}
    go = threading.Event()

    def compare(name: str) -> None:
        go.wait()
        seen[name] = time.monotonic() - time.perf_counter() > 5000 + offset

    offset = time.monotonic() - time.perf_counter()
    before = threading.Thread(target=compare, args=("before",))
    before.start()
    with ClientTime():
        time.sleep(10_000)
        others = [
            threading.Thread(target=compare, args=("after",)),
            RealTimeThread(target=compare, args=("server",)),
        ]
        for thread in others:
            thread.start()
        go.set()
        for thread in (before, *others):
            thread.join()
    assert seen == {"before": False, "after": True, "server": False}


def test_a_sleep_beyond_the_limit_is_stopped() -> None:
    """Also in a client that catches every Exception."""

    def stubborn() -> None:
        while True:
            try:
                time.sleep(1)
            except Exception:  # noqa: BLE001 -- the client under test catches everything
                continue

    clock = ClientTime()
    clock.limit = 100
    with clock, pytest.raises(OutOfTime, match="after 101 seconds"):
        stubborn()
    assert clock.overdue
