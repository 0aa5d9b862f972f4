"""Hostile and odd headers, through every door: never a 500, and nothing of them in what others read."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from kling_mock import Fake, ManualClock

Send = Callable[[httpx.Request], httpx.Response]
Door = Callable[[Fake], AbstractContextManager[Send]]


def fetch(send: Send, good_body: bytes, *headers: tuple[str, str]) -> httpx.Response:
    """The picture of a new task, asked for with these headers."""
    base, key = "https://api.cometapi.com/kling/v1/images/generations", ("authorization", "Bearer sk-door")
    created = send(httpx.Request("POST", base, headers=[key], content=good_body)).json()
    seen = send(httpx.Request("GET", f"{base}/{created['data']['task_id']}", headers=[key])).json()
    return send(httpx.Request("GET", seen["data"]["task_result"]["images"][0]["url"], headers=list(headers)))


@pytest.mark.parametrize(
    "value",
    [
        f"bytes={'9' * 5000}-",
        f"bytes=0-{'9' * 5000}",
        f"bytes=-{'9' * 5000}",
        "bytes=5-2",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "pages=1-2",
    ],
)
def test_what_is_no_single_range_is_ignored(door: Door, good_body: bytes, value: str) -> None:
    fake = Fake(pace="instant", clock=ManualClock())
    with door(fake) as send:
        response = fetch(send, good_body, ("range", value))
    assert (response.status_code, response.content[:4]) == (200, b"\x89PNG")
    fake.check()


def test_a_range_of_another_picture_is_ignored(door: Door, good_body: bytes) -> None:
    """If-Range names the picture of which one has the rest."""
    fake = Fake(pace="instant", clock=ManualClock())
    with door(fake) as send:
        whole = fetch(send, good_body)
        url = str(whole.request.url)

        def part(if_range: str) -> httpx.Response:
            headers = {"range": "bytes=0-3", "if-range": if_range}
            return send(httpx.Request("GET", url, headers=headers))

        same, other = part(whole.headers["etag"]), part('"another"')
    assert (same.status_code, same.content) == (206, whole.content[:4])
    assert (other.status_code, other.content) == (200, whole.content)


def talk(url: str, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head + b"\r\n\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    top, _, content = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), content


def test_a_hostile_host_is_refused(good_body: bytes) -> None:
    """It would become part of result URLs."""
    fake = Fake(pace="instant")
    with fake.serve() as server:
        head = b'POST /kling/v1/images/generations HTTP/1.1\r\nHost: evil"<>\r\nAuthorization: Bearer x'
        length = b"\r\nConnection: close\r\nContent-Length: %d" % len(good_body)
        status, content = talk(server.url, head + length, good_body)
        assert (status, content.partition(b":")[0]) == (400, b"Host")
    assert not fake.tasks


def test_a_length_that_nobody_waits_for_is_refused_at_once() -> None:
    """413 before the body has come, and behind the check of the key."""
    fake = Fake()
    with fake.serve() as server:
        head = (
            b"POST /kling/v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999"
        )
        assert talk(server.url, head + b"\r\nAuthorization: Bearer x", b"{}")[0] == 413
        assert talk(server.url, head, b"{}")[0] == 401
    assert not fake.tasks
