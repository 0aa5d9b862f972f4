"""The HTTP request for a callback: POST to the path and query of a URL, with its host as the Host header."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from kling_contracts.redaction import hide_in_urls
from kling_mock import __version__
from kling_mock.callbacks.model import Callback

_PORTS: Final = {"http": 80, "https": 443}
_SAFE: Final = "/%:@!$&'()*+,;=~-._"
USER_AGENT: Final = f"kling-mock/{__version__}"


class Target(NamedTuple):
    """The parts of the URL of a receiver, without user, password and fragment.

    `host` is in ASCII, `authority` the value of the Host header; `path` and `query` are quoted.
    """

    scheme: str
    host: str
    port: int
    authority: str
    path: str
    query: str

    @property
    def path_and_query(self) -> str:
        """The target of the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


@lru_cache(maxsize=256)
def target_of(url: str) -> Target:
    """The parts of a URL. Raises ValueError for one that is not an http or https URL with a host."""
    parts = urlsplit(url)
    if parts.port == 0:
        raise ValueError(f"URL: the port must not be 0; got {hide_in_urls(url)!r}")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"URL: must be http or https, with a host; got {hide_in_urls(url)!r}")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    shown = f"[{host}]" if ":" in host else host
    port = parts.port or _PORTS[parts.scheme]
    return Target(
        parts.scheme,
        host,
        port,
        shown if port == _PORTS[parts.scheme] else f"{shown}:{port}",
        quote(parts.path or "/", safe=_SAFE),
        quote(parts.query, safe=_SAFE + "?"),
    )


def headers_of(callback: Callback, target: Target) -> dict[str, str]:
    """The header fields of the request, in order."""
    return {
        "host": target.authority,
        "user-agent": USER_AGENT,
        **callback.headers,
        "content-length": str(len(callback.content)),
    }


def as_bytes(callback: Callback, target: Target) -> bytes:
    """The request in HTTP/1.1."""
    content = callback.content
    lines = [_request_line(target), f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in callback.headers.items()]
    return "\r\n".join((*lines, "\r\n")).encode("latin-1") + content


@lru_cache(maxsize=256)
def _request_line(target: Target) -> str:
    """The request line and the header fields that do not depend on the callback."""
    return f"POST {target.path_and_query} HTTP/1.1\r\nhost: {target.authority}\r\nuser-agent: {USER_AGENT}"
