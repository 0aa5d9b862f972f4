"""Locks that are free in a forked child process, even if another thread of the parent held one.

They are acquired before the fork and released after it in both processes. So no other thread is changing the
guarded state, and the copy in the child is complete.
"""

from __future__ import annotations

import itertools
import os
import threading
from typing import Final, Protocol, TypeVar
from weakref import WeakValueDictionary

# Longer than any of these locks is held, except by a thread that waits for the one that forks.
_PATIENCE: Final = 1.0


class Lock(Protocol):
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...  # noqa: FBT001, FBT002 -- as in threading

    def release(self) -> None: ...


L = TypeVar("L", bound=Lock)

_numbers: Final = itertools.count()
_locks: Final[WeakValueDictionary[int, Lock]] = WeakValueDictionary()
_forking: Final = threading.local()  # several threads may fork at once


def free_after_fork(lock: L) -> L:
    """Register a lock, which must not be held while one is acquired that was registered later."""
    _locks[next(_numbers)] = lock
    return lock


def _before() -> None:
    # The list is made at once: another thread may register a lock meanwhile.
    newest_first = sorted(_locks.valuerefs(), key=lambda reference: reference.key, reverse=True)
    locks = [lock for reference in newest_first if (lock := reference()) is not None]
    _forking.held = [lock for lock in locks if lock.acquire(timeout=_PATIENCE)]


def _after() -> None:
    for lock in reversed(_forking.held):
        lock.release()
    del _forking.held


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
