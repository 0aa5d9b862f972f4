"""When threads count as waiting: they used no CPU for a while, and none of them waits for a processor."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kling_contracts.virtual_time import threads
from kling_contracts.virtual_time.threads import SILENCE, Silence, real_now

PATIENCE = 1.0


class Worker:
    """A thread that works for each order, and waits otherwise."""

    def __init__(self) -> None:
        self.orders, self.done = queue.SimpleQueue[int](), queue.SimpleQueue[int]()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while turns := self.orders.get():
            self.done.put(sum(range(turns)))

    def work(self) -> None:
        self.orders.put(1000)
        self.done.get()

    @contextmanager
    def running(self) -> Iterator[None]:
        self.thread.start()
        try:
            self.work()
            yield
        finally:
            self.orders.put(0)
            self.thread.join()


def found(silence: Silence, thread: threading.Thread, seconds: float = PATIENCE) -> bool:
    """Whether the thread counts as waiting within these seconds of real time."""
    end = real_now() + seconds
    while real_now() < end:
        if silence.lasts([thread]):
            return True
    return False


def test_a_thread_that_waits_is_silent() -> None:
    worker = Worker()
    with worker.running():
        assert found(Silence(), worker.thread)


@pytest.mark.skipif(sys.platform != "linux", reason="the states of threads are read on Linux")
def test_a_thread_that_worked_during_the_last_look_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waited for a processor, got it, and waits for the interpreter's lock when its state is read."""
    worker = Worker()

    def read_state(_native_id: int) -> bool:
        worker.work()
        return False

    with worker.running(), monkeypatch.context() as patch:
        patch.setattr(threads, "_is_running", read_state)
        assert not found(Silence(), worker.thread, 5 * SILENCE)
