"""Interception of httpx and httpx2: while one is open, requests of every client to the service are answered.

`handle_request` of the transports is replaced. Each replacement stores the function that it replaced and the
interception for which it was made; one stack determines the interception that answers. Therefore
interceptions may end in any order. A wrapper that another library installed over a replacement stays; the
replacement below it then only passes calls on, and is removed when the wrapper is. Calls that bypass the
replacements are answered where transports access their connections (`httpx_pools`).
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any, Final, NamedTuple, Self, cast

from kling_contracts.explained_error import ExplainedError
from kling_contracts.gateways import INTERCEPTED_HOSTS
from kling_contracts.help_links import help_line
from kling_mock.doors.httpx import MODULES, Handle, exchange, exchange_async
from kling_mock.doors.httpx_pools import TransportPools
from kling_mock.fork_locks import free_after_fork
from kling_mock.name_guard import NameGuard

_HOSTS: Final = frozenset(INTERCEPTED_HOSTS)
_METHODS: Final[tuple[tuple[Any, str], ...]] = tuple(
    method
    for module in MODULES
    for method in (
        (module.HTTPTransport, "handle_request"),
        (module.AsyncHTTPTransport, "handle_async_request"),
    )
)

Function = Callable[..., Any]

# The open interceptions in order of opening. The tuple is never mutated, so it is read without the lock.
_stack: tuple[Interception, ...] = ()
_changing: Final = free_after_fork(threading.RLock())
_numbers: Final = count(1)


class RequestRefused(ExplainedError, AssertionError):
    """A request to another host than the service's, during an interception with `only=True`."""


class Interception:
    """A context manager, for `with` and `async with`; see `Fake.intercept`."""

    def __init__(self, handle: Handle, *, only: bool) -> None:
        self.handle = handle
        self._only = only
        self._guard = NameGuard()
        self.number = 0  # increases with each opening; 0: it is not open
        self._used = False

    def answers(self, host: str, method: str, url: object) -> bool:
        """Whether a request is for the service. Raises RequestRefused for other hosts under `only`."""
        if host in _HOSTS or (host.endswith(".") and host[:-1] in _HOSTS):
            return True
        if self._only:
            raise RequestRefused(
                f"{method} {url} was refused: intercept(only=True) allows requests to the "
                f"service ({', '.join(INTERCEPTED_HOSTS)}) only. To let other hosts pass, leave `only` out."
            )
        return False

    def __enter__(self) -> Self:
        with _changing:
            if self.number:
                raise RuntimeError("this interception is open already; make another one: fake.intercept()")
            self._used = True
            self._guard.__enter__()
            _push(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _changing:
            if not self.number:
                raise RuntimeError("this interception is not open; open it with `with fake.intercept():`")
            _remove(self)
            self._guard.__exit__()

    def __del__(self) -> None:
        if not self._used:
            text = "an interception was never opened, so it had no effect: use `with fake.intercept():`"
            link = help_line([RuntimeWarning.__name__], text)
            warnings.warn(f"{text}\n{link}", RuntimeWarning, stacklevel=2)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()


class _Replacement(NamedTuple):
    """A function in place of `original`, which it calls; it answers for interceptions from `since` on."""

    function: Function
    original: Function
    since: int


_replacements: list[_Replacement] = []


def _push(interception: Interception) -> None:
    global _stack  # noqa: PLW0603 -- the transport classes are global, so their interceptions are too
    interception.number = next(_numbers)
    if not _stack:
        for kind, name in _METHODS:
            kind._pool = TransportPools(name, _last)  # noqa: SLF001 -- transports access connections through it only
    _stack = (*_stack, interception)
    for kind, name in _METHODS:
        holder, attribute = _place(kind, name)
        original = _held(holder, attribute)
        if _replacement(original) is None:
            make = _async_function if name == "handle_async_request" else _function
            made = _Replacement(make(original, interception.number), original, interception.number)
            _replacements.append(made)
            setattr(holder, attribute, made.function)


def _remove(interception: Interception) -> None:
    global _stack  # noqa: PLW0603 -- see above
    interception.number = 0
    _stack = tuple(each for each in _stack if each is not interception)
    if not _stack:
        for kind, _ in _METHODS:
            del kind._pool  # noqa: SLF001 -- see above
    uncover()


def _last() -> Interception | None:
    """The interception that answers: the one opened last."""
    return _stack[-1] if _stack else None


def uncover() -> None:
    """Remove the replacements that no open interception needs and that no wrapper covers."""
    with _changing:
        newest = _stack[-1].number if _stack else 0
        for kind, name in _METHODS:
            while True:
                holder, attribute = _place(kind, name)
                found = _replacement(_held(holder, attribute))
                if found is None or newest >= found.since:
                    break
                setattr(holder, attribute, found.original)
                _replacements.remove(found)


def _replacement(function: Function) -> _Replacement | None:
    # Compared by identity, as wrappers copy the attributes of the wrapped function.
    return next((each for each in _replacements if each.function is function), None)


def _place(kind: type, name: str) -> tuple[Any, str]:
    """Where a transport's method is stored: the class, or the innermost of the wrappers made by wrapt.

    Instrumentation consists of such wrappers. It observes calls and answers none, so it stays outermost.
    """
    holder: Any = kind
    attribute = name
    wrapt = sys.modules.get("wrapt")
    if wrapt is not None:
        while isinstance(held := _held(holder, attribute), wrapt.FunctionWrapper):
            holder, attribute = held, "__wrapped__"
    return holder, attribute


def _held(holder: Any, attribute: str) -> Function:
    if isinstance(holder, type):
        return cast("Function", vars(holder)[attribute])
    return cast("Function", getattr(holder, attribute))


def _function(original: Function, since: int) -> Function:
    @wraps(original)
    def handle_request(transport: Any, request: Any) -> Any:
        stack = _stack
        if stack and (last := stack[-1]).number >= since:
            url = request.url
            if last.answers(url.host, request.method, url):
                return exchange(last.handle, request, transport)
        return _bound(original, transport)(request)

    return handle_request


def _async_function(original: Function, since: int) -> Function:
    @wraps(original)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        stack = _stack
        if stack and (last := stack[-1]).number >= since:
            url = request.url
            if last.answers(url.host, request.method, url):
                return await exchange_async(last.handle, request, transport)
        return await _bound(original, transport)(request)

    return handle_async_request


def _bound(function: Function, transport: object) -> Function:
    """The function bound to the transport by its `__get__`; a mock object has none and is not bound."""
    bind = getattr(type(function), "__get__", None)
    return function if bind is None else cast("Function", bind(function, transport, type(transport)))
