"""Requests as bytes: heads, bodies and chunks, with the keys of the hostile ones."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

CREATE: Final = "/kling/v1/images/generations"
OTHER: Final = "/v1/images/multi-image2image"
KEYS: Final = ("sk-mock-a", "sk-mock-b", "sk-mock-c")


class Part(NamedTuple):
    """One request: its bytes, and the smallest and largest number of replies to it.

    `bodiless`: replies have no body. `ends`: the server closes the connection after it.
    """

    kind: str
    data: bytes
    least: int = 1
    most: int = 1
    bodiless: bool = False
    ends: bool = False


def head(method: str, target: str, *lines: str | bytes, key: str = KEYS[0], host: str = "localhost") -> bytes:
    """A request head; `lines` are further header lines."""
    fixed = (f"{method} {target} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}")
    encoded = [each.encode("latin-1") if isinstance(each, str) else each for each in (*fixed, *lines)]
    return b"\r\n".join([*encoded, b"", b""])


def post(random: Random, content: bytes, *lines: str | bytes, target: str = "") -> bytes:
    target = target or random.choice((CREATE, OTHER))
    return head("POST", target, *lines, f"Content-Length: {len(content)}", key=random.choice(KEYS)) + content


def in_chunks(random: Random, content: bytes) -> bytes:
    """A valid chunked body, with odd sizes, extensions and trailers."""
    parts: list[bytes] = []
    while content:
        size = min(random.choice((1, 2, 7, 64, 4096, len(content))), len(content))
        extension = random.choice((b"", b"", b";a=b", b';x="y z"'))
        parts.append(b"%X%b\r\n%b\r\n" % (size, extension, content[:size]))
        content = content[size:]
        if len(parts) > 200:
            parts.append(b"%x\r\n%b\r\n" % (len(content), content) if content else b"")
            break
    trailers = b"Authorization: Bearer other\r\nX-Late: 1\r\n" if random.random() < 0.2 else b""
    return b"".join([*parts, b"0\r\n", trailers, b"\r\n"])
