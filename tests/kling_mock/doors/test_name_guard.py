"""While the service is intercepted, no library can resolve its names."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from itertools import permutations
from socket import getaddrinfo  # a name that was bound before any guard
from typing import Any

import aiohttp
import httpcore
import httpcore2
import pytest
import requests
import trio

from kling_contracts.gateways import COMETAPI, INTERCEPTED_HOSTS
from kling_mock import Fake, NameRefused
from kling_mock.name_guard import NameGuard

HOST = COMETAPI.hosts[0]
REPLACEABLE = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection", "socket")
uvloop = pytest.importorskip("uvloop")  # Windows has none


@pytest.fixture(autouse=True)
def nothing_is_replaced() -> Iterator[None]:
    """Neither during a test nor after it, so that other libraries' patches cannot get into a wrong order."""
    before = [getattr(socket, name) for name in REPLACEABLE]
    yield
    assert [getattr(socket, name) for name in REPLACEABLE] == before


def _in_thread(host: str) -> None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            getaddrinfo(host, 443)
        except BaseException as error:  # noqa: BLE001 -- raised again below
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    raise caught[0]


def _custom_transport(core: Any) -> Callable[[str], object]:
    """A transport of the user's own over httpcore meets the guard."""

    def request(host: str) -> object:
        with core.ConnectionPool() as pool:
            return pool.request("GET", f"http://{host}/")

    return request


async def _aiohttp(host: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}/"):
        pass


async def _in_loop(host: str) -> object:
    return await asyncio.get_running_loop().getaddrinfo(host, 443)


LOOK_UPS: dict[str, Callable[[str], object]] = {
    "getaddrinfo": lambda host: socket.getaddrinfo(host, 443),
    "getaddrinfo, imported by name": lambda host: getaddrinfo(host, 443),
    "getaddrinfo by keywords": lambda host: socket.getaddrinfo(host=host, port=443),
    "getaddrinfo of bytes": lambda host: socket.getaddrinfo(host.encode(), 443),
    "gethostbyname": socket.gethostbyname,
    "gethostbyname_ex": socket.gethostbyname_ex,
    "create_connection": lambda host: socket.create_connection((host, 443)),
    # A socket resolves before it raises these events, and connects after them.
    "connect": lambda host: sys.audit("socket.connect", None, (host, 443)),
    "connect with a scope": lambda host: sys.audit("socket.connect", None, (host, 443, 0, 0)),
    "sendto": lambda host: sys.audit("socket.sendto", None, (host, 53)),
    "upper case": lambda host: socket.getaddrinfo(host.upper(), 443),
    "trailing dot": lambda host: socket.getaddrinfo(f"{host}.", 443),
    "full-width letters": lambda host: socket.getaddrinfo(chr(ord(host[0]) + 0xFEE0) + host[1:], 443),
    "an ideographic full stop": lambda host: socket.gethostbyname(host.replace(".", "\u3002")),
    "upper-case bytes and a dot": lambda host: socket.getaddrinfo(f"{host.upper()}.".encode(), 443),
    "thread": _in_thread,
    "asyncio": lambda host: asyncio.run(_in_loop(host)),
    "trio": lambda host: trio.run(trio.socket.getaddrinfo, host, 443),
    "urllib": lambda host: urllib.request.urlopen(f"https://{host}/", timeout=1),
    "requests": lambda host: requests.get(f"https://{host}/", timeout=1),
    "aiohttp": lambda host: asyncio.run(_aiohttp(host)),
    "httpcore": _custom_transport(httpcore),
    "httpcore2": _custom_transport(httpcore2),
}


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "getproxies", dict[str, str])
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS)
def test_the_services_names_are_not_resolved(look_up: Callable[[str], object]) -> None:
    """By any resolver and in any spelling; the error names the alternatives."""
    for host in INTERCEPTED_HOSTS:
        with Fake().intercept(), pytest.raises(NameRefused) as refused:
            look_up(host)
        message = str(refused.value)
        assert host in message.lower()
        assert "kling_server" in message
        assert "requests_adapter" in message
        assert "httpx and httpx2" in message


@pytest.fixture
def proxy() -> Iterator[str]:
    """The address of a proxy, which would resolve names by itself; it answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


# urllib3 raises its event when it has connected, and does not close the socket.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_service_is_not_reached_through_a_proxy(proxy: str) -> None:
    """By libraries over http.client: requests, urllib3, urllib."""
    url = f"https://{HOST}/"
    with Fake().intercept():
        with pytest.raises(NameRefused):
            requests.get(url, timeout=1, proxies={"https": f"http://{proxy}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": f"http://{proxy}"}))
        with pytest.raises(NameRefused):
            opener.open(url, timeout=1)
    gc.collect()


@pytest.mark.parametrize("host", ["localhost", None, "127.0.0.1", "::1", b"localhost"])
def test_other_names_are_resolved(host: str | bytes | None) -> None:
    with Fake().intercept():
        assert socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)


@pytest.mark.parametrize("host", [f"x.{HOST}", f"{HOST}.test", f"x{HOST}"])
def test_names_that_contain_one_of_the_services_are_others(host: str) -> None:
    """They are looked up: here, as numbers, which they are not."""
    with Fake().intercept(), pytest.raises(socket.gaierror):
        socket.getaddrinfo(host, 443, flags=socket.AI_NUMERICHOST)


def test_unix_sockets_and_odd_addresses_are_left_alone(tmp_path: object) -> None:
    with Fake().intercept(), socket.socket(socket.AF_UNIX) as made:
        for address in (f"{tmp_path}/none", f"{tmp_path}/none".encode(), HOST):
            with pytest.raises(OSError, match="No such file"):
                made.connect(address)
        with pytest.raises(TypeError):
            made.connect(())
        with pytest.raises(TypeError):
            made.connect(None)  # type: ignore[arg-type]  # the point


def test_the_refusal_fails_tests_and_is_no_network_error() -> None:
    """Code that handles errors of the network must not swallow it."""
    assert issubclass(NameRefused, AssertionError)
    assert not issubclass(NameRefused, OSError)


def refuses() -> bool:
    """Whether the name is refused; no look-up leaves the machine in either case."""
    try:
        socket.getaddrinfo(HOST, 443, flags=socket.AI_NUMERICHOST)
    except NameRefused:
        return True
    except socket.gaierror:
        return False
    raise AssertionError("a name is not a number")


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_guards_may_end_in_any_order(order: tuple[int, ...]) -> None:
    """Names are refused as long as one is active."""
    guards = [NameGuard() for _ in range(3)]
    assert not refuses()
    for guard in guards:
        guard.__enter__()
    for index in order:
        assert refuses()
        guards[index].__exit__()
    assert not refuses()


def test_an_interception_guards_while_it_is_open() -> None:
    interception = Fake().intercept()
    assert not refuses()
    with interception:
        assert refuses()
    assert not refuses()
    with pytest.raises(ZeroDivisionError), interception:
        raise ZeroDivisionError
    assert not refuses()


@pytest.mark.parametrize("look_up", ["getaddrinfo", "create_connection"])
def test_a_uvloop_resolves_by_itself_and_is_guarded_by_itself(look_up: str) -> None:
    """It raises no audit event."""

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


IMPORTED_LATER = f"""
import asyncio, sys
from kling_mock import Fake, NameRefused
assert "uvloop" not in sys.modules

async def main():
    await asyncio.get_running_loop().getaddrinfo("{HOST}", 443)

with Fake().intercept():
    import uvloop
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(main())
        except NameRefused:
            print("refused")
"""


def test_a_uvloop_that_is_imported_later_is_guarded_too() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORTED_LATER], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "refused"
