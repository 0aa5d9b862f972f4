"""The respx door: while it is open, every httpx client's calls to the service are answered by the fake."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from types import TracebackType
from typing import Any, Self

import httpx
import respx
from respx.models import AllMockedAssertionError

from kling_contracts.gateways import INTERCEPTED_HOSTS
from kling_mock.doors.httpx import request_from_httpx, response_for_httpx
from kling_mock.http import Reply, Request

Handle = Callable[[Request], Reply]


class FakeRouter(respx.MockRouter):
    """A router of ours, so that one can tell it from a user's own."""


class NameRefused(AssertionError):
    """Something that is not httpx tried to reach the paid service while it is being intercepted."""


class Interception:
    """A context manager, for `with` and `async with`; see `Fake.intercept`.

    It is built from public parts of respx: a route for the service's hosts, and one for all others that
    either declines (so that the next active router is asked) or passes the request on. Of several
    interceptions the one opened last is in charge, as with any other kind of patch.
    """

    def __init__(self, handle: Handle, *, only: bool) -> None:
        self._handle = handle
        self._only = only
        self._guard = _NameGuard()
        self.router = FakeRouter(assert_all_called=False, using="httpcore")
        self.router.route(host__in=INTERCEPTED_HOSTS).mock(side_effect=self._answer)
        self.router.route().mock(side_effect=self._other_host)

    def _answer(self, request: httpx.Request) -> httpx.Response | None:
        if not self._in_charge():
            return None
        return response_for_httpx(self._handle(request_from_httpx(request)), request)

    def _other_host(self, request: httpx.Request) -> httpx.Request | None:
        """What respx makes of the answer: None declines, the request itself passes it on."""
        if not self._in_charge():
            return None
        if self._only:
            raise AllMockedAssertionError(
                f"{request.method} {request.url} was refused: intercept(only=True) lets calls to the service "
                f"({', '.join(INTERCEPTED_HOSTS)}) through to the fake and no others. "
                "Mock that host with a respx router of your own, or leave `only` out."
            )
        return None if any(not isinstance(each, FakeRouter) for each in self._routers()) else request

    def _routers(self) -> list[respx.Router]:
        """The active routers, in the order in which they were started."""
        return [] if self.router.Mocker is None else self.router.Mocker.routers

    def _in_charge(self) -> bool:
        return [each for each in self._routers() if isinstance(each, FakeRouter)][-1:] == [self.router]

    def __enter__(self) -> Self:
        if self.router in self._routers():
            raise RuntimeError("this interception is open already; take another one: fake.intercept()")
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


class _NameGuard:
    """Refuses to resolve the service's names. Guards may be stopped in any order."""

    def __init__(self) -> None:
        self.active = False

    def start(self) -> None:
        self.active = True
        for home, name, place in _resolvers():
            setattr(home, name, _Guarded(self, getattr(home, name), place).resolver())

    def stop(self) -> None:
        self.active = False
        for home, name, _ in _resolvers():
            present = getattr(home, name)
            # A guard that was lifted while another one lay over it has left its wrapper behind.
            while (guarded := getattr(present, "guarded", None)) is not None and not guarded.guard.active:
                present = guarded.original
            setattr(home, name, present)


@dataclass(frozen=True)
class _Guarded:
    """A function that resolves the name at one place of its arguments, and the guard before it."""

    guard: _NameGuard
    original: Callable[..., Any]
    place: int

    def resolver(self) -> Callable[..., Any]:
        @wraps(self.original)
        def resolve(*args: object, **kwargs: object) -> object:
            if self.guard.active:
                _check_name(args[self.place] if len(args) > self.place else kwargs.get("host"))
            return self.original(*args, **kwargs)

        # A plain function, since methods have to bind; that it takes attributes its type does not say.
        setattr(resolve, "guarded", self)  # noqa: B010 -- an assignment would not type
        return resolve


def _resolvers() -> Iterator[tuple[object, str, int]]:
    """What turns names into addresses: where it is, and which argument the name is.

    The default resolver of asyncio runs the first of them in a thread. A uvloop resolves by itself.
    """
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        yield socket, name, 0
    uvloop = sys.modules.get("uvloop")  # nobody uses it who has not loaded it
    if uvloop is not None:
        yield uvloop.Loop, "getaddrinfo", 1
        yield uvloop.Loop, "create_connection", 2


def _check_name(host: object) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
    if isinstance(name, str) and name.lower().rstrip(".") in INTERCEPTED_HOSTS:
        raise NameRefused(
            f"the name {name} was about to be resolved while kling_mock intercepts the service: "
            "only httpx is intercepted, and this would have reached the paid service. "
            "Use the fixture kling_server (or Fake().serve()) and its URL for other HTTP libraries."
        )
