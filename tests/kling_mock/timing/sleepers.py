"""Threads that sleep, for the tests of skipped sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

START = 1_800_000_000


def run_threads(*works: Callable[[], object], daemon: bool = False) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=daemon) for work in works]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def naps(*seconds: float) -> Callable[[], None]:
    def work() -> None:
        for each in seconds:
            time.sleep(each)

    return work
