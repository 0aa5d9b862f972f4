"""The policy for sending callbacks over HTTP: by default only to receivers on this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from kling_mock.setting_types import Reach

# An attempt without an answer after this many seconds of real time has failed.
ANSWER_SECONDS: Final = 10.0


@lru_cache(maxsize=256)
def refusal(url: str, reach: Reach) -> str | None:
    """The reason for not calling a receiver over HTTP, with the flag that allows it; None if it is called.

    Host names are not resolved.
    """
    if reach == "any":
        return None
    if reach == "off":
        return "callbacks are off; --callbacks loopback sends to this machine, --callbacks any to every host"
    if is_loopback(_host(url)):
        return None
    return "its host is not this machine's own (127.0.0.1, ::1, localhost); --callbacks any sends to it"


def is_loopback(host: str) -> bool:
    """Whether a host is `localhost` or a loopback address, without resolving it."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, or a notation of an address that only resolvers accept
        return False
    # Versions of Python differ on ::ffff:127.0.0.1.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment, in ASCII, for logs."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a malformed IPv6 address
        return "(malformed URL)"
    return in_ascii(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def in_ascii(text: str) -> str:
    """Untrusted text with non-ASCII and control characters escaped, so that it cannot control a terminal."""
    return ascii(text)[1:-1]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
