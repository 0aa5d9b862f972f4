"""Addresses that the socket server can and cannot listen on, and their URLs."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

import httpx
import pytest

from kling_mock import Fake
from kling_mock.doors.listening import AddressRefused, bind, url_of


def test_a_port_in_use_is_explained() -> None:
    with closing(bind("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressRefused) as refused:
            Fake().serve(port=port).start()
    message = str(refused.value)
    assert f"port {port} on 127.0.0.1 is in use" in message
    assert "choose another (0: any free one)" in message
    assert isinstance(refused.value, OSError)


@pytest.mark.parametrize("port", [-1, 65536, 70000, 10**20])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    """A resolver would take 70000 for 4464."""
    with pytest.raises(AddressRefused, match=f"^port: must be from 0 to 65535, not {port}$"):
        bind("127.0.0.1", port)


def test_a_port_that_needs_more_rights_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user may have these rights, so the error of the system is simulated."""

    class Forbidding(socket.socket):
        def bind(self, address: object, /) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidding)
    with pytest.raises(AddressRefused, match="port 80 needs more rights than you have: use one from 1024 on"):
        bind("127.0.0.1", 80)


@pytest.mark.parametrize("host", ["", "a" * 64, "a..b", "a\0b", "no.such.host"])
def test_an_invalid_host_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the host and the reason; no name is resolved over a network here."""
    real = socket.getaddrinfo

    def offline(name: str, *args: Any, **kwargs: Any) -> object:
        if name == "no.such.host":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    with pytest.raises(AddressRefused) as refused:
        bind(host, 0)
    assert str(refused.value).startswith(f"cannot listen on {host!r}, port 0: ")


def test_an_address_of_another_machine_is_refused() -> None:
    """192.0.2.1 is reserved for documentation, so no machine has it."""
    with pytest.raises(AddressRefused, match=r"cannot listen on '192\.0\.2\.1', port 0: .*use 127\.0\.0\.1"):
        bind("192.0.2.1", 0)


def _has_ipv6() -> bool:
    try:
        with closing(bind("::1", 0)):
            return True
    except AddressRefused:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_addresses_are_served(good_body: bytes) -> None:
    """In brackets, in the URL of the server and in result URLs."""
    fake = Fake(pace="instant")
    with fake.serve("::1") as server, httpx.Client(verify=False, trust_env=False) as client:
        assert server.url.startswith("http://[::1]:")
        response = client.post(
            f"{server.url}/kling/v1/images/generations",
            headers={"authorization": "Bearer k"},
            content=good_body,
        )
        assert response.status_code == 200
        assert fake.task.images[0].startswith(f"{server.url}/bs2/")
        assert client.get(fake.task.images[0]).content.startswith(b"\x89PNG")


def test_every_interface_is_named_by_one_that_a_client_can_use() -> None:
    with closing(bind("0.0.0.0", 0)) as listening:
        assert url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"
