"""Run by each Python process that a guarded test run starts: it refuses the names of the service as well."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path


def _run() -> None:
    here = str(Path(__file__).parent)
    places = [place for place in sys.path if place != here]
    sys.path[:], found = places, list(sys.path)
    this = sys.modules.pop("sitecustomize", None)
    with suppress(ImportError):  # of the environment itself: only one module of this name is run
        import_module("sitecustomize")
    sys.path[:] = found
    if this is not None:
        sys.modules["sitecustomize"] = this
    with suppress(ImportError):  # another environment, without this package
        import_module("kling_mock.name_guard").NameGuard().__enter__()


_run()
