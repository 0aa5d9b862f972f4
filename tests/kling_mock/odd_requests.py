"""Valid HTTP requests with hostile content: one reply each, and the connection stays open."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.kling_mock.hostile_json import body
from tests.kling_mock.request_bytes import CREATE, KEYS, OTHER, Part, head, in_chunks, post

METHODS: Final = (
    *("GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "LOCK"),
    *("PURGE", "M-SEARCH", "LINK"),
)
# `/_mock/events` is a reply without end; changes of the state are left out.
CONTROL: Final = (
    *("accounts", "calls", "callbacks", "clock", "docs", "health", "openapi.json", "routes", "scripts"),
    *("settings", "tasks"),
)


def _hostile_body(random: Random) -> Part:
    content = body(random)
    if random.random() < 0.3:
        start = head("POST", random.choice((CREATE, OTHER)), "Transfer-Encoding: chunked")
        return Part("chunked body", start + in_chunks(random, content))
    return Part("body", post(random, content))


def _encoded_body(random: Random) -> Part:
    coding = random.choice(("gzip", "br", "identity", "deflate, gzip", "", "x" * 300, "\xff"))
    content = gzip.compress(body(random)[:10_000], 1, mtime=0)
    if random.random() < 0.2:
        content = bytes(random.randbytes(random.randrange(300)))
    kind = random.choice(("application/json", "text/html", "multipart/form-data; boundary=x", "", "\xe9"))
    return Part("encoding", post(random, content, f"Content-Encoding: {coding}", f"Content-Type: {kind}"))


def _unknown_route(random: Random) -> Part:
    method = random.choice(METHODS)
    words = (
        "kling",
        "v1",
        "images",
        "generations",
        "..",
        ".",
        "",
        "%2e%2e",
        "%00",
        "%ff",
        "%",
        "~",
        "a" * 300,
    )
    target = "/" + "/".join(random.choices((*words, ";", "'", "{id}", "<b>"), k=random.randrange(1, 7)))
    if random.random() < 0.4:
        target = f"{random.choice((CREATE, OTHER))}/{random.choice(words)}{random.randrange(10**18)}"
    if random.random() < 0.4:
        target += "?" + "&".join(
            random.choices(("pageNum=", "pageSize=-1", "pageNum=1e9", "%ff", "=", "a=b"), k=4)
        )
    if random.random() < 0.1:
        target = f"http://{random.choice(('localhost', 'x:1', '[::1]'))}{target}"
    if target.startswith("//"):
        target = target[1:]
    return Part("route or method", head(method, target, key=random.choice(KEYS)), bodiless=method == "HEAD")


def _list_or_query(random: Random) -> Part:
    number = random.choice(("1", "0", "-1", "1000", "9" * 30, "1.5", "", "%31", "+1", "%D9%A1"))
    query = f"pageNum={number}&pageSize={random.choice(('30', '500', '501', 'x'))}"
    return Part("list", head("GET", f"{OTHER}?{query}", key=random.choice(KEYS)))


def _odd_headers(random: Random) -> Part:
    lines: list[str | bytes] = []
    odd = (
        *("Range: bytes=0-", "Range: bytes=9-1,x", "Origin: null", "Origin: http://\xff", "Cookie: a=b"),
        *("Authorization: Basic eA==", "X-Forwarded-Proto: x, https", "X-Forwarded-For: ::1", "Accept: ;;;"),
        *(
            "Access-Control-Request-Method: POST",
            "Upgrade: h2c",
            "TE: trailers",
            "Keep-Alive: x",
            "If-Match: *",
        ),
        *("Date: x", "Content-Type: ;", f"X-Long: {'x' * 5_000}", "X-Empty:", "x-kling-mock-rule: x"),
    )
    lines += random.choices(odd, k=random.randrange(1, 8))
    if random.random() < 0.1:
        lines += [f"X-{number}: {number}" for number in range(random.choice((100, 200, 240)))]
    if random.random() < 0.1:
        lines.append(b"X-Bytes: " + bytes(range(128, 256)))
    if random.random() < 0.3:
        return Part("headers", post(random, body(random)[:50_000], *lines))
    method = random.choice(("GET", "OPTIONS", "HEAD"))
    return Part("headers", head(method, f"{CREATE}/1", *lines), bodiless=method == "HEAD")


def _odd_key(random: Random) -> Part:
    key = random.choice(
        ("", " ", "\xff\xfe", "sk-mock sk-mock", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 9_000)
    )
    return Part("key", head("POST", CREATE, "Content-Length: 0", key=key))


def _control(random: Random) -> Part:
    target = f"/_mock/{random.choice(CONTROL)}"
    method = "GET"
    content = b""
    match random.randrange(4):
        case 0:
            target += random.choice(
                ("?limit=-1", "?limit=x", "?after=%ff", "?account=%00", "?x=y&x=z", "?&&=")
            )
        case 1:
            target += f"/{random.choice(('0', '%ff', '..', 'x' * 2_000, '%2F', '9' * 400))}"
        case 2:
            # Never an object, which could be a valid change of the clock or the settings.
            method, content = random.choice(("POST", "PATCH", "PUT")), b"[" + body(random)[:5_000]
        case _:
            method = random.choice(METHODS)
    start = head(method, target, f"Content-Length: {len(content)}", "Content-Type: application/json")
    return Part("control API", start + content, bodiless=method == "HEAD")


FRAMED: Final[Sequence[Callable[[Random], Part]]] = (
    *(_hostile_body, _hostile_body, _hostile_body, _hostile_body),
    *(_unknown_route, _unknown_route, _odd_headers, _odd_headers),
    *(_encoded_body, _list_or_query, _odd_key, _control),
)
