"""Listening sockets of the socket server, and their URLs."""

from __future__ import annotations

import errno
import re
import socket
from typing import Final

from kling_contracts.explained_error import ExplainedError
from kling_mock.doors.origins import is_loopback

BACKLOG: Final = 2048
_PLAIN: Final = re.compile(r"[A-Za-z0-9.:-]+")


class AddressRefused(ExplainedError, OSError):
    """The socket could not be bound; the message names the reason and a remedy."""


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises AddressRefused, TypeError for a port that is not an integer."""
    if type(port) is not int:
        raise TypeError(f"port must be an integer, not {port!r}")
    if not 0 <= port <= 65535:  # the resolver would reduce 70000 to 4464
        raise AddressRefused(f"port: must be from 0 to 65535, not {port}")
    try:
        # Texts are encoded by the codec `idna`, whose import takes as long as that of ten modules.
        name = host.encode() if _PLAIN.fullmatch(host) else host
        family, kind, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        # Without an explicit protocol, asyncio leaves Nagle's algorithm on, which costs 46 ms per request.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
        raise AddressRefused(_advice(host, port, error)) from error
    listening.setblocking(False)
    return listening


def _advice(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop its server, or choose another (0: any free one)"
    if number == errno.EACCES:
        return f"port {port} needs more rights than you have: use one from 1024 on"
    way = "use 127.0.0.1, or 0.0.0.0 for all addresses of this machine"
    return f"cannot listen on {host!r}, port {port}: {error}; {way}"


def url_of(listening: socket.socket, scheme: str = "http") -> str:
    host, port = listening.getsockname()[:2]
    # Clients cannot connect to the address of all interfaces: replace it with loopback.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host) or str(host)  # noqa: S104 -- nothing is bound here
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def listens_on_loopback(listening: socket.socket) -> bool:
    return is_loopback(str(listening.getsockname()[0]))
