"""The last requests of connections: not valid HTTP, cut off, or at odds with their own framing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.kling_mock.hostile_json import VALID, body
from tests.kling_mock.odd_requests import FRAMED
from tests.kling_mock.request_bytes import CREATE, Part, head, post

MEGABYTE: Final = 1024 * 1024
# The key of requests inside the body or behind the end of another one: none of them may be executed.
SMUGGLED_KEY: Final = "sk-mock-smuggled"


_SMUGGLED: Final = head("POST", CREATE, f"Content-Length: {len(VALID)}", key=SMUGGLED_KEY) + VALID


def _conflicting_framing(random: Random) -> Part:
    """Two lengths, or a length that is not a number, or unknown codings; a create inside the body."""
    inside = b"0\r\n\r\n" + _SMUGGLED
    size = len(inside)
    lines = random.choice(
        (
            (f"Content-Length: {size}", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", f"Content-Length: {size}"),
            ("Content-Length: 5", f"Content-Length: {size}"),
            ("Content-Length: 0", "Content-Length: 5"),
            ("Content-Length: 5, 5",),
            ("Content-Length: +5",),
            ("Content-Length: 0x5",),
            ("Content-Length: -5",),
            ("Content-Length: 5 5",),
            ("Content-Length: 5_0",),
            ("Content-Length: \xb5",),
            (f"Content-Length: {2**64 + 5}",),
            ("Content-Length : 5",),
            ("Content-Length\t: 5",),
            ("Content-Length: 5\0",),
            ("Transfer-Encoding: xchunked",),
            ("Transfer-Encoding: gzip, chunked",),
            ("Transfer-Encoding: chunked, identity",),
            ("Transfer-Encoding: identity",),
            ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
            ("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding : chunked",),
            ("Transfer-Encoding: \x0bchunked",),
            ("Transfer-Encoding:\r\n chunked",),
            ("X: y\r\n Transfer-Encoding: chunked", "Transfer-Encoding: x"),
            ("X: y\rContent-Length: 5", "Content-Length: 6, 6"),
            ("X: y\nTransfer-Encoding: chunked", "Content-Length: 5"),
            ("Host: localhost", "Content-Length: 5"),
        )
    )
    return Part("conflicting framing", head("POST", CREATE, *lines) + inside, ends=True)


def _broken_chunks(random: Random) -> Part:
    broken = random.choice(
        (
            *(b"zz\r\n{}\r\n", b"-1\r\n", b"+2\r\n{}\r\n", b"0x2\r\n{}\r\n", b"\r\n", b" 2\r\n{}\r\n"),
            *(
                b"2\r\n{}{}\r\n",
                b"1\r\n{}\r\n",
                b"F" * 17 + b"\r\n",
                b"2\n{}\n",
                b"2\r{}\r\n",
                b"2;\0\r\n{}\r\n",
            ),
            b"2;" + b"x" * 20_000 + b"\0\r\n{}\r\n",
        )
    )
    start = head("POST", CREATE, "Transfer-Encoding: chunked") + random.choice((b"", b"1\r\n{\r\n"))
    return Part("broken chunks", start + broken + b"0\r\n\r\n" + _SMUGGLED, ends=True)


def _not_http(random: Random) -> Part:
    start = head("GET", CREATE)
    target, version = (
        random.choice((CREATE, "*", "x", "", "/\xff", "http://[::1/x", "/" + "a" * 70_000)),
        "1.1",
    )
    data = random.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            head("FOO", CREATE),
            head("get", CREATE),
            head("CONNECT", "h:1"),
            f"GET {target} HTTP/{version}\r\nHost: \r\nHost: x\r\n\r\n".encode("latin-1"),
            start.replace(b"1.1", random.choice((b"3.0", b"0.9", b"1.10", b"1.", b"x", b""))),
            start.replace(b" ", b"\t", 1),
            start.replace(b"Host", b"Ho st"),
            start.replace(b"Host", b"H\0st"),
            start.replace(b"Host: localhost\r\n", b"").replace(b"Authorization", b": x\r\nAuthorization"),
            start.replace(
                b"localhost", random.choice((b"a b", b"a/b", b"x:99999", b"[::1", b"a@b", b"\xff"))
            ),
            start.replace(b"\r\n", b"\r"),
            head("GET", CREATE, *(f"X-{number}: 1" for number in range(300))),
            head("GET", CREATE, f"X: {'x' * 70_000}"),
            bytes([random.choice((0, 1, 9, 27, 127, 128, 255))]) + random.randbytes(300),
        )
    )
    return Part("not HTTP", data, ends=True)


def _cut_off(random: Random) -> Part:
    """A request whose end is missing; also one of which a length was announced that is not sent."""
    data = random.choice(FRAMED)(random).data
    start = data.index(b"\r\n\r\n")
    if random.random() < 0.5:
        return Part("cut off in its head", data[: random.randrange(start + 3)], 0, 0)
    content = body(random)[:5_000] or b"{"
    return Part("cut off in its body", post(random, content)[: -random.randrange(1, len(content) + 1)], 0, 0)


def _over_the_cap(random: Random) -> Part:
    size = random.choice((500 * MEGABYTE, 10**12, 2**63 - 1, 10**18))
    lines = [f"Content-Length: {size}", *["Expect: 100-continue"] * random.randrange(2)]
    return Part("length over the cap", head("POST", CREATE, *lines) + b"{", ends=True)


def _expects(random: Random) -> Part:
    """The client of `Expect` need not wait for the interim reply."""
    return Part(
        "Expect", post(random, body(random)[:9_000], random.choice(("Expect: 100-continue", "Expect: x")))
    )


def _mutated(random: Random) -> Part:
    """Bytes of a valid request changed, removed or inserted."""
    data = bytearray(post(random, VALID))
    for _ in range(random.randrange(1, 5)):
        at = random.randrange(len(data))
        match random.randrange(3):
            case 0:
                data[at] = random.randrange(256)
            case 1:
                del data[at : at + random.randrange(1, 9)]
            case _:
                data[at:at] = random.choice(
                    (b"\r\n", b"\0", b"\n", b":", b" ", b"\xff", b"0", random.randbytes(4))
                )
    return Part("mutated", bytes(data), 0, 3)


LAST: Final[Sequence[Callable[[Random], Part]]] = (
    *(_conflicting_framing, _conflicting_framing, _broken_chunks, _not_http, _not_http),
    *(_cut_off, _cut_off, _over_the_cap, _expects, _mutated, _mutated),
)
