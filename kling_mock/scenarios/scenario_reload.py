"""Live reload of the scenario of a served fake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from kling_contracts.help_links import help_line, kinds_of
from kling_mock.fake import Fake
from kling_mock.scenarios.scenario_file import ScenarioError

# Seconds between two checks of the file.
INTERVAL: Final = 0.5

Log = Callable[[str], None]


class ScenarioReload:
    """Loads a file again after each change of its size or time; `settings` take precedence over it.

    A file with errors is reported once, and the last one without stays in effect.
    """

    def __init__(self, fake: Fake, path: Path, settings: Mapping[str, Any]) -> None:
        self._fake = fake
        self._path = path
        self._settings = settings
        self._seen: object = None
        self._invalid = False  # whether errors were reported, and no valid file since then

    async def run(self, note: Log, problem: Log) -> None:
        """Check the file for ever; `note` receives a line about each change, `problem` the errors."""
        while True:
            self.check(note, problem)
            await asyncio.sleep(INTERVAL)

    def check(self, note: Log, problem: Log) -> None:
        """Load the file if it has changed since the last check."""
        try:
            found = self._path.stat()
            state: object = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError as error:
            state = error.strerror
        if state == self._seen:
            return
        self._seen = state
        try:
            report = self._fake.load(self._path, **self._settings)
        except (ScenarioError, OSError) as error:
            self._invalid = True
            text = str(error) if isinstance(error, ScenarioError) else f"{self._path}: {error.strerror}"
            text = f"{text}\n{help_line(kinds_of(error), text)}"
            problem(f"scenario not loaded, the last one without errors stays in effect:\n{text}")
        else:
            if report.changed or self._invalid:
                note(f"{self._path} loaded again; {report}")
            self._invalid = False
