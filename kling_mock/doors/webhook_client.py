"""An HTTP/1.1 client for callbacks: it keeps connections, and has no proxies, redirects or cookies."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from functools import partial
from typing import Final

from kling_contracts.redaction import hide_in_urls
from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.callbacks.policy import ANSWER_SECONDS, is_loopback, refusal
from kling_mock.callbacks.post_request import Target, as_bytes, target_of
from kling_mock.doors.webhook_connection import NoResponse, WebhookConnection
from kling_mock.setting_types import Reach

# Kept connections are closed after this number of seconds, and the oldest if there are more.
IDLE_SECONDS: Final = 2.0
LARGEST_IDLE: Final = 64

_Receiver = tuple[str, str, int]


class WebhookClient:
    """Posts callbacks from one event loop. `reach` is the setting `callbacks`, which may change."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self._idle: dict[_Receiver, list[WebhookConnection]] = {}
        self._open: set[WebhookConnection] = set()
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._sweep: asyncio.TimerHandle | None = None
        self._context: ssl.SSLContext | None = None
        self._loading = asyncio.Lock()

    async def attempt(self, callback: Callback) -> AttemptResult:
        """`post` within ANSWER_SECONDS, with the error as a text."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return AttemptResult(await self.post(callback))
        except TimeoutError:
            return AttemptResult(None, error=f"no answer within {ANSWER_SECONDS:g} s")
        except NoResponse as problem:
            return AttemptResult(None, error=hide_in_urls(str(problem)))
        except Exception as problem:  # noqa: BLE001 -- any exception in sending is a failed attempt
            return AttemptResult(None, error=hide_in_urls(f"{type(problem).__name__}: {problem}"))

    async def post(self, callback: Callback) -> int:
        """Post a callback and return the status of the response. Raises NoResponse, ValueError.

        If a kept connection turns out to be closed, the callback is sent on a new one.
        """
        target = target_of(callback.url)
        receiver = target.scheme, target.host, target.port
        request = as_bytes(callback, target)
        kept = self._idle.get(receiver)
        if kept:
            connection = kept.pop()
            if not kept:
                del self._idle[receiver]
            try:
                return await connection.post(request)
            except NoResponse as problem:
                if not problem.stale:
                    raise
        connection = await self._connect(target, receiver)
        return await connection.post(request)

    async def close(self) -> None:
        """Abort all connections."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in tuple(self._open):
            connection.abort()
        await self._none_open.wait()

    # -- connecting

    async def _connect(self, target: Target, receiver: _Receiver) -> WebhookConnection:
        """A new connection, to an address that the setting allows."""
        context = await self._tls() if target.scheme == "https" else None
        loop = asyncio.get_running_loop()
        why = "its name has no address"
        for address in await self._addresses(target):
            try:
                _, connection = await loop.create_connection(
                    partial(WebhookConnection, partial(self._keep, receiver), self._drop),
                    address,
                    target.port,
                    ssl=context,
                    server_hostname=None if context is None else target.host,
                )
            except OSError as error:  # also of TLS
                why = _reason(error)
                continue
            self._open.add(connection)
            self._none_open.clear()
            return connection
        raise NoResponse(f"cannot connect to {target.authority}: {why}")

    async def _addresses(self, target: Target) -> list[str]:
        """The addresses of a host, which is resolved only if the setting allows to call it."""
        why = refusal(f"{target.scheme}://{target.authority}", self.reach)
        if why is not None:
            raise NoResponse(f"not sent: {why}")
        host = target.host
        try:
            ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            return [host]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, target.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NoResponse(f"cannot connect to {target.authority}: {_reason(error)}") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        allowed = [each for each in addresses if self.reach == "any" or is_loopback(each)]
        if addresses and not allowed:
            raise NoResponse(
                f"not sent: {host} is {addresses[0]}, which is not an address of this machine; "
                "--callbacks any sends to it"
            )
        return allowed

    async def _tls(self) -> ssl.SSLContext:
        async with self._loading:
            if self._context is None:  # in a thread, because loading the certificates of the system is slow
                self._context = await asyncio.to_thread(ssl.create_default_context)
            return self._context

    # -- keeping

    def _keep(self, receiver: _Receiver, connection: WebhookConnection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(receiver, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._sweep_idle)

    def _drop(self, connection: WebhookConnection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()
        for receiver, kept in self._idle.items():
            if connection in kept:
                kept.remove(connection)
                if not kept:
                    del self._idle[receiver]
                return

    def _sweep_idle(self) -> None:
        """Close the connections that have been idle for too long, and the oldest of too many."""
        self._sweep = None
        loop = asyncio.get_running_loop()
        idle = sorted(
            (each for kept in self._idle.values() for each in kept), key=lambda each: -each.idle_since
        )
        for number, connection in enumerate(idle):
            if number >= LARGEST_IDLE or loop.time() - connection.idle_since >= IDLE_SECONDS:
                connection.abort()
        if idle:
            self._sweep = loop.call_later(IDLE_SECONDS / 2, self._sweep_idle)


def _reason(error: OSError) -> str:
    """The reason of an error, the same from all event loops."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error}; the variable SSL_CERT_FILE may name a file with the certificate to trust"
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return str(error)
    return os.strerror(error.errno)
