"""Faulty replies through `transport()` and `intercept()`: the exceptions of the library, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import httpx
import pytest
import respx
import trio

from kling_mock import Fake, ManualClock
from kling_mock.delivery import Delivery
from kling_mock.timing.time_skipping import TimeSkipping
from tests.kling_mock.doors.faulty_replies import CASES, SIZE, FaultyFake, outcome
from tests.kling_mock.doors.http_libraries import NOT_FOUND, Way


def transport(_: Way, fake: Fake, __: ExitStack) -> object:
    return fake.transport()


def intercept(way: Way, fake: Fake, stack: ExitStack, retries: int = 0) -> object:
    stack.enter_context(fake.intercept(only=True))
    return way.HTTPTransport(verify=False, retries=retries)


def below(way: Way, fake: Fake, stack: ExitStack, retries: int = 0) -> object:
    """A method that was saved before: the request arrives at the connections of the transport."""
    made = way.HTTPTransport(verify=False, retries=retries)
    saved = getattr(made, way.method)
    stack.enter_context(fake.intercept(only=True))
    library: Any = way.library

    class Saving(library.BaseTransport, library.AsyncBaseTransport):  # type: ignore[misc]  # of either library
        def handle_request(self, request: Any) -> Any:
            return saved(request)

        async def handle_async_request(self, request: Any) -> Any:
            return await saved(request)

    return Saving()


def route(way: Way, fake: Fake, stack: ExitStack) -> object:
    """A route of respx, which mocks httpx only."""
    if way.library is not httpx:
        return transport(way, fake, stack)
    fake.respx_route(stack.enter_context(respx.mock(assert_all_called=False)))
    return way.HTTPTransport(verify=False)


@pytest.fixture(params=[transport, intercept, below, route], ids=lambda param: param.__name__)
def connect(request: pytest.FixtureRequest, way: Way) -> Iterator[Callable[[Fake], Any]]:
    """A function that makes a client whose requests a fake answers."""
    with ExitStack() as stack:
        yield lambda fake: way.Client(transport=request.param(way, fake, stack), trust_env=False)


def test_faults_are_exceptions_of_the_library(
    way: Way, connect: Callable[[Fake], Any], pauses: list[float]
) -> None:
    fake = FaultyFake()
    client = connect(fake)
    found = {}
    cases = dict(CASES)
    if way.run is trio.run:  # both libraries leave generators of their own unfinished after a DecodingError
        del cases["not compressed"]
    for name, case in cases.items():
        fake.delivery, fake.reply_headers = case.delivery, case.headers
        pauses.clear()
        found[name] = outcome(way, client, NOT_FOUND, case.timeout)
        assert sum(pauses) <= (0 if found[name] == "ReadTimeout" else 0.06), name
    assert found == {name: case.outcome for name, case in cases.items()}
    fake.delivery = Delivery(refused=True)  # a socket server that has the request cannot do that
    assert outcome(way, client, NOT_FOUND) == "ConnectError"
    way.close(client)


@pytest.mark.parametrize("connect", [intercept, below])
def test_a_refused_connection_is_repeated_as_often_as_the_transport_demands(
    way: Way, connect: Callable[..., Any], pauses: list[float]
) -> None:
    """With `retries=`, and the pauses of httpcore. Other faults are not repeated."""
    fake = Fake()
    with ExitStack() as stack:
        client = way.Client(transport=connect(way, fake, stack, retries=3), trust_env=False)
        fake.next_request.refuses_connections().times(3)
        assert way.send(client, "GET", NOT_FOUND).status_code == 401
        assert ([call.status for call in fake.calls], pauses) == ([0, 0, 0, 401], [0, 0.5, 1])
        fake.next_request.refuses_connections().times(4)
        with pytest.raises(way.library.ConnectError):
            way.send(client, "GET", NOT_FOUND)
        fake.next_request.resets()
        with pytest.raises(way.library.ReadError):
            way.send(client, "GET", NOT_FOUND)
        assert len(fake.calls) == 9
        way.close(client)


def test_the_body_of_head_has_no_faults(way: Way, connect: Callable[[Fake], Any]) -> None:
    client = connect(FaultyFake(Delivery(cut=10, rate=1)))
    response = way.send(client, "HEAD", NOT_FOUND)
    assert (response.headers["content-length"], response.content) == (str(SIZE), b"")


def test_delays_take_real_time(way: Way, pauses: list[float]) -> None:
    """Those of the head and of each chunk, also without a timeout."""
    client = way.Client(transport=FaultyFake(Delivery(delay=7, rate=50, chunk=40)).transport())
    assert len(way.send(client, "GET", NOT_FOUND, timeout=None).content) == SIZE
    assert pauses == [7, 0.8, 0.8, 0.4]


def test_an_endless_wait_ends_with_an_explanation(way: Way) -> None:
    client = way.Client(transport=FaultyFake(Delivery(never=True)).transport())
    with pytest.raises(way.library.ReadTimeout, match=r"it has no read timeout.*give the client a timeout"):
        way.send(client, "GET", NOT_FOUND, timeout=None)
    with pytest.raises(way.library.ReadTimeout, match=r"no response within 3\.5 s"):
        way.send(client, "GET", NOT_FOUND, timeout=3.5)


def test_the_data_before_a_failure_is_received(way: Way) -> None:
    client = way.Client(transport=FaultyFake(Delivery(cut=90, rate=1e9, chunk=40)).transport())
    received: list[bytes] = []

    def blocking() -> None:
        with client.stream("GET", NOT_FOUND) as response:
            received.extend(response.iter_raw())

    async def asynchronous() -> None:
        async with client.stream("GET", NOT_FOUND) as response:
            async for chunk in response.aiter_raw():
                received.append(chunk)  # noqa: PERF401 -- it ends with an exception

    with pytest.raises(way.library.RemoteProtocolError, match=r"received 90 bytes, expected 100"):
        way.do(client, blocking if way.blocking else asynchronous, close=True)
    assert [len(chunk) for chunk in received] == [40, 40, 10]


def test_skipped_time_passes_on_the_clock(way: Way) -> None:
    """A delay, the pauses of a body, and a timeout; only an endless wait has no duration."""
    fake = FaultyFake()
    clock = ManualClock()
    with TimeSkipping(clock):
        client = way.Client(transport=fake.transport(), timeout=10)
        for delivery, seconds, expected in (
            (Delivery(delay=7), 7, SIZE),
            (Delivery(delay=70), 10, "ReadTimeout"),
            (Delivery(never=True), 10, "ReadTimeout"),
            (Delivery(rate=25, chunk=50), 4, SIZE),
            (Delivery(rate=1, chunk=50), 10, "ReadTimeout"),
            (Delivery(refused=True), 0, "ConnectError"),
        ):
            fake.delivery = delivery
            began = clock.now()
            try:
                found: object = len(way.send(client, "GET", NOT_FOUND).content)
            except way.library.HTTPError as error:
                found = type(error).__name__
            assert (clock.now() - began, found) == (seconds, expected)


@pytest.mark.parametrize("way", ["httpx asyncio", "httpx2 trio"], indirect=True)
def test_a_delay_does_not_stall_the_event_loop(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of an asynchronous client wait at the same time: each until all of them wait."""
    client = way.Client(transport=FaultyFake(Delivery(delay=0.05)).transport())
    waits: list[float] = []

    async def main() -> None:
        everyone = anyio.Event()

        async def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 8:
                everyone.set()
            await everyone.wait()

        monkeypatch.setattr(anyio, "sleep", wait)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(client.get, NOT_FOUND)

    way.do(client, main, close=True)
    assert waits == [0.05] * 8
