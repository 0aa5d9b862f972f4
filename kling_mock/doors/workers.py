"""Threads for jobs that would stall the event loop; they never delay the exit of the process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from kling_contracts.virtual_time.threads import RealTimeThread

T = TypeVar("T")

THREADS: Final = 2


class Workers:
    """Runs jobs in at most two threads, in order of arrival. Threads end when no job is left.

    The threads are daemons: at exit, Python waits for the threads of an executor of the standard library.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: deque[Callable[[], None]] = deque()
        self._running = 0

    def run(self, job: Callable[[], None]) -> None:
        """Run `job`, which must not raise, in a thread."""
        with self._lock:
            self._jobs.append(job)
            if self._running == THREADS:
                return
            self._running += 1
        RealTimeThread(target=self._work, name="kling-mock-worker", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running -= 1
                    return
                job = self._jobs.popleft()
            job()
