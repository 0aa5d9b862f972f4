"""Interception where a transport of httpx or httpx2 accesses its connections, below all wrappers.

Only calls that bypass the replaced methods arrive here: those of a recorder that calls a method saved at its
import, and those of a single transport that was instrumented before the interception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from kling_mock.doors.httpx import Handle, read_request
from kling_mock.doors.httpx_delivery import AsyncBody, answer_async, body, read_timeout, wait, wait_async
from kling_mock.http import Reply, Request


class Interceptor(Protocol):
    """The part of an interception that a pool uses."""

    handle: Handle

    def answers(self, host: str, method: str, url: object, /) -> bool:
        """Whether it answers a request; raises if the request is refused."""
        ...


Last = Callable[[], Interceptor | None]


class TransportPools:
    """A descriptor, in the class of a transport, in front of the attribute `_pool` of its instances."""

    def __init__(self, method: str, last: Last) -> None:
        self._pool = _AsyncPool if method == "handle_async_request" else _Pool
        self._last = last

    def __get__(self, transport: Any, owner: type) -> Any:
        if transport is None:
            return self
        try:
            pool = transport.__dict__["_pool"]
        except KeyError:
            raise AttributeError("_pool") from None
        return self._pool(pool, self._last)

    def __set__(self, transport: Any, pool: object) -> None:
        transport.__dict__["_pool"] = pool


class _PoolBase:
    """A proxy of a connection pool of httpcore or httpcore2 that replaces sending only.

    Its `__class__` is that of the pool, because other mocks test for the pools of proxies.
    """

    def __init__(self, pool: Any, last: Last) -> None:
        self._kling_pool = pool
        self._kling_last = last

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return self._kling_pool.__class__
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kling_pool, name)

    def _kling_handle(self, request: Any) -> Handle | None:
        last = self._kling_last()
        method = request.method.decode("ascii")
        if last and last.answers(
            request.url.host.decode("ascii").lower(), method, bytes(request.url).decode("latin-1")
        ):
            return last.handle
        return None

    @property
    def _kling_core(self) -> Any:
        """The module of the pool: httpcore or httpcore2."""
        return sys.modules[self._kling_pool.__class__.__module__.partition(".")[0]]

    def _kling_request(self, request: Any, content: bytes) -> Request:
        return read_request(
            request.method.decode("ascii"),
            request.url.target,
            request.headers,
            content,
            self._kling_core.LocalProtocolError,
        )

    def _kling_response(self, reply: Reply, request: Any, content: object) -> Any:
        return self._kling_core.Response(
            reply.status,
            headers=[
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.framed_headers
            ],
            content=b"" if request.method == b"HEAD" else content,
        )


class _Pool(_PoolBase):
    def handle_request(self, request: Any) -> Any:
        handle = self._kling_handle(request)
        if handle is None:
            return self._kling_pool.handle_request(request)
        sent = self._kling_request(request, b"".join(request.stream))
        reply = handle(sent)
        core, timeout = self._kling_core, read_timeout(request.extensions)
        reply = wait(core, partial(handle, sent), reply, timeout, self._kling_pool)
        content: object = reply.body
        if reply.delivery is not None:
            content = body(core, reply.delivery, reply.body, timeout)
        return self._kling_response(reply, request, content)


class _AsyncPool(_PoolBase):
    async def handle_async_request(self, request: Any) -> Any:
        handle = self._kling_handle(request)
        if handle is None:
            return await self._kling_pool.handle_async_request(request)
        sent = self._kling_request(request, b"".join([chunk async for chunk in request.stream]))
        reply = await answer_async(handle, sent)
        core, timeout = self._kling_core, read_timeout(request.extensions)
        send = partial(answer_async, handle, sent)
        reply = await wait_async(core, send, reply, timeout, self._kling_pool)
        content: object = reply.body
        if reply.delivery is not None:
            content = AsyncBody(core, reply.delivery, reply.body, timeout)
        return self._kling_response(reply, request, content)
