"""A client of bytes: it sends requests that no HTTP library would send, and parses the responses."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

from kling_contracts.gateways import COMETAPI

CREATE = COMETAPI.create_path
KEY = "Authorization: Bearer sk-raw"


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """One connection. `read` returns the next response, `rest` all bytes up to the end of the connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def request(self, method: str, path: str, *headers: str, body: bytes = b"", version: str = "1.1") -> None:
        lines = [f"{method} {path} HTTP/{version}", "Host: localhost", KEY, *headers]
        if body and not any(line.lower().startswith("transfer-encoding") for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def read(self, *, head: bool = False) -> Response:
        """The next response; `head`: it answers a HEAD."""
        top = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = top.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        status = int(first.split()[1])
        if head or status in (100, 204, 304):
            return Response(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._exactly(size)
                self._exactly(2)
            self._exactly(2)
            return Response(status, headers, body)
        if "content-length" in headers:
            return Response(status, headers, self._exactly(int(headers["content-length"])))
        return Response(status, headers, self.rest())

    def rest(self) -> bytes:
        found, self._buffer = self._buffer, b""
        try:
            return found + b"".join(iter(lambda: self.sock.recv(65_536), b""))
        except ConnectionResetError:
            return found

    def silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing arrives for a while."""
        if self._buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            self._buffer += self.sock.recv(65_536)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(20)
        return False

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _more(self) -> None:
        data = self.sock.recv(65_536)
        assert data, f"the connection ended after {self._buffer!r}"
        self._buffer += data


@contextmanager
def connected(url: str) -> Generator[RawClient]:
    """A connection to a server, with its system's own buffer sizes."""
    host, _, port = url.partition("://")[2].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        yield RawClient(sock)


def receive_all(sock: socket.socket) -> tuple[bytes, str]:
    """All bytes up to the end of the connection, and its kind: FIN or RST."""
    data = b""
    while True:
        try:
            chunk = sock.recv(65_536)
        except ConnectionResetError:
            return data, "RST"
        if not chunk:
            return data, "FIN"
        data += chunk


def send_raw(url: str, data: bytes) -> Response:
    """Send bytes on a new connection, read one response and wait for the end of the connection."""
    with connected(url) as client:
        client.send(data)
        response = client.read()
        client.rest()
    return response


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
