"""Requests that the socket server parses from bytes: upgrade offers, framing, Host header, limits."""

from __future__ import annotations

import threading

import pytest

from kling_mock.doors.limits import Limits
from kling_mock.doors.request_parser import BadRequest, Head, Incoming, RequestParser
from tests.kling_mock.doors.raw_client import CREATE, KEY
from tests.kling_mock.doors.served_fakes import RawServer, serving

# -- upgrades

OFFERS = {
    "Java": [
        "Connection: Upgrade, HTTP2-Settings",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    ],
    "curl": ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"],
    "with keep-alive": ["Connection: keep-alive, Upgrade"],
    "twice": ["Connection: Upgrade", "Connection: keep-alive", "Upgrade: foo/2"],
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("token", ["h2c", "websocket", "TLS/1.0"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("piece", [1, 100_000])
def test_an_upgrade_offer_is_ignored_and_the_body_read(
    raw_server: RawServer, good_body: bytes, offer: list[str], token: str, *, chunked: bool, piece: int
) -> None:
    """Also where requests follow; the next one may offer again."""
    fake, _, connect = raw_server
    body = b"%x\r\n%b\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(good_body), good_body) if chunked else good_body
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    lines = [f"POST {CREATE} HTTP/1.1", "Host: localhost", KEY, f"Upgrade: {token}", *offer, framing, "", ""]
    data = ("\r\n".join(lines).encode() + body) * 2
    with connect() as client:
        for at in range(0, len(data), piece):
            client.send(data[at : at + piece])
        client.request("GET", f"{CREATE}/1")
        assert [client.read().status for _ in range(3)] == [200, 200, 400]
    assert len(fake.tasks) == 2
    headers = dict(fake.calls[0].headers)
    assert {"upgrade", "http2-settings", "x-trailer"}.isdisjoint(headers)


def test_an_upgrade_offer_without_a_body_and_with_close(raw_server: RawServer) -> None:
    _, _, connect = raw_server
    with connect() as client:
        client.request("GET", "/_mock/a", "Upgrade: h2c", "Connection: close, Upgrade")
        reply = client.read()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert client.rest() == b""


# -- framing


def test_trailers_are_not_headers(raw_server: RawServer, good_body: bytes) -> None:
    """Here one that would be a second key."""
    fake, _, connect = raw_server
    chunk = b"%x\r\n%b\r\n0\r\nAuthorization: Bearer other\r\nX-Late: 1\r\n\r\n" % (len(good_body), good_body)
    with connect() as client:
        client.request("POST", CREATE, "Transfer-Encoding: chunked", body=chunk)
        assert client.read().status == 200
    assert "x-late" not in dict(fake.calls[0].headers)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_cap_is_read_and_refused(*, chunked: bool) -> None:
    """And the connection serves on; a body without end is not read for ever."""
    with serving(body_cap=1000) as (_, _, connect), connect() as client:
        body = b"x" * 3000
        if chunked:
            client.request(
                "POST", CREATE, "Transfer-Encoding: chunked", body=b"bb8\r\n%b\r\n0\r\n\r\n" % body
            )
        else:
            client.request("POST", CREATE, body=body)
        client.request("GET", f"{CREATE}/1")
        assert [client.read().status, client.read().status] == [413, 400]
        client.request("POST", CREATE, "Transfer-Encoding: chunked", body=b"2710\r\n" + b"x" * 5000)
        assert client.read().status == 413
        assert client.rest() == b""


def test_the_framing_of_chunks_is_limited() -> None:
    """Chunk extensions and trailers are not counted by the cap."""
    with serving(body_cap=1000) as (_, _, connect), connect() as client:
        client.request("POST", CREATE, "Transfer-Encoding: chunked", body=b"1;" + b"a" * 1_200_000)
        assert client.read().status == 413


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Host: localhost", "Host: localhost"], 400),
        (["Host: localhost", "Host: other"], 400),
        (["Host: localhost:99999"], 400),
        (["Host: localhost:65536"], 400),
        (["Host: local host"], 400),
        (["Host: [::1"], 400),
        (["Host: [1:2]"], 400),
        (["Host: a@localhost"], 400),
        ([], 400),
        (["Host:"], 200),
        (["Host: localhost:65535"], 200),
        (["Host: LOCALHOST"], 200),
        (["Host: app.localhost:1"], 200),
        (["Host: 127.1.2.3"], 200),
        (["Host: [::1]:8000"], 200),
        (["Host: example.com"], 403),
        (["Host: localhost.example.com"], 403),
        (["Host: 127.0.0.1.example.com"], 403),
        (["Host: 128.0.0.1"], 403),
        (["Host: [::2]"], 403),
    ],
)
@pytest.mark.parametrize("path", ["/_mock/a", CREATE])
def test_hosts(raw_server: RawServer, good_body: bytes, lines: list[str], status: int, path: str) -> None:
    """Invalid ones are a 400; those of other machines a 403 that names the flag."""
    fake, _, connect = raw_server
    with connect() as client:
        head = [f"POST {path} HTTP/1.1", *lines, KEY, f"Content-Length: {len(good_body)}", "", ""]
        client.send("\r\n".join(head).encode() + good_body)
        reply = client.read()
        assert reply.status == status
        if status == 403:
            assert b"--public-url" in reply.body
            assert reply.headers["x-kling-mock-rule"].startswith("server.host; ")
    assert len(fake.tasks) == (status == 200 and path == CREATE)


def test_other_hosts_are_served_with_a_public_url(good_body: bytes) -> None:
    with serving(base_url="http://host.docker.internal:8000") as (fake, _, connect), connect() as client:
        client.send(
            f"POST {CREATE} HTTP/1.1\r\nHost: host.docker.internal\r\n{KEY}\r\nContent-Length: "
            f"{len(good_body)}\r\n\r\n".encode()
            + good_body
        )
        assert client.read().status == 200
        assert fake.task.images[0].startswith("http://host.docker.internal:8000/bs2/")


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "https"),
        ("http", "http"),
        ("wss", "http"),
        ("javascript", "http"),
        ("https://evil", "http"),
        ("", "http"),
    ],
)
def test_the_forwarded_scheme_is_http_or_https(
    raw_server: RawServer, good_body: bytes, value: str, scheme: str
) -> None:
    """Of a proxy that terminates TLS; anything else would become part of result URLs."""
    fake, _, connect = raw_server
    with connect() as client:
        client.request("POST", CREATE, f"X-Forwarded-Proto: {value}", body=good_body)
        assert client.read().status == 200
    assert fake.task.images[0].startswith(f"{scheme}://localhost/bs2/")


