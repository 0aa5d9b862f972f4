"""Transports are cheap: no SSL context, socket, thread or import that is not needed."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable

import httpx
import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake


@pytest.fixture
def _expensive_calls_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes expensive calls fail: those that take 30 ms, a port or a thread."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an expensive call that is not needed here")

    monkeypatch.setattr(ssl, "create_default_context", refuse)
    monkeypatch.setattr(ssl, "SSLContext", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("_expensive_calls_fail")
def test_making_a_fake_and_its_doors_costs_no_tls_no_socket_and_no_thread(
    post: Callable[..., httpx.Request], good_body: bytes
) -> None:
    """A fixture does this for each test."""
    fake = Fake()
    fake.asgi()
    fake.serve()
    with fake.intercept(), httpx.Client(transport=fake.transport()) as client:
        assert client.send(post(good_body)).status_code == 200


IN_PROCESS = f"""
import sys
import httpx
from kling_mock import Fake
fake = Fake()
with httpx.Client(transport=fake.transport()) as client:
    client.get("{COMETAPI.base_url}/_mock/health")
with fake.intercept():
    pass
heavy = {{"uvicorn", "uvloop", "PIL", "starlette", "hypothesis", "pytest", "jsonschema"}}
print(sorted(heavy & set(sys.modules)))
"""


def test_in_process_doors_load_no_server_and_no_picture_library() -> None:
    """Each transport imports only the library that it is named after."""
    run = subprocess.run([sys.executable, "-c", IN_PROCESS], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
