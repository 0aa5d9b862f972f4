"""TLS for the socket server: certificates, and handshakes that end when the server stops."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kling_mock.doors.limits import Limits

SHUTDOWN_SECONDS: Final = 1.0  # for the client to answer the close_notify of TLS
RETRY_SECONDS: Final = 0.05  # after a connection could not be accepted, as when too many files are open


@dataclass(frozen=True, slots=True)
class Certificate:
    """The PEM files of a certificate chain and its key; `keyfile` is None if `certfile` contains both."""

    certfile: Path
    keyfile: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises ValueError if the files cannot be read, or if key and certificate do not match."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certfile, self.keyfile, _no_password)
        except OSError as error:  # ssl.SSLError among them
            files = f"{self.certfile}, {self.keyfile}" if self.keyfile else f"{self.certfile}"
            raise ValueError(f"certificate: cannot use {files}: {error}") from error
        return context


def _no_password() -> str:
    raise ValueError("certificate: the key is encrypted; give one without a password")


class Acceptor:
    """Accepts TLS connections on a listening socket.

    `create_server(ssl=...)` of asyncio does not close connections whose handshake is incomplete when the
    server stops.
    """

    def __init__(
        self, factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext, limits: Limits
    ) -> None:
        self._factory = factory
        self._context = context
        self._limits = limits
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}

    async def run(self, listening: socket.socket) -> None:
        """Accept connections until cancelled; then close those whose handshake is in progress."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    accepted, _ = await loop.sock_accept(listening)
                except OSError:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                task = loop.create_task(self._shake_hands(accepted))
                self._handshakes[task] = accepted
                task.add_done_callback(lambda done: self._handshakes.pop(done, None))
        finally:
            tasks = list(self._handshakes)
            for accepted in self._handshakes.values():
                with suppress(OSError):
                    accepted.shutdown(socket.SHUT_RDWR)
            if tasks:
                await asyncio.wait(tasks, timeout=self._limits.stop_seconds)

    async def _shake_hands(self, accepted: socket.socket) -> None:
        with suppress(OSError):  # not TLS, too slow, or disconnected
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._limits.header_seconds,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
