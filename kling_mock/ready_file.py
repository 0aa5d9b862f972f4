"""The ready file of a server: it exists while the server runs, and its content is always complete."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class ReadyFile:
    """A file with a JSON object of `url`, `keys` and `pid`. Removes an old file at `path`.

    The keys are whole, because a program reads them to call the server; the log shortens them.

    Raises ValueError if the path is a folder, or in a folder that does not exist.
    """

    def __init__(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise ValueError(f"--ready-file: folder {path.parent} does not exist")
        if path.is_dir():
            raise ValueError(f"--ready-file: {path} is a folder")
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        # A reader would use the file of a server that was killed.
        path.unlink(missing_ok=True)

    def write(self, url: str, keys: Sequence[str]) -> None:
        """Write the file atomically."""
        text = json.dumps({"url": url, "keys": list(keys), "pid": os.getpid()})
        try:
            self._part.write_text(text + "\n", encoding="utf-8")
            self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the file, unless another server has replaced it meanwhile."""
        with suppress(OSError, ValueError):
            if json.loads(self._path.read_text(encoding="utf-8")).get("pid") == os.getpid():
                self._path.unlink()
