"""What the address of a server tells before anything is sent."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine: `localhost`, 127.0.0.0/8 or ::1. Nothing is resolved."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


def address_problem(url: str) -> str | None:
    """Why a text is no address of a server; None if it is one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https") or not host:
        return "it begins with http:// or https:// and names a host, such as http://127.0.0.1:8000"
    if parts.username is not None or parts.password is not None:
        return "a name and a password do not belong in it: reports show it"
    if parts.query or parts.fragment:
        return "it ends before ? and #: the paths of the API are appended to it"
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        return "it holds blanks or control characters"
    return None
