"""What `kling-client` shows: facts on stdout that scripts can rely on, and everything else on stderr."""

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

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PROGRAM: Final = "kling-client"

# Below this many columns a terminal gets the first two columns of a list only.
_NARROW: Final = 64
_USUAL_WIDTH: Final = 80
_MOTIONLESS: Final = frozenset({"dumb", "unknown"})
_KILOBYTE: Final = 1000


class Console:
    """Both streams of the command. Facts are lines of a word, a blank and a value; with JSON, nothing."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out, self._err = sys.stdout, sys.stderr

    def fact(self, word: str, value: object) -> None:
        """A line on stdout, at once."""
        if not self.as_json:
            _write(self._out, f"{word} {value}\n")

    def text(self, text: str) -> None:
        """Lines on stdout that are for people."""
        _write(self._out, text + "\n")

    def value(self, value: Mapping[str, object]) -> None:
        """The JSON object on stdout: one line, unless it is for people."""
        self.text(json.dumps(value, indent=2 if self._out.isatty() else None))

    def say(self, text: str) -> None:
        """A line on stderr; on a terminal it is broken between words."""
        _write(self._err, "\n".join(_lines(text, _width(self._err))) + "\n")

    def error(self, message: str, more: Sequence[str] = ()) -> None:
        """What is wrong, on stderr; further lines are indented."""
        self.say(f"{PROGRAM}: {message}")
        for line in more:
            self.say(f"  {line}")

    def resume(self, words: Sequence[str]) -> None:
        """A command to copy, on stderr. Where it has to be broken, a shell still takes it as one line."""
        self.say("resume with:")
        command, width = f"  {shlex.join(words)}", _width(self._err)
        if width is not None and len(command) > width:
            command = "  " + " \\\n    ".join([shlex.join(words[:3]), *map(shlex.join, _options(words[3:]))])
        _write(self._err, command + "\n")

    @contextmanager
    def progress(self) -> Generator[Progress]:
        """Show on stderr what goes on: a line that moves on a terminal, a line per change elsewhere."""
        live = self._err.isatty() and os.environ.get("TERM", "") not in _MOTIONLESS
        with _LiveProgress(self._err) if live else Progress(self) as progress:
            yield progress

    def row(self, task: TaskSnapshot) -> None:
        """A task in a list: id, status, creation, external id. Tabs between them for scripts."""
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
    """Progress where nothing can move: a line for each change of status."""

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
            self._console.say(f"{printable(str(task.status), 40)} after {spent:.1f} s")

    def received(self, count: int, total: int | None) -> None:
        """Bytes of the current picture."""


class _LiveProgress(Progress):
    """Progress as one line that shows status, time and bytes, and is gone at the end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        from rich.console import Console as Terminal
        from rich.progress import Progress as RichProgress
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        self._live: RichProgress = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            # Whether this is a terminal was decided already; FORCE_COLOR has no say in it.
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
    """A time as ISO 8601 in UTC, to the second."""
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def task_json(task: TaskSnapshot | None, **timings: object) -> dict[str, object]:
    """A task for machines; all keys are always there."""
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
    """What came of `generate`, `get` and `wait`; all keys are always there. `waited` is in seconds."""
    seconds = None if waited is None else round(waited, 3)
    shown = task_json(task, waited_seconds=seconds)
    return {
        **shown,
        "files": [str(path) for path in files],
        "error": error,
        "resume": None if resume is None else shlex.join(resume),
    }


def _options(words: Sequence[str]) -> list[list[str]]:
    """Options with their values."""
    found: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            found.append([word])
        else:
            found[-1].append(word)
    return found


def _width(stream: TextIO) -> int | None:
    """The columns of the terminal that a stream goes to; None if it goes elsewhere."""
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
    # No name of a file and no answer of a server is worth a UnicodeEncodeError.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
