"""Detection of gevent and eventlet, under which a server in a thread never runs."""

from __future__ import annotations

import sys
from typing import Any


def require_real_threads() -> None:
    """Raise RuntimeError if threads have been replaced by green ones: the server would hang."""
    gevent: Any = sys.modules.get("gevent.monkey")
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        library = "gevent"
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        library = "eventlet"
    else:
        return
    raise RuntimeError(
        f"a server in a thread needs real threads, and {library} has replaced them (monkey patching). Use "
        "the fixture kling (or Fake().intercept()), which needs none, or `kling-mock serve` in a process of "
        "its own."
    )
