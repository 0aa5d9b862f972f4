"""Interception: the requests that are answered and those that pass, precedence, and clean-up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from itertools import permutations
from typing import Any

import httpcore
import httpcore2
import httpx2
import pytest

from kling_contracts.gateways import COMETAPI, INTERCEPTED_HOSTS
from kling_mock import Fake, RequestRefused
from kling_mock.doors.asgi import ASGIApp
from kling_mock.doors.httpx_interception import Interception
from tests.kling_mock.doors.http_libraries import ELSEWHERE, NOT_FOUND, QUICK, WAYS, Way

pytestmark = pytest.mark.usefixtures("pristine_transports")
HEALTH = f"{COMETAPI.base_url}/_mock/health"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection fails at once, with the error of a network that is down."""
    for core in (httpcore, httpcore2):
        for backend in (core.SyncBackend, core.AnyIOBackend, core.TrioBackend):
            monkeypatch.setattr(
                backend, "connect_tcp", _failing(core, asynchronous=backend is not core.SyncBackend)
            )


def _failing(core: Any, *, asynchronous: bool) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise core.ConnectError("no network in tests")

    async def fail_async(*_: object, **__: object) -> None:
        fail()

    return fail_async if asynchronous else fail


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_every_path_of_the_services_hosts_is_answered(way: Way, scheme: str) -> None:
    """All five hosts, with any port and in any case, also with the dot of the root."""
    fake = Fake()
    paths = ("/", "/kling/v1/images/generations/1", "/any/thing?x=1", "/_mock/health")
    authorities = [
        authority
        for host in INTERCEPTED_HOSTS
        for authority in (host, host.upper(), f"{host}:8443", f"{host}.", f"user:word@{host}")
    ]
    client = way.Client(**QUICK)
    with fake.intercept(only=True):
        for path in paths:
            for authority in authorities:
                assert way.send(client, "GET", f"{scheme}://{authority}{path}").status_code in {200, 401}
    assert len(fake.calls) == len(authorities) * len(paths)
    fake.check()


@pytest.mark.usefixtures("no_network")
def test_clients_made_before_are_intercepted_too(way: Way) -> None:
    """And afterwards they are back on the network."""
    client = way.Client(**QUICK)
    with Fake().intercept():
        assert way.send(client, "GET", HEALTH).status_code == 200
    with pytest.raises(way.library.ConnectError):
        way.do(client, lambda: client.get(HEALTH), close=True)


def test_a_transport_of_the_users_own_is_left_alone(way: Way) -> None:
    """A client with a transport of its own sends its requests there, also those to the service's hosts."""
    mine = way.library.MockTransport(lambda _: way.library.Response(418))
    fake = Fake()
    with fake.intercept(only=True):
        assert way.fetch(HEALTH, client={"transport": mine}).status_code == 418
    assert len(fake.calls) == 0


def test_other_hosts_pass(way: Way, served: tuple[ASGIApp, str]) -> None:
    """To a real socket on this machine, during an interception; their bodies are not read on the way."""
    app, url = served
    app.fake = behind_socket = Fake()
    fake = Fake()
    with fake.intercept():
        sent = way.fetch(f"{url}/somewhere", "POST", content=way.content(b"a", b"b"))
        assert sent.status_code == 401
        with pytest.raises(way.library.RequestNotRead):
            sent.request.content  # noqa: B018 -- the access is the test
        assert way.fetch(NOT_FOUND).status_code == 401
    assert [call.path for call in behind_socket.calls] == ["/somewhere"]
    assert [call.path for call in fake.calls] == ["/nothing"]


def test_with_only_other_hosts_are_refused_with_a_way_out(way: Way) -> None:
    """An assertion, so that it fails the test also where the user's code handles errors of the library."""
    with Fake().intercept(only=True), pytest.raises(RequestRefused) as refused:
        way.fetch(ELSEWHERE)
    message = str(refused.value)
    assert f"GET {ELSEWHERE} was refused" in message
    assert "intercept(only=True)" in message
    assert COMETAPI.hosts[0] in message
    assert "leave `only` out" in message
    assert isinstance(refused.value, AssertionError)


def test_of_nested_interceptions_the_inner_one_answers(way: Way) -> None:
    """As with any other kind of patch; the outer one is in charge again afterwards."""
    outer, inner = Fake(), Fake()
    with outer.intercept(only=True):
        way.fetch(NOT_FOUND)
        with inner.intercept(only=True):
            way.fetch(NOT_FOUND)
            way.fetch(NOT_FOUND)
            with pytest.raises(RequestRefused):
                way.fetch(ELSEWHERE)
        way.fetch(NOT_FOUND)
    assert (len(outer.calls), len(inner.calls)) == (2, 2)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_interceptions_may_end_in_any_order(order: tuple[int, ...]) -> None:
    """Of those that are left the one opened last answers, and the last one to end leaves nothing behind."""
    way = WAYS["httpx2 blocking"]
    fakes = [Fake(), Fake(), Fake()]
    interceptions = [fake.intercept() for fake in fakes]
    for interception in interceptions:
        interception.__enter__()
    left = [0, 1, 2]
    expected = [0, 0, 0]
    for index in order:
        interceptions[index].__exit__()
        left.remove(index)
        if left:
            way.fetch(NOT_FOUND)
            expected[left[-1]] += 1
    assert [len(fake.calls) for fake in fakes] == expected


def test_an_interception_can_be_used_again_but_not_twice_at_once(way: Way) -> None:
    fake = Fake()
    interception = fake.intercept()
    for _ in range(2):
        with interception:
            way.fetch(NOT_FOUND)
            with pytest.raises(RuntimeError, match="open already"):
                interception.__enter__()
    assert len(fake.calls) == 2
    with pytest.raises(RuntimeError, match="is not open"):
        interception.__exit__()


def test_an_interception_that_is_never_opened_is_reported() -> None:
    """`fake.intercept()` without `with` looks as if it did something."""
    with pytest.warns(RuntimeWarning, match="use `with fake.intercept"):
        Fake().intercept()


def test_it_ends_with_an_exception_too() -> None:
    with pytest.raises(ZeroDivisionError), Fake().intercept():
        raise ZeroDivisionError


def test_it_opens_with_async_with_as_well() -> None:
    fake = Fake()

    async def main() -> None:
        async with fake.intercept() as opened, httpx2.AsyncClient(**QUICK) as client:
            assert isinstance(opened, Interception)
            assert (await client.get(HEALTH)).status_code == 200
            assert (await client.get(NOT_FOUND)).status_code == 401

    asyncio.run(main())
    assert len(fake.calls) == 2


def test_threads_are_intercepted_alike(way: Way) -> None:
    fake = Fake()
    together = threading.Barrier(8)
    statuses: list[int] = []

    def call() -> None:
        together.wait(10)
        statuses.append(way.fetch(NOT_FOUND).status_code)

    with fake.intercept(only=True):
        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [401] * 8
    assert len(fake.calls) == 8


def test_interceptions_of_several_threads_leave_nothing_behind() -> None:
    """Each thread opens and ends its own, at any time: one of the open ones answers each request."""
    way = WAYS["httpx blocking"]
    fakes = [Fake() for _ in range(6)]
    together = threading.Barrier(len(fakes))
    statuses: list[int] = []

    def run(fake: Fake) -> None:
        together.wait(10)
        for _ in range(20):
            with fake.intercept():
                statuses.append(way.fetch(NOT_FOUND).status_code)

    threads = [threading.Thread(target=run, args=(fake,)) for fake in fakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [401] * 120
    assert sum(len(fake.calls) for fake in fakes) == 120
