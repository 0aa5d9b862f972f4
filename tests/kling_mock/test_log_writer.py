"""The writer of the log: it never blocks its caller, whatever becomes of the stream."""

from __future__ import annotations

import io
import os
import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from kling_mock.log_writer import LINES_KEPT, LogWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The end of a pipe to read, and a stream that writes into it."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", encoding="utf-8")
    yield reading, stream
    with suppress(OSError):
        os.close(reading)
    with suppress(OSError):
        stream.close()


def read_lines(descriptor: int, last: str) -> list[str]:
    data = b""
    while not data.endswith(f"{last}\n".encode()):
        data += os.read(descriptor, 65_536)
    return data.decode().splitlines()


def test_lines_are_written_in_order(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    writer = LogWriter(stream)
    for line in ("one", "two", "größe 猫"):
        writer.put(line)
    writer.put(lambda: "late")
    assert writer.flush(5)
    assert read_lines(reading, "late") == ["one", "two", "größe 猫", "late"]
    assert writer.dropped == 0


def test_a_pipe_that_is_not_read_drops_lines_and_counts_them(pipe: tuple[int, TextIO]) -> None:
    """And says so once it is read again."""
    reading, stream = pipe
    writer = LogWriter(stream)
    total = LINES_KEPT * 2
    for number in range(total):
        writer.put(f"{number:0100}")
    assert not writer.flush(0.05)
    assert 0 < writer.dropped < total
    lines: list[str] = []
    data = b""
    while not (writer._lines.empty() and data.count(b"\n") >= total - writer.dropped):
        if select.select([reading], [], [], 0.05)[0]:  # the last item of the queue may be no line
            data += os.read(reading, 65_536)
    lines = data.decode().splitlines()
    assert f"({writer.dropped} lines dropped: standard output was not read)" in lines or writer.flush(5)
    writer.put("end")
    lines += read_lines(reading, "end")
    assert len([line for line in lines if line.isdigit()]) == total - writer.dropped
    assert any("lines dropped" in line for line in lines)


def test_a_reader_that_has_gone_costs_nothing_more(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    writer = LogWriter(stream)
    os.close(reading)
    writer.put("one")
    assert writer.flush(5)
    writer.put("two")
    assert writer.dropped == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_drops_lines() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        writer = LogWriter(full)
        writer.put("one")
        writer.put("two")
        assert writer.flush(5)
        assert writer.dropped == 2


def test_a_stream_in_memory() -> None:
    memory = io.StringIO()
    writer = LogWriter(memory)
    writer.put("one")
    assert writer.flush(5)
    assert memory.getvalue() == "one\n"
    memory.close()
    writer.put("two")
    assert writer.flush(5)
    assert writer.dropped == 1


def test_a_line_that_cannot_be_formatted_is_dropped() -> None:
    memory = io.StringIO()
    writer = LogWriter(memory)

    def fails() -> str:
        raise ZeroDivisionError

    writer.put(fails)
    writer.put("one")
    assert writer.flush(5)
    assert "one\n" in memory.getvalue()
    assert writer.dropped == 1
