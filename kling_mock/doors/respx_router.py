"""The respx door: while it is open, every httpx client's calls to the service are answered by the fake."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import httpx
import respx
from respx.models import AllMockedAssertionError

from contracts.gateways import INTERCEPTED_HOSTS
from kling_mock.doors.httpx_transport import request_from_httpx, response_for_httpx
from kling_mock.replies import Reply, Request

Handle = Callable[[Request], Reply]


class FakeRouter(respx.MockRouter):
    """A router of ours, so that one can tell it from a user's own."""


class NameRefused(AssertionError):
    """Something that is not httpx tried to reach the paid service while it is being intercepted."""


class Interception:
    """A context manager, for `with` and `async with`; see `Fake.intercept`.

    It is built from public parts of respx: a route for the service's hosts, and one for all others that
    either declines (so that the next active router is asked) or passes the request on.
    """

    def __init__(self, handle: Handle, *, only: bool) -> None:
        self._handle = handle
        self._only = only
        self._guard = _NameGuard()
        self.router = FakeRouter(assert_all_called=False, using="httpcore")
        self.router.route(host__in=INTERCEPTED_HOSTS).mock(side_effect=self._answer)
        self.router.route().mock(side_effect=self._other_host)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        return response_for_httpx(self._handle(request_from_httpx(request)), request)

    def _other_host(self, request: httpx.Request) -> httpx.Request | None:
        """What respx makes of the answer: None declines, the request itself passes it on."""
        if self._only:
            raise AllMockedAssertionError(
                f"{request.method} {request.url} was refused: intercept(only=True) lets calls to the service "
                f"({', '.join(INTERCEPTED_HOSTS)}) through to the fake and no others. "
                "Mock that host with a respx router of your own, or leave `only` out."
            )
        return None if self._foreign_routers() else request

    def _foreign_routers(self) -> bool:
        mocker = self.router.Mocker
        return mocker is not None and any(not isinstance(each, FakeRouter) for each in mocker.routers)

    def __enter__(self) -> Self:
        self.router.start()
        self._guard.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._guard.stop()
        self.router.stop(quiet=True)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.__exit__()


# What turns a name into an address; asyncio's default resolver runs the first of them in a thread.
_RESOLVERS: Final = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


class _NameGuard:
    """Refuses to resolve the service's names. Guards may be stopped in any order: each can only be lifted."""

    def __init__(self) -> None:
        self._active = False
        self._replaced: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    def start(self) -> None:
        self._active = True
        for name in _RESOLVERS:
            original = getattr(socket, name)
            guarded = self._guarded(original)
            self._replaced[name] = (original, guarded)
            setattr(socket, name, guarded)

    def stop(self) -> None:
        self._active = False
        for name, (original, guarded) in self._replaced.items():
            if getattr(socket, name) is guarded:
                setattr(socket, name, original)

    def _guarded(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def resolve(host: object, *args: object, **kwargs: object) -> object:
            name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
            if self._active and isinstance(name, str) and name.lower().rstrip(".") in INTERCEPTED_HOSTS:
                raise NameRefused(
                    f"the name {name} was about to be resolved while kling_mock intercepts the service: "
                    "only httpx is intercepted, and this would have reached the paid service. "
                    "Use the fixture kling_server (or Fake().serve()) and its URL for other HTTP libraries."
                )
            return original(host, *args, **kwargs)

        return resolve
