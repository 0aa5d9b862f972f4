"""Hostile and odd headers, through every transport: never a 500, and never repeated to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from kling_mock import Fake, ManualClock
from kling_mock.doors.limits import LONGEST, read_length
from tests.kling_mock.doors.hostile import CREATE, a_fake, assert_own_error, in_good
from tests.kling_mock.doors.raw_client import send_raw
from tests.rows import each_row, some_rows

if TYPE_CHECKING:
    from tests.kling_mock.doors.conftest import Build, Door, Send


def fetch(send: Send, good_body: bytes, *headers: tuple[str, str]) -> httpx.Response:
    """The picture of a new task, asked for with these headers."""
    base, key = "https://api.cometapi.com/kling/v1/images/generations", ("authorization", "Bearer sk-door")
    created = send(httpx.Request("POST", base, headers=[key], content=good_body)).json()
    seen = send(httpx.Request("GET", f"{base}/{created['data']['task_id']}", headers=[key])).json()
    return send(httpx.Request("GET", seen["data"]["task_result"]["images"][0]["url"], headers=list(headers)))


@some_rows(
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
    usual=3,
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


ODD_KEYS = {
    "none": [("x-other", "1")],
    "empty": [("authorization", "")],
    "scheme alone": [("authorization", "Bearer")],
    "another scheme": [("authorization", "Basic c2stZG9vcg==")],
    "the key alone": [("authorization", "sk-door")],
    "two keys": [("authorization", "Bearer sk-door"), ("authorization", "Bearer sk-door")],
    "a good and a bad key": [("authorization", "Bearer sk-door"), ("authorization", "Bearer sk-bad")],
    "a list of keys": [("authorization", "Bearer sk-door, Bearer sk-door")],
    "beyond ASCII": [("authorization", "Bearer sk-dóór")],
    "another header": [("x-api-key", "sk-door")],
    "a long one": [("authorization", "Bearer " + "k" * 30_000)],
}


@each_row("headers", ODD_KEYS.values(), ids=ODD_KEYS)
def test_odd_authorization_is_a_401(
    door: Door, post: Build, get: Build, headers: list[tuple[str, str]]
) -> None:
    """For creates and for queries; the value sent in place of a key is never kept."""
    fake = a_fake()
    encoded = [(name, value.encode("latin-1")) for name, value in headers]
    with door(fake) as send:
        for request in (post(in_good(), *encoded), get(f"{CREATE}/1", *encoded)):
            response = send(request)
            assert response.status_code == 401
            assert_own_error(response)
    assert fake.tasks == ()
    assert all(name not in {"authorization", "x-api-key"} for call in fake.calls for name, _ in call.headers)
    fake.check()


ODD_HEADERS: dict[str, list[tuple[str, str]]] = {
    "no content type": [],
    "another content type": [("content-type", "text/plain")],
    "a broken content type": [("content-type", ";;;=")],
    "a charset": [("content-type", "application/json; charset=latin-1")],
    "the identity encoding": [("content-encoding", "identity")],
    "what SDKs add": [("x-stainless-lang", "js"), ("sec-fetch-mode", "cors"), ("accept-language", "*")],
    "a cookie": [("cookie", "a=b")],
    "an odd accept": [("accept", "text/html;q=2"), ("accept-encoding", "")],
    "a range": [("range", "bytes=0-3")],
    "an origin": [("origin", "https://example.invalid")],
    "x-forwarded-host": [("x-forwarded-host", "evil.invalid")],
}


@each_row("headers", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_headers_and_query_strings_do_not_matter(
    door: Door, post: Build, headers: list[tuple[str, str]]
) -> None:
    """A create is its body and its key. The body is UTF-8, regardless of a charset or encoding."""
    fake = a_fake()
    with door(fake) as send:
        for query in ("", "?model=x&n=9", "?"):
            key = ("authorization", "bEARER  sk-door")
            assert send(post(in_good(), key, *headers, path=f"{CREATE}{query}")).status_code == 200
    assert [task.request.n for task in fake.tasks] == [1, 1, 1]
    fake.check()


@each_row("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity", "GZIP"])
def test_an_encoded_body_is_a_415_that_names_the_encoding(door: Door, post: Build, encoding: str) -> None:
    """Whether the body is encoded or not; after the check of the key."""
    fake = a_fake()
    with door(fake) as send:
        key = ("authorization", "Bearer sk-door")
        response = send(post(in_good(), key, ("content-encoding", encoding)))
        assert (response.status_code, encoding in response.json()["message"]) == (415, True)
        assert_own_error(response)
        assert send(post(in_good(), ("content-encoding", encoding))).status_code == 401
    assert fake.tasks == ()
    fake.check()


def test_a_hostile_host_is_refused(good_body: bytes) -> None:
    """It would become part of result URLs."""
    fake = Fake(pace="instant")
    with fake.serve() as server:
        head = b'POST /kling/v1/images/generations HTTP/1.1\r\nHost: evil"<>\r\nAuthorization: Bearer x'
        length = b"\r\nConnection: close\r\nContent-Length: %d" % len(good_body)
        refused = send_raw(server.url, head + length + b"\r\n\r\n" + good_body)
        assert (refused.status, refused.body.partition(b":")[0]) == (400, b"Host")
    assert not fake.tasks


def test_a_length_that_nobody_waits_for_is_refused_at_once() -> None:
    """413 before the body has come, and behind the check of the key; llhttp reads up to 20 digits."""
    fake = Fake()
    with fake.serve() as server:
        for length in (999_999_999_999, 10**18, 2**64 - 1):
            head = (
                b"POST /kling/v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d"
                % length
            )
            assert send_raw(server.url, head + b"\r\nAuthorization: Bearer x\r\n\r\n{}").status == 413
            assert send_raw(server.url, head + b"\r\n\r\n{}").status == 401
    assert not fake.tasks


def test_read_lengths() -> None:
    """Leading zeros do not count as digits; a value that is not a number is refused elsewhere."""
    texts = (
        "5",
        f"{'0' * 5000}5",
        str(10**18 - 1),
        str(10**18),
        "9" * 5000,
        "000",
        "",
        "-1",
        "+1",
        "1 ",
        "²",
    )
    assert [read_length(text) for text in texts] == [5, 5, LONGEST - 1, LONGEST, LONGEST, *[0] * 6]
