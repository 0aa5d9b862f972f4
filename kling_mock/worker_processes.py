"""Several server processes on one listening socket, and their supervisor, which replaces those that end.

A worker inherits the socket. It ends when its standard input does, which the supervisor holds open; the
supervisor knows by a pipe when a worker is ready, and when it has ended.
"""

from __future__ import annotations

import argparse
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

from kling_contracts.explained_error import ExplainedError

# Seconds for the replies in progress at the end, before a worker is killed: more than a worker itself allows.
STOP_SECONDS: Final = 10.0
# The number of workers in succession that may end by themselves before they are ready, if no other worker
# serves, and the pause in seconds after each.
FAILED_STARTS: Final = 3
FAILED_PAUSE: Final = 0.5
_READY: Final = b"r"
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM))


def _wake(*_: object) -> None:
    """A signal handler: the descriptor of `set_wakeup_fd` reports the signal."""


class WorkersFailed(ExplainedError, OSError):
    """No worker could be started; each has logged the reason."""


class _Worker:
    """A worker process, and the pipe by which it reports that it is ready."""

    def __init__(self, start: bytes, listening: socket.socket) -> None:
        self.reports, reporting = os.pipe()
        code = f"import sys; sys.path[:] = {sys.path!r}; from kling_mock.serve_command import work; work()"
        try:
            self.process = subprocess.Popen(  # noqa: S603 -- this interpreter, with constant code
                [sys.executable, "-c", code, str(listening.fileno()), str(reporting)],
                stdin=subprocess.PIPE,
                pass_fds=(listening.fileno(), reporting),
                process_group=0,  # Ctrl-C reaches the supervisor only
            )
        finally:
            os.close(reporting)
        assert self.process.stdin is not None  # noqa: S101 -- started with stdin=PIPE
        with suppress(BrokenPipeError):  # it has ended already, as the pipe of reports shows
            self.process.stdin.write(len(start).to_bytes(8) + start)
            self.process.stdin.flush()
        self.is_ready = False

    def close(self) -> int:
        """Wait for the end of the process, and return its status."""
        os.close(self.reports)
        assert self.process.stdin is not None  # noqa: S101 -- as above
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait()


class WorkerProcesses:
    """Runs this number of workers until SIGTERM, SIGINT or SIGHUP. `report` logs a line of text."""

    def __init__(
        self,
        options: argparse.Namespace,
        listening: socket.socket,
        number: int,
        report: Callable[[str], None],
    ) -> None:
        self._start_data = pickle.dumps(vars(options))
        self._listening = listening
        self._number = number
        self._report = report
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def run(self, on_ready: Callable[[], None]) -> None:
        """Call `on_ready` when all are ready, and return after the end of all. Raises WorkersFailed."""
        waking, wake = socket.socketpair()
        for end in (waking, wake):
            end.setblocking(False)
        before = {each: signal.signal(each, _wake) for each in set(_STOPPING)}
        old_wake = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(waking, selectors.EVENT_READ)
        try:
            for _ in range(self._number):
                self._start()
            self._supervise(waking, on_ready)
        finally:
            self._stop()
            signal.set_wakeup_fd(old_wake)
            for each, handler in before.items():
                signal.signal(each, handler)
            self._selector.close()
            waking.close()
            wake.close()

    def _supervise(self, waking: socket.socket, on_ready: Callable[[], None]) -> None:
        is_announced = False
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is waking:
                    if set(waking.recv(64)) & set(_STOPPING):
                        return
                    continue
                worker: _Worker = key.data
                if os.read(worker.reports, 1) == _READY:
                    worker.is_ready, self._failed_starts = True, 0
                else:
                    self._replace(worker)
            if not is_announced and all(each.is_ready for each in self._workers):
                is_announced = True
                on_ready()

    def _start(self) -> None:
        worker = _Worker(self._start_data, self._listening)
        self._workers.append(worker)
        self._selector.register(worker.reports, selectors.EVENT_READ, worker)

    def _replace(self, worker: _Worker) -> None:
        status = self._end(worker)
        if not worker.is_ready and status != -signal.SIGKILL:  # which says nothing about the next start
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS and not any(each.is_ready for each in self._workers):
                raise WorkersFailed(f"{FAILED_STARTS} worker processes ended before they were ready")
            sleep(FAILED_PAUSE)
        self._report(f"worker process {worker.process.pid} ended with status {status}; it is replaced")
        self._start()

    def _end(self, worker: _Worker) -> int:
        self._selector.unregister(worker.reports)
        self._workers.remove(worker)
        return worker.close()

    def _stop(self) -> None:
        """End all workers, after their replies in progress."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = monotonic() + STOP_SECONDS
        for worker in tuple(self._workers):
            try:
                worker.process.wait(max(deadline - monotonic(), 0))
            except subprocess.TimeoutExpired:
                worker.process.kill()
            self._end(worker)


# -- in a worker


class WorkerStart(NamedTuple):
    """The options of a worker, its listening socket, and the function that reports that it is ready."""

    options: argparse.Namespace
    listening: socket.socket
    report_ready: Callable[[], None]


def begin_worker() -> WorkerStart:
    """Receive the start data. From now on the end of the supervisor ends this process, as SIGTERM does."""
    descriptor, reporting = map(int, sys.argv[1:3])
    switches: dict[str, Any] = pickle.loads(_received(int.from_bytes(_received(8))))  # noqa: S301 -- written by the supervisor
    listening = socket.socket(fileno=descriptor)
    listening.setblocking(False)

    def watch() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="kling-mock-supervisor", daemon=True).start()
    return WorkerStart(
        argparse.Namespace(**switches), listening, lambda: _ignore(os.write(reporting, _READY))
    )


def _received(size: int) -> bytes:
    """Bytes of standard input, unbuffered: at its end Python waits for a thread that reads a buffer."""
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            sys.exit("kling-mock: the supervisor ended")
        data += part
    return data


def _ignore(_: int) -> None: ...
