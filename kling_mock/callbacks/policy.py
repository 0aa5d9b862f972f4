"""Which receivers of callbacks are called over HTTP: without being asked, nothing leaves the machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from kling_mock.settings import Reach


def refusal(url: str, reach: Reach) -> str | None:
    """Why a receiver is not called over HTTP, and the way out; None if it is. No name is resolved."""
    if reach == "any":
        return None
    if reach == "off":
        return "callbacks are off; --callbacks loopback sends to this machine, --callbacks any to every host"
    if is_loopback(_host(url)):
        return None
    return "its host is not this machine's own (127.0.0.1, ::1, localhost); --callbacks any sends to it"


def is_loopback(host: str) -> bool:
    """Whether a host is `localhost` or a loopback address, as it is written."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, or an address in a spelling that only resolvers know
        return False
    # Versions of Python differ on ::ffff:127.0.0.1.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def without_secrets(url: str) -> str:
    """A URL as it may be shown to whoever looks: without user, password, query and fragment, in ASCII."""
    try:
        parts = urlsplit(url)
    except ValueError:  # what looks like an IPv6 address and is none
        return "(a URL that cannot be read)"
    return in_ascii(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def in_ascii(text: str) -> str:
    """A text that came from elsewhere as any terminal can show it, and none is steered by it."""
    return ascii(text)[1:-1]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
