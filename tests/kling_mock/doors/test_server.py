"""The socket server: starting, stopping, and options for speed."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest
import uvicorn

from kling_contracts.virtual_time.threads import RealTimeThread
from kling_mock import Fake
from kling_mock.doors.listening import bind
from kling_mock.doors.server import ACCEPTED_AT_ONCE, Server, uvicorn_config

HEALTH = "/_mock/health"


def _port(url: str) -> int:
    port = httpx.URL(url).port
    assert port is not None
    return port


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, trust_env=False) as client:
        yield client


def test_it_answers_from_the_moment_it_has_a_url(client: httpx.Client) -> None:
    """It is bound before it has a URL, and closed when the block is left."""
    server = Fake().serve()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url
    with server as entered:
        assert entered is server
        url = server.url
        assert url.startswith("http://127.0.0.1:")
        assert client.get(url + HEALTH).status_code == 200
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url
    with pytest.raises(httpx.ConnectError):
        client.get(url + HEALTH)


def test_stopping_frees_the_port_and_is_idempotent(client: httpx.Client) -> None:
    """The same port can be taken at once, also by the same server."""
    server = Fake().serve().start()
    port = _port(server.url)
    assert client.get(server.url + HEALTH).status_code == 200
    server.stop()
    server.stop()
    with closing(bind("127.0.0.1", port)):
        pass
    server.start()
    try:
        assert client.get(server.url + HEALTH).status_code == 200
        with pytest.raises(RuntimeError, match="started already"):
            server.start()
    finally:
        server.stop()
    Fake().serve().stop()  # never started


def test_its_thread_ends_with_it() -> None:
    with Fake().serve() as server:
        thread = server._thread
        assert thread is not None
        assert thread.is_alive()
        assert thread.daemon
    assert not thread.is_alive()


def test_two_servers_are_two_worlds(client: httpx.Client, good_body: bytes) -> None:
    first, second = Fake(), Fake()
    with first.serve() as one, second.serve() as two:
        assert one.url != two.url
        headers = {"authorization": "Bearer k"}
        client.post(f"{one.url}/kling/v1/images/generations", headers=headers, content=good_body)
    assert (len(first.tasks), len(second.tasks)) == (1, 0)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_nagles_algorithm_is_off_on_accepted_connections(
    loop: str, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs 46 ms a request. asyncio switches it off only where the listening socket names TCP."""
    if loop == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    with Fake().serve() as server:
        client.get(server.url + HEALTH)
        assert server._server is not None
        (connection,) = server._server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_connections_are_kept(client: httpx.Client) -> None:
    """One for many requests, and for longer than the five seconds many clients let pass between polls."""
    with Fake().serve() as server:
        ports = set()
        for _ in range(5):
            response = client.get(server.url + HEALTH)
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))
        assert len(ports) == 1
        assert server._server is not None
        assert len(server._server.server_state.connections) == 1
    assert uvicorn_config(Fake().asgi()).timeout_keep_alive > 60


def test_an_idle_connection_does_not_hold_up_stopping() -> None:
    """Its client sees the end of the connection."""
    server = Fake().serve().start()
    connection = http.client.HTTPConnection("127.0.0.1", _port(server.url), timeout=10)
    with closing(connection):
        connection.request("GET", HEALTH)
        assert connection.getresponse().read()
        server.stop()
        assert connection.sock.recv(1) == b""


def test_twenty_threads_at_once(client: httpx.Client, good_body: bytes) -> None:
    """Every create gets a task of its own, every query its answer."""
    fake = Fake(pace="polls:1")
    together = threading.Barrier(20)
    seen: list[str] = []

    def work(url: str) -> None:
        together.wait(10)
        headers = {"authorization": "Bearer k"}
        created = client.post(f"{url}/kling/v1/images/generations", headers=headers, content=good_body)
        task = created.json()["data"]["task_id"]
        polled = client.get(f"{url}/kling/v1/images/generations/{task}", headers=headers)
        assert polled.json()["data"]["task_id"] == task
        seen.append(polled.json()["data"]["task_status"])

    with fake.serve() as server:
        threads = [threading.Thread(target=work, args=(server.url,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == ["succeed"] * 20
    assert len({task.id for task in fake.tasks}) == 20
    fake.check()


def test_new_connections_do_not_wait_for_many_iterations_of_the_event_loop() -> None:
    """uvloop accepts one in each: under load the last of 300 waited for seconds."""
    pytest.importorskip("uvloop")
    number = 3 * ACCEPTED_AT_ONCE
    are_open, are_accepted = threading.Event(), threading.Event()
    iterations: list[int] = []

    with Fake().serve() as server, ExitStack() as stack:
        life_cycle = server._server
        assert life_cycle is not None
        loop = life_cycle.loop
        assert loop is not None

        def count() -> None:
            iterations.append(len(life_cycle.server_state.connections))
            if iterations[-1] == number:
                are_accepted.set()
            else:
                loop.call_soon(count)

        def begin() -> None:
            are_open.wait(10)
            count()

        loop.call_soon_threadsafe(begin)
        for _ in range(number):
            stack.enter_context(socket.create_connection(("127.0.0.1", _port(server.url))))
        are_open.set()
        assert are_accepted.wait(10)
    assert len(iterations) < number / 2


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the thread that starts it, not in the thread of the server."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(uvicorn.Server, "startup", fail)
    server = Fake().serve()
    with pytest.raises(RuntimeError, match="could not be started") as raised:
        server.start()
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url


def test_it_serves_any_application() -> None:
    """The dashboard's or a test's own, from a thread whose sleeps are left alone."""
    threads: list[threading.Thread] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        threads.append(threading.current_thread())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with ExitStack() as stack:
        server = stack.enter_context(Server(app))
        connection = stack.enter_context(
            closing(http.client.HTTPConnection("127.0.0.1", _port(server.url), timeout=10))
        )
        connection.request("GET", "/")
        assert connection.getresponse().status == 204
    assert isinstance(threads[0], RealTimeThread)
