"""Interception: what is answered, what passes, what other routers decide, and what is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpcore
import httpx
import pytest
import respx
from respx.mocks import HTTPCoreMocker
from respx.models import AllMockedAssertionError

from kling_contracts.gateways import COMETAPI, INTERCEPTED_HOSTS
from kling_mock import Fake
from kling_mock.doors.asgi import ASGIApp
from kling_mock.doors.respx_router import Interception

Build = Callable[..., httpx.Request]
Fetch = Callable[[str], httpx.Response]

HEALTH = f"{COMETAPI.base_url}/_mock/health"
ELSEWHERE = "https://elsewhere.test/x"
NOT_FOUND = f"{COMETAPI.base_url}/nothing"


def _fetch_sync(url: str) -> httpx.Response:
    with httpx.Client(verify=False, trust_env=False) as client:
        return client.get(url)


def _fetch_async(url: str) -> httpx.Response:
    async def main() -> httpx.Response:
        async with httpx.AsyncClient(verify=False, trust_env=False) as client:
            return await client.get(url)

    return asyncio.run(main())


@pytest.fixture(params=[_fetch_sync, _fetch_async], ids=["sync", "async"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    """A GET with a client made for the purpose, on either side of httpx."""
    chosen: Fetch = request.param
    return chosen


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """After each test httpx is as it was: no routers, no patches."""
    before = (httpcore.ConnectionPool.handle_request, httpcore.AsyncConnectionPool.handle_async_request)
    yield
    after = (httpcore.ConnectionPool.handle_request, httpcore.AsyncConnectionPool.handle_async_request)
    assert after == before
    assert HTTPCoreMocker.routers == []


@pytest.mark.parametrize("host", INTERCEPTED_HOSTS)
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("path", ["/", "/kling/v1/images/generations/1", "/any/thing?x=1", "/_mock/health"])
def test_every_path_of_the_services_hosts_is_answered(
    fetch: Fetch, host: str, scheme: str, path: str
) -> None:
    """All five hosts, whatever the port and however the host is spelled."""
    fake = Fake()
    with fake.intercept(only=True):
        for authority in (host, host.upper(), f"{host}:8443"):
            assert fetch(f"{scheme}://{authority}{path}").status_code in {200, 401}
    assert len(fake.calls) == 3
    fake.check()


def test_clients_made_before_are_intercepted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """And afterwards they are back on the network."""
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", _unreachable)
    with httpx.Client(verify=False, trust_env=False) as client:
        with Fake().intercept():
            assert client.get(HEALTH).status_code == 200
        with pytest.raises(httpx.ConnectError):
            client.get(HEALTH)


def _unreachable(*_: object, **__: object) -> None:
    raise httpcore.ConnectError("no network in tests")


def test_a_transport_of_the_users_own_is_left_alone() -> None:
    """Who gives a client a transport has decided where its requests go, even to the service's hosts."""
    mine = httpx.MockTransport(lambda _: httpx.Response(418))
    fake = Fake()
    with fake.intercept(only=True), httpx.Client(transport=mine) as client:
        assert client.get(HEALTH).status_code == 418
    assert len(fake.calls) == 0


def test_other_hosts_pass(fetch: Fetch, served: tuple[ASGIApp, str]) -> None:
    """To a real socket on this machine, in the midst of an interception."""
    app, url = served
    app.fake = behind_socket = Fake()
    fake = Fake()
    with fake.intercept():
        assert fetch(f"{url}/somewhere").status_code == 401
        assert fetch(NOT_FOUND).status_code == 401
    assert [call.path for call in behind_socket.calls] == ["/somewhere"]
    assert [call.path for call in fake.calls] == ["/nothing"]


def test_with_only_other_hosts_are_refused_and_told_what_to_do(fetch: Fetch) -> None:
    """An assertion, so that it fails the test wherever the user's code swallows httpx errors."""
    with Fake().intercept(only=True), pytest.raises(AllMockedAssertionError) as refused:
        fetch(ELSEWHERE)
    message = str(refused.value)
    assert f"GET {ELSEWHERE} was refused" in message
    assert "intercept(only=True)" in message
    assert COMETAPI.hosts[0] in message
    assert "respx router of your own" in message
    assert "leave `only` out" in message


