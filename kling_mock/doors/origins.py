"""Checks of the Host header and CORS, as pure functions."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from kling_contracts.vocabulary import CONTROL_PREFIX, HTTP_STANDARD
from kling_mock.http import Headers, Reply, Request, json_reply, rule_header

_HOST: Final = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?", re.ASCII)
PORT_MAXIMUM: Final = 65_535
# Headers that a page may read, and the seconds for which a browser keeps the answer to a preflight.
EXPOSED: Final = (
    "x-kling-mock-rule, x-kling-mock-trigger, retry-after, etag, content-length, content-range, accept-ranges"
)
PREFLIGHT_SECONDS: Final = 600
METHODS: Final = "GET, HEAD, POST"
# The extension of an ASGI scope by which the socket server reports that it listens on other addresses too.
REACHABLE: Final = "kling_mock.reachable"
_FIELD_NAMES: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,4096}", re.ASCII)


@lru_cache(maxsize=256)
def parse_host(host: str) -> tuple[str, int | None] | None:
    """Name and port of a Host header; None if it is not valid. The name is lower case, without brackets."""
    found = _HOST.fullmatch(host)
    if found is None:
        return None
    name, port = found.groups()
    if name.startswith("["):
        name = name[1:-1]
        try:
            IPv6Address(name)
        except ValueError:
            return None
    number = int(port) if port else None
    if number is not None and number > PORT_MAXIMUM:
        return None
    return name.lower(), number


@lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Whether a host name or address, without port and brackets, is a loopback one."""
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


@lru_cache(maxsize=256)
def is_served(host: str, base_url: str | None) -> bool:
    """Whether a server on loopback serves a Host header: loopback names, or any if it has a `base_url`."""
    if not host or base_url is not None:
        return True
    name = parse_host(host)
    return name is not None and is_loopback(name[0])


def refuse_host(host: str) -> Reply:
    """The reply to a Host that is not served: a web page may have rebound its own name to this machine."""
    message = (
        f"Host {host[:100]!a}: this server listens on loopback and serves only loopback names (localhost, "
        f"*.localhost, 127.0.0.1, [::1]); start it with --public-url URL to serve others"
    )
    error = {"message": message, "type": "kling_mock_error", "param": "host", "code": "host_not_served"}
    return json_reply(403, {"error": error}, (rule_header("server.host", HTTP_STANDARD, "base_url"),))


# -- CORS


def is_control(path: str) -> bool:
    """Whether a path belongs to the control API, which web pages must not call."""
    return path.startswith(CONTROL_PREFIX) and path[len(CONTROL_PREFIX) :][:1] in ("", "/")


@lru_cache(maxsize=256)
def allows(policy: str, origin: str) -> bool:
    """Whether the setting `cors` allows a page of this origin to read replies."""
    if policy == "*":
        return True
    if policy != "loopback":
        return policy != "off" and origin.lower() == policy.lower()
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
    except ValueError:
        return False


def is_preflight(request: Request) -> bool:
    return request.method == "OPTIONS" and request.header("access-control-request-method") is not None


def with_cors(reply: Reply, policy: str, origin: str) -> Reply:
    """The reply with CORS headers; a page of `origin` may read it if the setting `cors` allows that."""
    headers: Headers = () if policy == "*" else (("vary", "Origin"),)
    if allows(policy, origin):
        allowed = "*" if policy == "*" else origin
        headers = (
            ("access-control-allow-origin", allowed),
            ("access-control-expose-headers", EXPOSED),
            *headers,
        )
    return Reply(reply.status, (*reply.headers, *headers), reply.body, delivery=reply.delivery)


def preflight_reply(request: Request, policy: str, origin: str) -> Reply:
    """The reply to a preflight. A refusal names the flag that allows the origin."""
    if not allows(policy, origin):
        text = f"cors: pages of {origin[:100]!a} may not call this server; {cors_advice(origin)}\n"
        rule = rule_header("server.cors", HTTP_STANDARD, "cors")
        refusal = Reply(403, (("content-type", "text/plain; charset=utf-8"), rule), text.encode())
        return with_cors(refusal, policy, origin)
    asked = request.header("access-control-request-headers") or ""
    headers: Headers = (
        ("access-control-allow-methods", METHODS),
        ("access-control-max-age", str(PREFLIGHT_SECONDS)),
        *((("access-control-allow-headers", asked),) if _FIELD_NAMES.fullmatch(asked) else ()),
    )
    if request.header("access-control-request-private-network") == "true":
        headers = (*headers, ("access-control-allow-private-network", "true"))
    return with_cors(Reply(204, headers, b""), policy, origin)


def cors_advice(origin: str) -> str:
    return f"--cors {origin[:100].encode('ascii', 'replace').decode()} allows it (setting cors)"
