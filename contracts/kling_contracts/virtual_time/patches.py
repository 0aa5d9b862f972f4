"""Replacements while a virtual time is active: functions of time, the sleeps of asyncio and trio."""

from __future__ import annotations

import asyncio
import functools
import importlib.abc
import importlib.machinery
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, Final

from kling_contracts.virtual_time.functions import (
    ACTIVE,
    FUNCTIONS,
    VirtualTimeLike,
    active,
    here,
    is_skipped,
)
from kling_contracts.virtual_time.threads import calling_frame, replace_attribute

# Modules of libraries that sleep by a name which they bound at their import.
_LIBRARY_COPIES: Final = ("asyncio.tasks", "anyio._backends._asyncio")
real_asyncio_sleep: Final = asyncio.sleep
_real_run_forever: Final = asyncio.BaseEventLoop.run_forever
_real_thread_start: Final = threading.Thread.start


@functools.wraps(real_asyncio_sleep)
async def _sleep_in_asyncio(delay: float, result: Any = None) -> Any:
    found = active()
    if found is None:
        return await real_asyncio_sleep(delay, result)
    if is_skipped(delay) and found.participants.includes(threading.current_thread()):
        delay = await found.sleep_in_asyncio(delay)
        if not delay:
            return result
    if not is_skipped(delay):
        found.yielded()
        return await real_asyncio_sleep(delay, result)
    begun = found.begin_real_sleep(calling_frame(1))
    await real_asyncio_sleep(delay)
    found.end_real_sleep(begun)
    return result


def _run_forever(loop: asyncio.BaseEventLoop) -> None:
    found = here()
    if found is not None:
        found.start_in(loop)
    _real_run_forever(loop)


def _start_thread(thread: threading.Thread, *arguments: Any, **named: Any) -> None:
    for each in ACTIVE:
        each.participants.started(thread)
    _real_thread_start(thread, *arguments, **named)


class _Trio:
    """The sleeps and the clock of trio."""

    def __init__(self, trio: Any) -> None:
        self._trio = trio
        real, real_until = trio.sleep, trio.sleep_until

        @functools.wraps(real)
        async def sleep(seconds: float) -> None:
            found = here()
            if found is not None and is_skipped(seconds) and self._runs_on_system_time():
                seconds = await found.sleep_in_trio(seconds)
            await real(seconds)

        @functools.wraps(real_until)
        async def sleep_until(deadline: float) -> None:
            seconds = deadline - trio.current_time()
            await (sleep(seconds) if is_skipped(seconds) else real_until(deadline))

        self._undo = [
            replace_attribute(trio, "sleep", sleep),
            replace_attribute(trio, "sleep_until", sleep_until),
        ]
        self._clocks: set[object] = set()
        self._renew_threads()

    def _runs_on_system_time(self) -> bool:
        """Whether trio's clock is its usual one, whose readings are shifted from then on."""
        kind: Any = self._trio.lowlevel.current_clock().__class__
        if kind.__name__ != "SystemClock":
            return False
        if kind not in self._clocks:
            self._clocks.add(kind)
            real: Callable[[object], float] = kind.current_time

            def current_time(clock: object) -> float:
                found = here()
                return real(clock) + (0.0 if found is None else found.shift)

            self._undo.append(replace_attribute(kind, "current_time", current_time))
        return True

    def _renew_threads(self) -> None:
        """Let trio start threads of its own for this time: it keeps idle ones from earlier runs."""
        cache: Any = getattr(sys.modules.get("trio._core._thread_cache"), "THREAD_CACHE", None)
        if not hasattr(cache, "_idle_workers"):
            return
        before, cache._idle_workers = cache._idle_workers, {}  # noqa: SLF001 -- it has no other way

        def put_back() -> None:
            cache._idle_workers = {**before, **cache._idle_workers}  # noqa: SLF001 -- as above

        self._undo.append(put_back)

    def undo(self) -> None:
        for undo in reversed(self._undo):
            undo()


class _TrioImport(importlib.abc.MetaPathFinder):
    """Notices that a test imports trio first."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "trio":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, real: importlib.abc.Loader) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        if ACTIVE:
            _undo.append(_Trio(module).undo)


_undo: Final[list[Callable[[], None]]] = []


def activate(virtual_time: VirtualTimeLike, copies: Iterable[tuple[ModuleType, str]] = ()) -> None:
    """Replace the functions. `copies` are other module attributes that may hold them."""
    if not ACTIVE:
        for function in FUNCTIONS:
            function.install()
        _undo.append(replace_attribute(asyncio, "sleep", _sleep_in_asyncio))
        for name in _LIBRARY_COPIES:
            module = sys.modules.get(name)
            if getattr(module, "sleep", None) is real_asyncio_sleep:
                _undo.append(replace_attribute(module, "sleep", _sleep_in_asyncio))
        _undo.append(replace_attribute(asyncio.BaseEventLoop, "run_forever", _run_forever))
        _undo.append(replace_attribute(threading.Thread, "start", _start_thread))
        _watch_libraries()
    ours: dict[int, object] = {id(function.real): function for function in FUNCTIONS}
    ours[id(real_asyncio_sleep)] = _sleep_in_asyncio
    for module, name in copies:
        replacement = ours.get(id(vars(module).get(name)))
        if replacement is not None:
            _undo.append(replace_attribute(module, name, replacement))
    ACTIVE.append(virtual_time)


def deactivate(virtual_time: VirtualTimeLike) -> None:
    """Put the functions back, unless another virtual time is active."""
    ACTIVE.remove(virtual_time)
    if not ACTIVE:
        _put_back()


def _put_back() -> None:
    while _undo:
        _undo.pop()()
    for function in FUNCTIONS:
        function.uninstall()


def _watch_libraries() -> None:
    """Trio's sleeps; and freezegun, which at its end puts back functions of time that it knows, not ours."""
    trio = sys.modules.get("trio")
    if trio is None:
        finder = _TrioImport()
        sys.meta_path.insert(0, finder)
        _undo.append(lambda: _forget(finder))
    else:
        _undo.append(_Trio(trio).undo)
    freezer: Any = getattr(sys.modules.get("freezegun.api"), "_freeze_time", None)
    if freezer is not None:
        real_stop = freezer.stop

        def stop(self: object) -> None:
            real_stop(self)
            if ACTIVE and not sys.modules["freezegun.api"].freeze_factories:
                for function in FUNCTIONS:
                    function.install()

        _undo.append(replace_attribute(freezer, "stop", stop))


def _forget(finder: importlib.abc.MetaPathFinder) -> None:
    with suppress(ValueError):
        sys.meta_path.remove(finder)


def _forked() -> None:
    """A child process has no share in the virtual time of its parent."""
    if ACTIVE:
        ACTIVE.clear()
        _put_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
