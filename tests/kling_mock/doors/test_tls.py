"""HTTPS: the same service, URLs that begin with https, connections that are closed properly."""

from __future__ import annotations

import gc
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from kling_mock import Fake
from kling_mock.cli import main
from kling_mock.delivery import Delivery
from kling_mock.doors.server import Server
from kling_mock.doors.tls import Certificate
from tests.kling_mock.doors.faulty_replies import FaultyFake
from tests.kling_mock.doors.raw_client import CREATE, KEY, RawClient, receive_all
from tests.kling_mock.serve_process import wait_for_ready

HEADERS = {"authorization": "Bearer sk-raw"}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certfile, keyfile = folder / "cert.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certfile)
    issued.private_key_pem.write_to_path(keyfile)
    return Certificate(certfile, keyfile)


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    yield
    gc.collect()  # unclosed resources warn here, and warnings are errors


@pytest.mark.usefixtures("loop")
def test_it_serves_https(certificate: Certificate, context: ssl.SSLContext, good_body: bytes) -> None:
    fake = Fake(pace="instant")
    with (
        Server(fake.asgi(), certificate=certificate) as server,
        httpx.Client(base_url=server.url, verify=context, trust_env=False, headers=HEADERS) as client,
    ):
        assert server.url.startswith("https://127.0.0.1:")
        for _ in range(3):
            assert client.post(CREATE, content=good_body).status_code == 200
        assert client.get("/_mock/health").json()["status"] == "ok"
        image = fake.tasks[0].images[0]
        assert image.startswith(f"{server.url}/bs2/")
        assert client.get(image).content.startswith(b"\x89PNG")
    fake.check()


@pytest.mark.usefixtures("loop")
def test_stopping_closes_connections_without_a_warning(
    certificate: Certificate, context: ssl.SSLContext
) -> None:
    """An idle one, an upload, and a client that has not begun with TLS."""
    with Server(Fake().asgi(), certificate=certificate) as server:
        address = ("127.0.0.1", httpx.URL(server.url).port or 0)
        idle, upload, silent = (socket.create_connection(address, timeout=20) for _ in range(3))
        first = context.wrap_socket(idle, server_hostname="localhost")
        second = context.wrap_socket(upload, server_hostname="localhost")
        client = RawClient(first)
        client.request("GET", "/_mock/health")
        assert client.read().status == 200
        second.sendall(
            f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 20  # ten times the promise, on a busy machine
    for each in (first, second, silent):
        each.close()


def test_a_plain_request_is_not_answered(certificate: Certificate) -> None:
    with Server(Fake().asgi(), certificate=certificate) as server:
        plain = server.url.replace("https", "http")
        with pytest.raises(httpx.TransportError):
            httpx.get(plain, trust_env=False)


def test_the_command_serves_https(
    certificate: Certificate, context: ssl.SSLContext, good_body: bytes, tmp_path: Path
) -> None:
    """With every warning an error, and a connection that is open at the end."""
    ready = tmp_path / "ready.json"
    flags = ["--port", "0", "--pace", "instant", "--certfile", str(certificate.certfile)]
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "kling_mock", "serve", *flags]
    process = subprocess.Popen(
        [*command, "--keyfile", str(certificate.keyfile), "--ready-file", str(ready)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": ""},
    )
    try:
        wait_for_ready(process, ready)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert url.startswith("https://")
        with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=30) as client:
            client.headers["authorization"] = "Bearer sk-mock"
            task = client.post(CREATE, content=good_body).json()["data"]["task_id"]
            seen = client.get(f"{CREATE}/{task}").json()["data"]
            assert seen["task_result"]["images"][0]["url"].startswith(url)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.wait()


def test_wrong_files_are_explained(
    certificate: Certificate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key, none = str(certificate.certfile), str(certificate.keyfile), str(tmp_path / "none.pem")
    for flags, expected in (
        (["--certfile", none], "none.pem"),
        (["--certfile", key, "--keyfile", cert], "cannot use"),
        (["--certfile", cert], "cannot use"),
        (["--keyfile", key], "--keyfile: needs --certfile"),
    ):
        assert main(["serve", "--port", "0", *flags]) == 2
        assert expected in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"^certificate: cannot use"):
        Server(Fake().asgi(), certificate=Certificate(Path(none))).start()


@pytest.mark.parametrize(
    ("delivery", "end"),
    [
        (Delivery(reset=True), "RST"),
        (Delivery(cut=5, cut_by_reset=True), "RST"),
        (Delivery(closed=True), "FIN"),
        (Delivery(cut=5), "FIN"),
    ],
)
def test_faults_end_the_connection_below_tls(
    certificate: Certificate, context: ssl.SSLContext, delivery: Delivery, end: str
) -> None:
    """Read below TLS, because clients may take a reset for the end."""
    with (
        Server(FaultyFake(delivery).asgi(), certificate=certificate) as server,
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
        socket.socket(fileno=os.dup(sock.fileno())) as below,
    ):
        below.settimeout(20)
        RawClient(sock).request("GET", f"{CREATE}/1")
        assert receive_all(below)[1] == end
