"""Access to the control API, as a pure function: for clients on this machine, or with the token."""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from kling_contracts.vocabulary import TOKEN_HEADER
from kling_mock.control_api.problems import Problem
from kling_mock.http import Request

# With one of these a request was forwarded, so that its peer is not its client.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
_READS: Final = ("GET", "HEAD")


class Peer(NamedTuple):
    """The other end of a connection. `exposed`: the server also listens on addresses other than loopback.

    `is_local`: its address is a loopback one. `host_is_local`: so is the name in the header Host.
    """

    is_local: bool
    host_is_local: bool
    exposed: bool = False


def check_access(request: Request, peer: Peer, token: str | None) -> None:
    """Raise a problem unless the client may use the API.

    Pages of other origins may not, even on this machine. Others may if they send the token; without it only
    clients on this machine that address it by a loopback name, and only if the server is not exposed.
    """
    _check_site(request)
    if token is not None and _has_token(request, token):
        return
    forwarded = any(request.header(name) is not None for name in _FORWARDED)
    if peer.is_local and peer.host_is_local and not peer.exposed and not forwarded:
        return
    if token is not None:
        message = f"the control API needs the token: send 'Authorization: Bearer TOKEN' or {TOKEN_HEADER}"
        raise Problem(401, message)
    if peer.exposed:
        message = (
            "the control API is off: the server listens on an address that others can reach and has no "
            "--control-token"
        )
        raise Problem(403, message)
    message = "the control API serves clients on this machine only; --control-token TOKEN admits others"
    raise Problem(403, message)


def check_page_access(request: Request, peer: Peer, token: str | None) -> None:
    """Raise a problem unless the client may load the dashboard, which asks its user for the token."""
    if token is None:
        check_access(request, peer, token)
    else:
        _check_site(request)


def _check_site(request: Request) -> None:
    """Refuse requests of pages of other origins, which a browser sends without asking its user."""
    origin = request.header("origin")
    host = request.header("host") or ""
    if origin is not None and not _is_same(origin, host):
        raise Problem(403, f"Origin {origin[:100]!r}: web pages of other origins may not use the control API")
    site = request.header("sec-fetch-site")
    if site not in (None, "same-origin", "none") and request.method not in _READS:
        raise Problem(403, f"Sec-Fetch-Site {site!r}: web pages of other sites may not use the control API")


def _is_same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _has_token(request: Request, token: str) -> bool:
    """Whether the request has the token. Compares in constant time."""
    scheme, _, bearer = (request.header("authorization") or "").partition(" ")
    given = (request.header(TOKEN_HEADER) or "", bearer.strip() if scheme.lower() == "bearer" else "")
    expected = token.encode("utf-8", "surrogatepass")
    found = False
    for each in given:
        found |= hmac.compare_digest(each.encode("utf-8", "surrogatepass"), expected)
    return found
