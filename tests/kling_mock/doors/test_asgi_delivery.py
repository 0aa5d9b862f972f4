"""Faulty replies of the ASGI application: those that ASGI can express, and the refusal of the others."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import hypercorn.asyncio
import pytest
import trio
import uvicorn
from hypercorn.config import Config
from starlette.testclient import TestClient

from kling_mock import ManualClock
from kling_mock.delivery import Delivery
from kling_mock.doors.listening import bind, url_of
from kling_mock.timing.time_skipping import TimeSkipping
from tests.kling_mock.doors.faulty_replies import BODY, SIZE, FaultyFake
from tests.kling_mock.doors.raw_client import CREATE, connected, receive_all

PATH = f"{CREATE}/1"
CAN = {
    "as usual": (Delivery(), SIZE),
    "late": (Delivery(delay=0.01), SIZE),
    "slow": (Delivery(rate=5000, chunk=30), SIZE),
    "padded": (Delivery(padding=200_000), SIZE + 200_000),
    "cut": (Delivery(cut=30), 30),
    "cut at once": (Delivery(cut=0), 0),
    "slow and cut": (Delivery(rate=5000, cut=30), 30),
    "length too long": (Delivery(length=SIZE + 1), SIZE),
}
CANNOT = {
    "never": Delivery(never=True),
    "refused": Delivery(refused=True),
    "reset": Delivery(reset=True, delay=1),
    "closed": Delivery(closed=True),
    "cut_by_reset": Delivery(cut=3, cut_by_reset=True),
    "length": Delivery(length=SIZE - 1),
}


@contextmanager
def in_thread(run: Callable[[threading.Event], None]) -> Generator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def under_uvicorn(fake: FaultyFake) -> Generator[str]:
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(fake.asgi(), log_config=None, lifespan="off", access_log=False))
    started = threading.Thread(target=server.run, args=([listening],))
    started.start()
    try:
        yield url_of(listening, "http")
    finally:
        server.should_exit = True
        started.join(20)
        assert not started.is_alive()


@contextmanager
def under_hypercorn(fake: FaultyFake) -> Generator[str]:
    listening = bind("127.0.0.1", 0)
    url = url_of(listening, "http")
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 0.1

    def serve(stop: threading.Event) -> None:
        async def stopped() -> None:
            while not stop.is_set():  # noqa: ASYNC110 -- it is set by another thread
                await asyncio.sleep(0.01)

        asyncio.run(hypercorn.asyncio.serve(fake.asgi(), config, shutdown_trigger=stopped))  # type: ignore[arg-type]  # hypercorn has types of its own

    with in_thread(serve):
        yield url


@pytest.mark.parametrize("serve", [under_uvicorn, under_hypercorn])
def test_the_bytes_of_a_reply_under_servers(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The server ends the connection after an incomplete body."""
    caplog.set_level(logging.CRITICAL)  # servers log the exception
    fake = FaultyFake()
    with serve(fake) as url:
        for name, (delivery, size) in CAN.items():
            fake.delivery = delivery
            with connected(url) as client:
                client.request("GET", PATH, "Connection: close")
                data, end = receive_all(client.sock)
            head, _, body = data.partition(b"\r\n\r\n")
            length = delivery.announced(SIZE)
            assert (name, len(body), end) == (name, size, "FIN")
            assert f"content-length: {length}" in head.decode().lower()
    fake.check()


def test_the_test_client_of_starlette() -> None:
    """It raises the exception of the application at the end of an incomplete body."""
    fake = FaultyFake()
    with TestClient(fake.asgi()) as client:
        for name, (delivery, size) in CAN.items():
            fake.delivery = delivery
            if delivery.ends_connection(SIZE):
                with pytest.raises(ConnectionAbortedError, match=f"kling-mock: reply: .*{size} of "):
                    client.get(PATH)
            else:
                assert (name, len(client.get(PATH).content)) == (name, size)
    fake.check()


@pytest.mark.parametrize("fault", CANNOT)
def test_other_faults_are_refused(fault: str) -> None:
    """With a 500 that names the fault and the ways to have it, also as an error of the fake."""
    fake = FaultyFake(CANNOT[fault])
    with TestClient(fake.asgi()) as client:
        reply = client.get(PATH)
    assert reply.status_code == 500
    assert f"cannot cause this fault of a reply ({fault}). Use fake.serve()" in reply.text
    with pytest.raises(ExceptionGroup) as raised:
        fake.check()
    assert [str(each) for each in raised.value.exceptions] == [reply.text.strip()]
    fake.check()


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_pauses_are_those_of_the_event_loop(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    fake = FaultyFake(Delivery(delay=7, rate=10, chunk=60))

    async def main() -> bytes:
        transport = httpx.ASGITransport(fake.asgi())
        async with httpx.AsyncClient(transport=transport, base_url="http://fake") as client:
            assert (await client.head(PATH)).headers["content-length"] == str(SIZE)
            return (await client.get(PATH)).content

    assert (run(main()) if run is asyncio.run else run(main)) == BODY
    assert slept == [7, 7, 6, 4]


def test_a_late_reply_ends_with_its_client() -> None:
    """Otherwise it would hold up the end of the server."""
    fake = FaultyFake(Delivery(delay=60))
    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, str]:
        return next(messages)

    async def send(message: object) -> None:
        raise AssertionError(f"nothing is sent, but {message}")

    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": b"", "headers": []}
    began = time.monotonic()
    asyncio.run(fake.asgi()(scope, receive, send))
    assert fake.answered == 1
    assert time.monotonic() - began < 10


def test_skipped_time_passes_on_the_clock() -> None:
    fake, clock = FaultyFake(Delivery(delay=70, rate=10, chunk=50)), ManualClock()
    began = clock.now()
    with TimeSkipping(clock), TestClient(fake.asgi()) as client:
        assert client.get(PATH).content == BODY
    assert clock.now() - began == 80
