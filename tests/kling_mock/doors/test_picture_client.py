"""Fetching pictures over HTTP: limits of size, time, redirects and reach. One server for all tests."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from kling_contracts.gateways import COMETAPI
from kling_contracts.image_files import png
from kling_contracts.vocabulary import INPUT_BYTES_MAXIMUM
from kling_mock import Fake
from kling_mock.doors.picture_client import fetch_pictures

LIMIT = INPUT_BYTES_MAXIMUM.value
SEEN: dict[str, list[tuple[str, str]]] = {}
HOLD = threading.Event()

# Status, body, location and announced length of the replies; -1: the true length.
REPLIES: dict[str, tuple[int, bytes, str, int | None]] = {
    "picture": (200, b"a picture", "", -1),
    "missing": (404, b"", "", -1),
    "loop": (302, b"", "/loop", -1),
    "away": (302, b"", "http://pictures.test/a.png", -1),
    "file": (302, b"", "file:///etc/hostname", -1),
    "hostless": (302, b"", "https:///a.png", -1),
    "large": (200, b"", "", LIMIT + 1),
    "short": (200, b"part", "", 10),
    "endless": (200, b"\0" * (LIMIT + 1), "", None),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        SEEN[self.path] = [(name.lower(), value) for name, value in self.headers.items()]
        name, _, number = self.path[1:].partition("/")
        if name == "never":
            HOLD.wait(10)
        elif name == "slow":
            time.sleep(30)
            self._send(200, png(400, 300))
        elif name in REPLIES:
            self._send(*REPLIES[name])
        elif name == "hops":
            self._send(302, b"", location=f"/hops/{int(number) - 1}") if int(number) else self._send(
                200, b"end"
            )
        else:
            self.wfile.write(b"no HTTP\r\n\r\n")

    def _send(self, status: int, body: bytes, location: str = "", length: int | None = -1) -> None:
        self.send_response(status)
        if location:
            self.send_header("location", location)
        if length is not None:
            self.send_header("content-length", str(len(body) if length == -1 else length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # the client has read enough
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 -- the name in the base class


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Generator[str]:
    """A server on loopback, with TLS if there is a `context`; yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    HOLD.clear()  # set by an earlier use: workers may run the tests of a module in several parts
    with serving() as url:
        yield url
        HOLD.set()


def problem_of(url: str, seconds: float = 5.0) -> tuple[str, bool]:
    found = fetch_pictures([url], "loopback", seconds)[url]
    assert found.data is None
    return found.problem, found.allowed


def test_a_picture_is_fetched_without_credentials(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    address = url.replace("//", "//user:secret@") + "/picture"
    assert fetch_pictures([address], "loopback")[address].data == b"a picture"
    names = {name for name, _ in SEEN["/picture"]}
    assert names == {"host", "accept", "user-agent", "connection"}
    assert ("host", url.removeprefix("http://")) in SEEN["/picture"]


def test_three_redirects_are_followed(url: str) -> None:
    assert fetch_pictures([f"{url}/hops/3"], "loopback")[f"{url}/hops/3"].data == b"end"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/missing", "the response has status 404"),
        ("/loop", "more than 3 redirects"),
        ("/hops/4", "more than 3 redirects"),
        ("/file", "a redirect to file scheme"),
        ("/hostless", "ValueError: URL: must be http or https, with a host"),
        ("/large", f"{LIMIT + 1:,} bytes; at most {LIMIT:,}"),
        ("/endless", f"more than {LIMIT:,} bytes"),
        ("/short", "4 bytes of 10"),
        ("/other", "BadStatusLine"),
    ],
)
def test_a_picture_that_cannot_be_fetched(path: str, problem: str, url: str) -> None:
    found, allowed = problem_of(url + path)
    assert found.startswith(problem)
    assert allowed


def test_a_refused_connection_and_a_slow_server(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert problem_of(f"http://127.0.0.1:{taken.getsockname()[1]}/")[0].startswith("ConnectionRefused")
    assert problem_of(f"{url}/never", 0.05) == ("no complete response within 0.05 s", True)


def test_pictures_are_fetched_in_parallel(url: str) -> None:
    """One slow picture does not delay another beyond the limit of both."""
    urls = [f"{url}/never", f"{url}/picture"]
    found = fetch_pictures(urls, "loopback", 0.2)
    assert [found[each].data for each in urls] == [None, b"a picture"]


@pytest.mark.parametrize(
    "host", ["pictures.test", "10.0.0.1", "localhost.pictures.test", "[::ffff:10.0.0.1]"]
)
def test_only_this_machine_is_called(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was resolved"))
    problem, allowed = problem_of(f"http://{host}/a.png")
    assert not allowed
    assert "--fetch-images any" in problem


def test_each_target_of_a_redirect_is_judged(url: str) -> None:
    problem, allowed = problem_of(f"{url}/away")
    assert (problem.partition(" ")[0], allowed) == ("pictures.test", False)


def test_the_resolved_address_is_judged_and_called(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved once: the address that was judged is the one that is called."""
    answers = [["10.0.0.1"], ["10.0.0.1", "127.0.0.1"]]

    def resolve(_: str, port: int, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (each, port)) for each in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    local = url.replace("127.0.0.1", "localhost") + "/picture"
    problem, allowed = problem_of(local)
    assert problem.startswith("localhost is 10.0.0.1")
    assert not allowed

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        assert address[0] == "127.0.0.1"
        family = socket.socket()
        family.settimeout(timeout)
        family.connect(address)
        return family

    monkeypatch.setattr(socket, "create_connection", connect)
    assert fetch_pictures([local], "loopback")[local].data == b"a picture"


def test_the_certificate_of_a_server_must_be_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By an authority of the system, or one in SSL_CERT_FILE."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(trusted)
    with serving(context) as url:
        problem, allowed = problem_of(f"{url}/picture")
        assert problem.startswith("SSLCertVerificationError: ")
        assert allowed
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert fetch_pictures([f"{url}/picture"], "loopback")[f"{url}/picture"].data == b"a picture"


@pytest.mark.kling(sleep="advance", fetch_images="loopback", pace="instant")
def test_skipped_sleeps_do_not_end_a_fetch(kling: Fake) -> None:
    """Its time limit is of real time: a server of the test that sleeps for 30 s still sends the picture."""
    with serving() as url, httpx.Client(headers={"authorization": "Bearer sk-mock"}) as client:
        pictures = [{"subject_image": f"{url}/slow"}] * 2
        body = {"subject_image_list": pictures}
        client.post(COMETAPI.base_url + COMETAPI.create_path, json=body).raise_for_status()
    assert kling.task.status == "succeed"
    assert [each.size for each in kling.task.request.subjects] == [len(png(400, 300))] * 2