def test_header_fields_are_those_of_each_request(raw_server: RawServer, good_body: bytes) -> None:
    """Equal fields of two requests on a connection are read once; here they differ in turn."""
    fake, _, connect = raw_server
    fields = ["X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "Expect: 100-continue", "X-Other: 1"]
    with connect() as client:
        for field in [*fields, *fields[::-1]]:
            client.request("POST", CREATE, field, body=good_body)
            if field.startswith("Expect"):
                assert client.read().status == 100
            assert client.read().status == 200
        client.send(f"GET {CREATE}/1 HTTP/1.1\r\n{KEY}\r\n\r\n")
        assert client.read().status == 400
        assert client.rest() == b""
    schemes = [task.images[0].partition(":")[0] for task in fake.tasks]
    assert schemes == ["https", *["http"] * 6, "https"]
    assert [dict(call.headers).get("x-other") for call in fake.calls] == [None] * 3 + ["1"] * 2 + [None] * 3


@pytest.mark.parametrize("code", ["gzip", "gzip, chunked", "identity"])
def test_transfer_codings_other_than_chunked_are_refused(raw_server: RawServer, code: str) -> None:
    _, _, connect = raw_server
    with connect() as client:
        client.request("POST", CREATE, f"Transfer-Encoding: {code}", body=b"2\r\n{}\r\n0\r\n\r\n")
        assert client.read().status in (400, 501)
        assert client.rest() == b""


# -- limits


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([f"x-{number}: 1" for number in range(250)], 400),
        ([f"x-{number}: 1" for number in range(300)], 431),
        (["x: " + "a" * 60_000], 400),
        (["x: " + "a" * 70_000], 431),
        ([f"x-{number}: {'a' * 1000}" for number in range(100)], 431),
        ([f"{'x' * 70_000}: 1"], 431),
    ],
)
def test_headers_are_limited(raw_server: RawServer, lines: list[str], status: int) -> None:
    """By their number and by their bytes; the client gets to read the refusal."""
    _, _, connect = raw_server
    with connect() as client:
        client.request("GET", f"{CREATE}/1", *lines)
        assert client.read().status == status