def _router(*, strict: bool) -> respx.MockRouter:
    router = respx.mock(assert_all_mocked=strict, assert_all_called=False)
    router.get("https://mine.test/x").respond(418)
    return router


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
def test_a_router_of_the_users_own_decides_about_other_hosts(
    fetch: Fetch, *, only: bool, strict: bool, ours_first: bool
) -> None:
    """What it mocks, it answers; what it does not, it refuses if it is strict and answers empty if not."""
    fake = Fake()
    theirs: AbstractContextManager[object] = _router(strict=strict)
    ours: AbstractContextManager[object] = fake.intercept(only=only)
    first, second = (ours, theirs) if ours_first else (theirs, ours)
    with first, second:
        assert fetch("https://mine.test/x").status_code == 418
        if strict:
            with pytest.raises(AllMockedAssertionError):
                fetch(ELSEWHERE)
        else:
            assert fetch(ELSEWHERE).status_code == 200
        # A lax router answers everything: whoever starts it first has it answer for the service as well.
        ours_answers = strict or ours_first
        assert fetch(NOT_FOUND).status_code == (401 if ours_answers else 200)
    assert len(fake.calls) == ours_answers


def test_a_route_of_the_users_own_for_the_service_counts_if_it_was_started_first(fetch: Fetch) -> None:
    """respx asks routers in the order in which they were started."""
    mine = respx.mock(assert_all_called=False)
    mine.get(NOT_FOUND).respond(418)
    with mine, Fake().intercept():
        assert fetch(NOT_FOUND).status_code == 418
        assert fetch(HEALTH).status_code == 200
    with Fake().intercept(), mine:
        assert fetch(NOT_FOUND).status_code == 401


def test_a_users_router_may_pass_its_hosts_on(fetch: Fetch, served: tuple[ASGIApp, str]) -> None:
    """`pass_through` of theirs is honoured, in either order."""
    app, url = served
    app.fake = Fake()
    mine = respx.mock(assert_all_called=False)
    mine.route(host="127.0.0.1").pass_through()
    with mine, Fake().intercept():
        assert fetch(f"{url}/_mock/health").status_code == 200
    with Fake().intercept(), mine:
        assert fetch(f"{url}/_mock/health").status_code == 200


def test_of_nested_interceptions_the_inner_one_answers(fetch: Fetch) -> None:
    """As with any other kind of patch; the outer one is in charge again afterwards."""
    outer, inner = Fake(), Fake()
    with outer.intercept(only=True):
        fetch(NOT_FOUND)
        with inner.intercept(only=True):
            fetch(NOT_FOUND)
            fetch(NOT_FOUND)
            with pytest.raises(AllMockedAssertionError):
                fetch(ELSEWHERE)
        fetch(NOT_FOUND)
    assert (len(outer.calls), len(inner.calls)) == (2, 2)


def test_interceptions_may_end_in_any_order(fetch: Fetch) -> None:
    """What is left is in charge, and the last one to go leaves nothing behind."""
    first, second = Fake(), Fake()
    one, two = first.intercept(), second.intercept()
    one.__enter__()
    two.__enter__()
    one.__exit__()
    fetch(NOT_FOUND)
    two.__exit__()
    assert (len(first.calls), len(second.calls)) == (0, 1)


def test_an_interception_can_be_used_again_but_not_twice_at_once(fetch: Fetch) -> None:
    fake = Fake()
    interception = fake.intercept()
    for _ in range(2):
        with interception:
            fetch(NOT_FOUND)
            with pytest.raises(RuntimeError, match="open already"):
                interception.__enter__()
    assert len(fake.calls) == 2


def test_it_ends_with_an_exception_too() -> None:
    with pytest.raises(ZeroDivisionError), Fake().intercept():
        raise ZeroDivisionError


def test_it_opens_with_async_with_as_well() -> None:
    fake = Fake()

    async def main() -> None:
        async with fake.intercept() as opened, httpx.AsyncClient(verify=False, trust_env=False) as client:
            assert isinstance(opened, Interception)
            assert (await client.get(HEALTH)).status_code == 200

    asyncio.run(main())
    assert len(fake.calls) == 1


def test_threads_are_intercepted_alike() -> None:
    """Whoever calls, from wherever: one fake answers."""
    fake = Fake()
    together = threading.Barrier(8)
    statuses: list[int] = []

    def call() -> None:
        together.wait(10)
        statuses.append(_fetch_sync(NOT_FOUND).status_code)

    with fake.intercept(only=True):
        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [401] * 8
    assert len(fake.calls) == 8


def test_redirects_and_streams_take_the_clients_real_path() -> None:
    """A body arrives like one from the network: unread until somebody reads it."""
    with Fake().intercept(), httpx.Client(verify=False, trust_env=False) as client:  # noqa: SIM117 -- reads better apart
        with client.stream("GET", HEALTH) as response:
            assert not response.is_stream_consumed
            assert b"".join(response.iter_raw()).startswith(b"{")
