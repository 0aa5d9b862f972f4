"""Log lines for a stream that may be closed, full or unread: a caller is never blocked, and gets no error."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

LINES_KEPT: Final = 10_000
RETRY_SECONDS: Final = 0.05

# A line, or a function that formats it in the thread of the writer.
LogLine = str | Callable[[], str]


class LogWriter:
    """Writes lines to a text stream in a separate thread.

    Lines are dropped, and counted in `dropped`, while `LINES_KEPT` lines are queued, if a write fails, and
    always after the reader closed its end. The thread is a daemon: a blocked write does not delay the exit of
    the process.
    """

    def __init__(self, stream: TextIO) -> None:
        self.dropped = 0
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._descriptor = _descriptor(stream)
        self._lines: queue.SimpleQueue[LogLine | threading.Event] = queue.SimpleQueue()
        self._gone = False
        self._reported = 0
        threading.Thread(target=self._run, name="kling-mock-log", daemon=True).start()

    def put(self, line: LogLine) -> None:
        """Queue a line, given without its line break."""
        if self._gone or self._lines.qsize() >= LINES_KEPT:
            self.dropped += 1
        else:
            self._lines.put(line)

    def flush(self, seconds: float) -> bool:
        """Wait until all queued lines are written or dropped. Returns whether that took at most `seconds`."""
        done = threading.Event()
        self._lines.put(done)
        return done.wait(seconds)

    def _run(self) -> None:
        while True:
            item = self._lines.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            try:
                text = item if isinstance(item, str) else item()
                missing, self._reported = self.dropped - self._reported, self.dropped
                if missing:
                    text = f"({missing} lines dropped: standard output was not read)\n{text}"
                self._write(f"{text}\n")
            except Exception as problem:  # noqa: BLE001 -- an error of the log must not end its thread
                self.dropped += 1
                self._gone = self._gone or isinstance(problem, BrokenPipeError | ValueError)

    def _write(self, text: str) -> None:
        if self._gone:
            raise BrokenPipeError
        if self._descriptor is None:
            print(text, end="", file=self._stream, flush=True)
            return
        # Not through the stream: the interpreter flushes streams at exit, and would block there.
        left = memoryview(text.encode(self._encoding, "replace"))
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                time.sleep(RETRY_SECONDS)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream in memory
        return None