def test_headers_are_limited_wherever_the_reads_end() -> None:
    """Here the first read ends within the second head, which is too large."""
    first = f"GET {CREATE}/1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    large = first.replace(b"Host", b"x: %b\r\nHost" % (b"a" * 70_000))
    for cut in (0, 1, 10_000, 60_000):
        seen: list[Incoming] = []
        parser = RequestParser(Limits(), lambda _: 1, lambda: None, seen.append)
        parser.feed(first + large[:cut])
        with pytest.raises(BadRequest, match="at most 65536 bytes"):
            parser.feed(large[cut:])
        assert len(seen) == 1


@pytest.mark.parametrize("start", ["GET /", "GET / HTTP/1.1\r\nHost: localhost\r\nx: ", "GET / HTTP/1.1\r\n"])
def test_a_head_without_end_is_refused(raw_server: RawServer, start: str) -> None:
    _, _, connect = raw_server
    with connect() as client:
        client.send(start)
        endless = b"a: b\r\n" if start.endswith("\n") else b"a"

        def flood() -> None:
            try:
                for _ in range(1000):
                    client.send(endless * 2000)
            except OSError:
                pass

        thread = threading.Thread(target=flood)
        thread.start()
        assert client.read().status in (400, 431)
        client.rest()
        thread.join()


def test_the_parser_reads_the_same_however_it_is_cut(good_body: bytes) -> None:
    """Counterexample to a parser that remembers less than it should: all cuts in two."""
    with serving() as (fake, _, connect), connect() as client:
        head = (
            f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
        )
        data = head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(good_body), good_body)
        cuts = [*range(1, len(head) + 40, 4), len(data) - 1]
        for cut in cuts:
            client.send(data[:cut])
            client.send(data[cut:])
            assert client.read().status == 200
    assert len(fake.tasks) == len(cuts)


def test_a_repeated_head_is_read_once_and_any_other_anew() -> None:
    """Counterexample to a parser that compares too little: heads that differ in one part, each sent twice."""
    heads = [
        f"{line}\r\n{fields}\r\n\r\n".encode()
        for line in ("GET /a?b=1 HTTP/1.1", "PUT /a?b=1 HTTP/1.1", "GET /a?b=2 HTTP/1.1", "GET /c HTTP/1.1")
        for fields in (
            "Host: localhost",
            "host: localhost",
            "Host: 127.0.0.1",
            "Host: localhost\r\nX-Forwarded-Proto: https",
            "Host: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade",
        )
    ]

    def read(*sent: bytes) -> list[Head]:
        seen: list[Incoming] = []
        parser = RequestParser(Limits(), lambda _: 1, lambda: None, seen.append)
        for data in sent:
            parser.feed(data)
        return [each.head for each in seen]

    found = read(*[head for head in heads for _ in range(2)])
    assert found == [each for head in heads for each in read(head) * 2]
    assert all(first is second for first, second in zip(found[::2], found[1::2], strict=True))
    assert len(set(found)) == 12  # a name in capitals and a removed offer make no difference
