"""While a client is tested it cannot reach the real service: a create that got there would be billed."""

from __future__ import annotations

import os
import socket
from typing import Any, Final, Self
from unittest import mock

from kling_contracts.gateways import INTERCEPTED_HOSTS

_LOOPBACK: Final = "127.0.0.1,localhost"


class Isolation:
    """A context in which the names of the service are not resolved, and no proxy is asked for loopback."""

    def __init__(self) -> None:
        self._resolve = socket.getaddrinfo
        direct = {
            name: f"{_LOOPBACK},{os.environ.get(name, '')}".strip(",") for name in ("NO_PROXY", "no_proxy")
        }
        self._patches = (
            mock.patch.object(socket, "getaddrinfo", self._getaddrinfo),
            mock.patch.dict(os.environ, direct),
        )

    def __enter__(self) -> Self:
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()

    def _getaddrinfo(self, host: Any, *arguments: Any, **named: Any) -> Any:  # as in the socket module
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if isinstance(name, str) and name.lower().rstrip(".") in INTERCEPTED_HOSTS:
            raise socket.gaierror(
                socket.EAI_FAIL,
                f"{name} is the real service, where tasks are billed: the client has to use service.base_url",
            )
        return self._resolve(host, *arguments, **named)
