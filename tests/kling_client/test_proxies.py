"""Proxies of the environment: not for this machine, and named in errors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest

from kling_client import AsyncClient, Client, TransportError
from kling_mock import Fake

PICTURES = ["https://h.test/a.png", "https://h.test/b.png"]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a proxy that refuses connections, in all variables."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://me:password@{address}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield address


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached_without_a_proxy(host: str) -> None:
    fake = Fake(pace="instant", keys=["sk-one"])
    with fake.serve() as server:
        url = server.url.replace("127.0.0.1", host)
        with Client("sk-one", base_url=url) as kling:
            assert kling.generate(PICTURES).wait().status == "succeed"

        async def main() -> None:
            async with AsyncClient("sk-one", base_url=url) as asynchronous:
                task = await asynchronous.generate(PICTURES)
                assert (await task.wait()).status == "succeed"

        asyncio.run(main())
    assert len(fake.tasks) == 2


def test_an_error_names_the_proxy_that_was_used_without_its_password(proxy: str) -> None:
    kling = Client("sk-one", base_url="http://service.test", sleep=lambda _: None)
    with kling, pytest.raises(TransportError) as refused:
        kling.get("1")
    assert f"(through the proxy http://{proxy})" in str(refused.value)
    assert "password" not in str(refused.value)

    async def main() -> None:
        async def sleep(_: float) -> None: ...

        async with AsyncClient("sk-one", base_url="http://service.test", sleep=sleep) as asynchronous:
            await asynchronous.get("1")

    with pytest.raises(TransportError, match=f"through the proxy http://{proxy}"):
        asyncio.run(main())


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_error_names_the_proxy_of_a_client_that_was_passed_in(library: Any, proxy: str) -> None:
    with library.Client(proxy=f"http://{proxy}", trust_env=False, verify=False) as http:
        kling = Client("sk-one", http_client=http, base_url="http://service.test", sleep=lambda _: None)
        with pytest.raises(TransportError, match=f"through the proxy http://{proxy}"):
            kling.get("1")


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_error_names_no_proxy_where_none_was_used(library: Any) -> None:
    """A client with a transport of its own does not heed the variables."""

    def fail(_: object) -> None:
        raise library.ConnectError("refused")

    with (
        library.Client(transport=library.MockTransport(fail)) as http,
        pytest.raises(TransportError) as refused,
    ):
        Client("sk-one", http_client=http, sleep=lambda _: None).get("1")
    assert "proxy" not in str(refused.value)
