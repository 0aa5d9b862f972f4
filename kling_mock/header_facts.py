"""The parts of request headers that the mock reads, found in one pass and cached.

Most clients repeat the headers of their requests.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

from kling_mock.http import Headers

# Bytes that HTTP/2 (RFC 9113, SETTINGS_MAX_HEADER_LIST_SIZE) counts for a header beside its name and value.
HEADER_OVERHEAD: Final = 32
SECRET_HEADERS: Final = frozenset(
    {
        "api-key",
        "apikey",
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-access-token",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-token",
        "x-authorization",
        "x-goog-api-key",
    }
)


class HeaderFacts(Struct, frozen=True):
    """The first `host`, `origin` and `content-encoding`, every `authorization`, and the headers to keep.

    `kept` are those without credentials, `size` is their size in bytes with `HEADER_OVERHEAD` for each.
    """

    host: str
    authorization: tuple[str, ...]
    encoding: str | None
    origin: str | None
    kept: Headers
    size: int


def header_facts(headers: Headers) -> HeaderFacts:
    """The facts of the headers of a request, whose names are in lower case."""
    try:
        return _cached(headers)
    except TypeError:  # in a list, which cannot be a key of the cache
        return _read(headers)


def _read(headers: Headers) -> HeaderFacts:
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name, value)
    kept = tuple([header for header in headers if header[0] not in SECRET_HEADERS])
    return HeaderFacts(
        first.get("host", ""),
        tuple([value for name, value in headers if name == "authorization"]),
        first.get("content-encoding"),
        first.get("origin"),
        kept,
        sum([len(name) + len(value) + HEADER_OVERHEAD for name, value in kept]),
    )


_cached: Final = lru_cache(maxsize=64)(_read)
