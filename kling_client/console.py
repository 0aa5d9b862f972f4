"""The output of `kling-client`: facts in a stable format on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

from kling_client.errors import printable
from kling_client.snapshot import TaskSnapshot
from kling_contracts.redaction import escape_controls
from kling_contracts.standard_streams import discard, writing

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PROGRAM: Final = "kling-client"

# A terminal with fewer columns shows only the first two columns of a list.
_NARROW: Final = 64
_USUAL_WIDTH: Final = 80
# Values of TERM for terminals that cannot move the cursor.
_PLAIN_TERMINALS: Final = frozenset({"dumb", "unknown"})
_KILOBYTE: Final = 1000


class Console:
    """Both streams of the command. A fact is a line `name value`; with `as_json` no facts are printed.

    Lines that stderr cannot take, on a full disk for example, are dropped.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out, self._err = sys.stdout, sys.stderr

    def fact(self, name: str, value: object) -> None:
        """Print a fact on stdout and flush."""
        if not self.as_json:
            self.text(f"{name} {value}")

    def text(self, text: str) -> None:
        """Print text on stdout, in both formats. Raises OSError with the name of standard output."""
        with writing():
            _write(self._out, text + "\n")

    def value(self, value: Mapping[str, object]) -> None:
        """Print a JSON object on stdout: on one line, but indented on a terminal."""
        self.text(json.dumps(value, indent=2 if self._out.isatty() else None))

    def note(self, text: str) -> None:
        """Print a line on stderr; wrapped between words on a terminal."""
        self._report("\n".join(_lines(text, _width(self._err))) + "\n")

    def error(self, message: str, details: Sequence[str] = ()) -> None:
        """Print an error on stderr, with indented lines of details."""
        self.note(f"{PROGRAM}: {message}")
        for line in details:
            self.note(f"  {line}")

    def resume(self, words: Sequence[str]) -> None:
        """Print a command to copy on stderr. Line breaks are escaped for the shell."""
        self.note("resume with:")
        command, width = f"  {shlex.join(words)}", _width(self._err)
        if width is not None and len(command) > width:
            command = "  " + " \\\n    ".join([shlex.join(words[:3]), *map(shlex.join, _options(words[3:]))])
        self._report(command + "\n")

    def _report(self, text: str) -> None:
        try:
            _write(self._err, text)
        except OSError:
            discard(self._err)

    @contextmanager
    def progress(self) -> Generator[Progress]:
        """Show progress on stderr: a live line on a terminal, else a line for each change of status."""
        live = self._err.isatty() and os.environ.get("TERM", "") not in _PLAIN_TERMINALS
        with _LiveProgress(self._err) if live else Progress(self) as progress:
            yield progress

    def row(self, task: TaskSnapshot) -> None:
        """Print a task of a list: id, status, creation, external id; tab-separated except on a terminal."""
        columns = (task.id, str(task.status), instant(task.created_at) or "", task.external_id or "")
        cells = [printable(cell) for cell in columns]
        width = _width(self._out)
        if width is None:
            self.text("\t".join(cells))
            return
        if width < _NARROW:
            cells = cells[:2]
        line = "  ".join(cell.ljust(size) for cell, size in zip(cells, (18, 10, 20, 0), strict=False))
        self.text(line.rstrip() if len(line) <= width else line[: width - 1] + "…")


class Progress:
    """Progress as plain lines: one for each change of status."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def status(self, task: TaskSnapshot) -> None:
        if self._console is not None:
            spent = time.monotonic() - self._started
            self._console.note(f"{printable(str(task.status), 40)} after {spent:.1f} s")

    def received(self, count: int, total: int | None) -> None:
        """Report the bytes received of the current image; not shown as plain lines."""


class _LiveProgress(Progress):
    """Progress as one updated line with status, time and bytes, removed at the end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        from rich.console import Console as Terminal
        from rich.progress import Progress as RichProgress
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        self._live: RichProgress = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            # Already known to be a terminal; variables such as FORCE_COLOR must not change that.
            console=Terminal(file=stream, force_terminal=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._line = self._live.add_task("waiting")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def status(self, task: TaskSnapshot) -> None:
        self._live.update(self._line, description=printable(str(task.status), 20))

    def received(self, count: int, total: int | None) -> None:
        whole = f" of {total // _KILOBYTE}" if total else ""
        self._live.update(self._line, description=f"saving {count // _KILOBYTE}{whole} kB")


def instant(value: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC, in whole seconds."""
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def task_json(task: TaskSnapshot | None, **timings: object) -> dict[str, object]:
    """A task as a JSON object. All keys are always present."""
    shown = task or TaskSnapshot(id="")
    created, updated = instant(shown.created_at), instant(shown.updated_at)
    return {
        "task_id": shown.id or None,
        "external_task_id": shown.external_id,
        "status": None if shown.status is None else str(shown.status),
        "images": [{"index": image.index, "url": image.url} for image in shown.images],
        "failure": shown.failure,
        "request_id": shown.request_id,
        "timings": {"created_at": created, "updated_at": updated, **timings},
    }


def result_json(
    task: TaskSnapshot | None,
    *,
    files: Sequence[Path],
    waited: float | None,
    error: Mapping[str, object] | None,
    resume: Sequence[str] | None,
) -> dict[str, object]:
    """The JSON result of `generate`, `get` and `wait`, always with all keys. `waited` is in seconds."""
    seconds = None if waited is None else round(waited, 3)
    shown = task_json(task, waited_seconds=seconds)
    return {
        **shown,
        "files": [str(path) for path in files],
        "error": error,
        "resume": None if resume is None else shlex.join(resume),
    }


def _options(words: Sequence[str]) -> list[list[str]]:
    """Group words of a command line: each option with its values."""
    found: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            found.append([word])
        else:
            found[-1].append(word)
    return found


def _width(stream: TextIO) -> int | None:
    """The width of the terminal that a stream writes to; None if it is not a terminal."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


def _lines(text: str, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text, width, subsequent_indent=indent + "  ", break_on_hyphens=False, break_long_words=False
    )


def _write(stream: TextIO, text: str) -> None:
    # Texts of a server, and arguments, may contain sequences that control a terminal.
    text = escape_controls(text, keep="\n\t")
    # File names and texts of a server may contain characters that the encoding lacks.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
