"""The demo: starts the server on a free port, creates a task with the client, polls it and saves the result.

The only module of this package that imports the client.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from errno import EACCES, ENOTDIR
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from kling_client import Client, InvalidRequest, Poll, Task
from kling_contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE, TaskStatus
from kling_mock.console import COLOURS
from kling_mock.fake import Fake
from kling_mock.plan import Pace

KEY: Final = "sk-mock"
PROMPT: Final = "the two of them at sea, watercolour"
RATIO: Final = "3:2"
# Shorter intervals than a client of the real service should use, because the demo runs faster.
POLL: Final = Poll(first=0.1, factor=1.3, cap=0.5)
SAMPLES: Final = ("cat.png", "boat.png")


def run_demo(images: Sequence[Path], out: Path, *, speed: float) -> int:
    """Create a task from the pictures, poll it and save its result in the folder `out`.

    Returns the exit status. Raises OSError for a missing file and for a folder that cannot be written,
    ValueError for invalid pictures and for a speed that is not positive.
    """
    terminal = Console(highlight=False)
    fake = Fake(pace=Pace.realistic(speed), keys=[KEY], thumbnails=True)
    for image in images:
        image.stat()  # errors of files are reported before the server starts
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(out))
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK | os.X_OK):
        raise PermissionError(EACCES, os.strerror(EACCES), str(out))
    with fake.serve() as server, Client(KEY, base_url=server.url, poll=POLL) as client:
        terminal.print(
            f"kling-mock serves [bold cyan]{server.url}[/], {speed:g} times as fast as the real service"
        )
        try:
            task = _create(client, images, terminal)
        except InvalidRequest as error:
            raise ValueError(f"demo: {error}") from error
        paths = _await_end(task, terminal).save(out, overwrite=True)
    for path in paths:
        terminal.print(f"saved [bold]{escape(str(path))}[/] ({path.stat().st_size:,} bytes)", soft_wrap=True)
    terminal.print(_NEXT, soft_wrap=True)
    return 0


def _create(client: Client, images: Sequence[Path], terminal: Console) -> Task:
    if images:
        names = ", ".join(image.name for image in images)
        terminal.print(f"creating a task from {escape(names)}; prompt: [italic]{PROMPT}[/]; ratio: {RATIO}")
        return client.generate(images, PROMPT, aspect_ratio=RATIO)
    folder = files("kling_mock") / "samples"
    with as_file(folder / SAMPLES[0]) as first, as_file(folder / SAMPLES[1]) as second:
        return _create(client, (first, second), terminal)


def _await_end(task: Task, terminal: Console) -> Task:
    """Poll the task until it ends, and print each change of its status."""
    began = time.monotonic()

    def show(seen: Task) -> None:
        terminal.print(_line(seen, time.monotonic() - began))

    terminal.print(f"task {task.id}")
    show(task)
    with terminal.status("waiting for the task", spinner="dots"):
        for seen in task.updates():
            if seen.status != task.status:
                show(seen)
            task = seen
    return task


def _line(task: Task, seconds: float) -> str:
    known = isinstance(task.status, TaskStatus)
    colour = COLOURS[TaskStatus(task.status)] if known and task.status is not None else "white"
    return f"  {seconds:5.1f} s  [{colour}]{task.status}[/]"


_NEXT: Final = f"""
Next steps:
  kling-mock serve              a local server for your own code; run your code with
                                {BASE_URL_VARIABLE}=http://127.0.0.1:8000
                                {API_KEY_VARIABLE}=sk-mock
  def test_it(kling): ...       the same in a pytest test: kling-mock help fixture
  kling-mock demo a.png b.png   the demo with your own pictures"""
