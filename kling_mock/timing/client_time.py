"""The time that a client sees: a token that it signs is judged by this."""

from __future__ import annotations

import threading
import time

from kling_contracts.virtual_time.functions import TIME, active, system_time
from kling_contracts.virtual_time.threads import RealTimeThread


def client_time() -> float:
    """The time that a client of this process sees, in Unix seconds, from any thread that answers it.

    It is `time.time()` in the client's thread. The thread of a server has not that of its clients: there it
    is the time of the test.
    """
    found = active()
    if found is None or time.time is not TIME:
        return time.time()
    is_server = isinstance(threading.current_thread(), RealTimeThread)
    return system_time() + found.shift if is_server else time.time()
