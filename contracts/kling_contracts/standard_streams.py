"""The standard streams of a command: closed ones are opened, and errors of writing have a name."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

STANDARD_OUTPUT: Final = "standard output"
# The status that a shell reports for a program ended by SIGPIPE.
READER_GONE: Final = 141


def open_closed_streams() -> None:
    """Open closed standard streams on the null device.

    Python has None in place of them. Other files would get their descriptors, and libuv aborts if a socket
    does.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            os.set_inheritable(opened, True)  # as standard streams are: child processes have the same need
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 -- until the end


@contextmanager
def writing() -> Generator[None]:
    """Write standard output within, and nothing else; it is flushed at the end.

    After an error it is discarded, so that the last flush of the interpreter does not fail as well. An
    OSError has its name as `filename`; it is a BrokenPipeError if its reader has closed it.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise OSError(error.errno, error.strerror, STANDARD_OUTPUT) from error


def write_output(text: str) -> None:
    """Write a text, and all that is buffered, to standard output. Errors are those of `writing`."""
    with writing():
        sys.stdout.write(text)


def discard(stream: TextIO) -> None:
    """Discard what was not written, which Python would write again at its end, and all that follows."""
    with suppress(OSError), Path(os.devnull).open("wb") as null:  # a stream in memory has no descriptor
        os.dup2(null.fileno(), stream.fileno())
        stream.flush()
