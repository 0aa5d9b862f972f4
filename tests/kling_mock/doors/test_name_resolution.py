"""While the service is intercepted its names cannot be resolved, so that nothing but httpx gets through."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kling_contracts.gateways import COMETAPI, INTERCEPTED_HOSTS
from kling_mock import Fake
from kling_mock.doors.respx_router import NameRefused

RESOLVERS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")
HOST = COMETAPI.hosts[0]
uvloop = pytest.importorskip("uvloop")  # Windows has none


def resolved(*_: object, **__: object) -> list[object]:
    """Stands for the system's resolver, so that no test ever asks a name server."""
    return ["resolved"]


@pytest.fixture(autouse=True)
def resolvers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The system's resolvers are replaced; after each test exactly these stand-ins are in place again."""
    for name in RESOLVERS:
        monkeypatch.setattr(socket, name, resolved)
    yield
    assert {getattr(socket, name) for name in RESOLVERS} == {resolved}


# Looked up when they are called: the guard replaces them in the module.
def _by_name(host: str) -> object:
    return socket.gethostbyname(host)


def _by_name_ex(host: str) -> object:
    return socket.gethostbyname_ex(host)


def _address(host: str | bytes | None) -> object:
    return socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)


LOOK_UPS: dict[str, Callable[[str], object]] = {
    "getaddrinfo": lambda host: socket.getaddrinfo(host, 443),
    "getaddrinfo by name": lambda host: socket.getaddrinfo(host=host, port=443),
    "getaddrinfo of bytes": lambda host: socket.getaddrinfo(host.encode(), 443),
    "gethostbyname": _by_name,
    "gethostbyname_ex": _by_name_ex,
    "create_connection": lambda host: socket.create_connection((host, 443)),
    "upper case": lambda host: socket.getaddrinfo(host.upper(), 443),
    "trailing dot": lambda host: socket.getaddrinfo(f"{host}.", 443),
    "upper-case bytes and a dot": lambda host: socket.getaddrinfo(f"{host.upper()}.".encode(), 443),
    "asyncio": lambda host: asyncio.run(_in_loop(host)),
    "urllib": lambda host: urllib.request.urlopen(f"https://{host}/", timeout=1),
}


async def _in_loop(host: str) -> object:
    return await asyncio.get_running_loop().getaddrinfo(host, 443)


@pytest.mark.parametrize("host", INTERCEPTED_HOSTS)
@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS)
def test_the_services_names_are_not_resolved(
    look_up: Callable[[str], object], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks, and however the name is spelled; the error says what to use instead."""
    monkeypatch.setattr(urllib.request, "getproxies", dict[str, str])
    with Fake().intercept(), pytest.raises(NameRefused) as refused:
        look_up(host)
    message = str(refused.value)
    assert host in message.lower()
    assert "kling_server" in message
    assert "only httpx is intercepted" in message


@pytest.mark.parametrize(
    "host", ["localhost", "example.test", f"x.{HOST}", f"{HOST}.test", "", None, b"\xff", "127.0.0.1"]
)
def test_other_names_are_resolved(host: str | bytes | None) -> None:
    """By the resolver that was there before, with the arguments as they came."""
    with Fake().intercept():
        assert _address(host) == ["resolved"]


def test_the_refusal_fails_tests_and_is_no_network_error() -> None:
    """Code that is patient with the network must not swallow it."""
    assert issubclass(NameRefused, AssertionError)
    assert not issubclass(NameRefused, OSError)


def test_nothing_is_patched_before_and_after() -> None:
    """Not by making a fake, nor by making an interception that is not open."""
    interception = Fake().intercept()
    assert socket.getaddrinfo is resolved
    with interception:
        assert socket.getaddrinfo is not resolved
    assert _address(HOST) == ["resolved"]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_guards_may_end_in_any_order(order: tuple[int, ...]) -> None:
    """Names are refused as long as one is up; then everything is as it was."""
    interceptions = [Fake().intercept() for _ in range(3)]
    for interception in interceptions:
        interception.__enter__()
    for index in order:
        with pytest.raises(NameRefused):
            socket.getaddrinfo(HOST, 443)
        interceptions[index].__exit__()
    assert socket.getaddrinfo is resolved
    assert _by_name(HOST) == ["resolved"]


def test_a_patch_of_somebody_else_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that lies under another library's patch is lifted where it lies."""
    with ExitStack() as stack:
        stack.enter_context(Fake().intercept())
        guarded = socket.getaddrinfo

        def theirs(*args: object, **kwargs: object) -> object:
            return ["theirs", *guarded(*args, **kwargs)]  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", theirs)
        with pytest.raises(NameRefused):
            socket.getaddrinfo(HOST, 443)
    assert socket.getaddrinfo is theirs
    assert _address(HOST) == ["theirs", "resolved"]
    monkeypatch.setattr(socket, "getaddrinfo", resolved)


def test_an_exception_lifts_it_too() -> None:
    with pytest.raises(ZeroDivisionError), Fake().intercept():
        raise ZeroDivisionError


@pytest.mark.parametrize("look_up", ["getaddrinfo", "create_connection"])
def test_a_uvloop_resolves_by_itself_and_is_guarded_by_itself(look_up: str) -> None:
    """It never asks the socket module."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        if look_up == "getaddrinfo":
            await loop.getaddrinfo(HOST, 443)
        else:
            await loop.create_connection(asyncio.Protocol, HOST, 443)

    before = getattr(uvloop.Loop, look_up)
    with Fake().intercept(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with pytest.raises(NameRefused):
            runner.run(main())
        assert runner.run(_in_loop("127.0.0.1"))
    assert getattr(uvloop.Loop, look_up) == before
