"""Refuses to resolve the host names of the paid service, for all libraries and threads of this process.

The guard is an audit hook and replaces no function: functions that were imported by name before are covered,
and patches of other libraries are not affected. A hook cannot be removed; while no guard is active, it does
nothing.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, Final, Self, cast

from kling_contracts.explained_error import ExplainedError
from kling_contracts.gateways import INTERCEPTED_HOSTS
from kling_mock.fork_locks import free_after_fork

# Audit events and the index of the name in their arguments. A socket resolves the name in an address before
# it raises the event: the look-up takes place, but no connection is made.
_NAMES: Final = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0}
_ADDRESSES: Final = {"socket.connect": 1, "socket.sendto": 1}
# Connections of http.client, also of requests and urllib3. Through a proxy, the name is in an attribute.
_HTTP_CONNECTION: Final = "http.client.connect"
# uvloop resolves names without an event, but each of its loops makes a socket first, which has one.
_SOCKET_MADE: Final = "socket.__new__"
_UVLOOP_METHODS: Final = {"getaddrinfo": 0, "create_connection": 1}


class NameRefused(ExplainedError, AssertionError):
    """Code that is not intercepted was about to reach the paid service."""


class _Process:
    """The guards of this process."""

    def __init__(self) -> None:
        self.active = 0
        self.changing = free_after_fork(threading.RLock())
        self.hooked = False
        self.uvloop: dict[str, Callable[..., Any]] = {}


_process: Final = _Process()


class NameGuard:
    """A context manager; guards may end in any order.

    With `children`, Python processes that are started meanwhile are guarded until they end: `PYTHONPATH`
    makes them import `child_guard`.
    """

    def __init__(self, *, children: bool = False) -> None:
        self._children = children
        self._search_path: str | None = None

    def __enter__(self) -> Self:
        with _process.changing:
            if not _process.hooked:
                sys.addaudithook(_hook(_process))
                _process.hooked = True
            _process.active += 1
            _guard_uvloop(_process)
        if self._children:
            self._search_path = os.environ.get("PYTHONPATH")
            folder = os.fspath(Path(__file__).parent / "child_guard")
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, self._search_path)))
        return self

    def __exit__(self, *_: object) -> None:
        with _process.changing:
            _process.active -= 1
            if not _process.active:
                _release_uvloop(_process)
        if self._children:
            os.environ.pop("PYTHONPATH")
            if self._search_path is not None:
                os.environ["PYTHONPATH"] = self._search_path


def _hook(process: _Process) -> Callable[[str, tuple[Any, ...]], None]:
    # Bound here, because at exit the hook is called after the globals of this module were cleared.
    names, addresses, made, connected = _NAMES, _ADDRESSES, _SOCKET_MADE, _HTTP_CONNECTION
    check, guard_uvloop = _check, _guard_uvloop

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if process.active:
            if event in names:
                check(arguments[names[event]])
            elif event in addresses:
                address: object = arguments[addresses[event]]
                if isinstance(address, tuple):  # otherwise the path of a Unix socket
                    check(next(iter(cast("tuple[object, ...]", address)), None))
            elif event == made:
                guard_uvloop(process)
            elif event == connected:
                check(arguments[1])
                check(getattr(arguments[0], "_tunnel_host", None))

    return hook


def _check(name: object) -> None:
    if isinstance(name, bytes | bytearray):
        name = name.decode("ascii", "replace")
    if isinstance(name, str) and not name.isascii():  # the system resolves the ASCII form
        with suppress(UnicodeError):
            name = name.encode("idna").decode("ascii")
    if isinstance(name, str) and name.lower().rstrip(".") in INTERCEPTED_HOSTS:
        raise NameRefused(
            f"{name} is a host of the paid service, and kling_mock does not let it be resolved. The fixture "
            "kling (or Fake().intercept()) answers httpx and httpx2 only. For requests, mount "
            "Fake().requests_adapter(); for other HTTP libraries, use the URL of the fixture kling_server "
            "(or of Fake().serve())."
        )


def _guard_uvloop(process: _Process) -> None:
    """Replace the resolving methods of uvloop's event loop, if uvloop is imported."""
    uvloop = sys.modules.get("uvloop")
    loop = getattr(uvloop, "Loop", None)
    if loop is None or process.uvloop:
        return
    with process.changing:
        if process.active and not process.uvloop:
            process.uvloop = {name: getattr(loop, name) for name in _UVLOOP_METHODS}
            for name, original in process.uvloop.items():
                setattr(loop, name, _checked(original, _UVLOOP_METHODS[name]))


def _release_uvloop(process: _Process) -> None:
    loop = getattr(sys.modules.get("uvloop"), "Loop", None)
    for name in process.uvloop:
        delattr(loop, name)  # the originals are inherited
    process.uvloop = {}


def _checked(original: Callable[..., Any], position: int) -> Callable[..., Any]:
    @wraps(original)
    def method(loop: object, *arguments: Any, **named: Any) -> Any:
        _check(arguments[position] if len(arguments) > position else named.get("host"))
        return original(loop, *arguments, **named)

    return method
