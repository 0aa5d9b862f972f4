"""Imported at the start of each Python process of a guarded test run, to activate a `NameGuard` in it."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path


def _run() -> None:
    here = str(Path(__file__).parent)
    search_path = list(sys.path)
    sys.path[:] = [folder for folder in search_path if folder != here]
    this = sys.modules.pop("sitecustomize", None)
    with suppress(ImportError):  # the environment's own module, as Python imports only the first of this name
        import_module("sitecustomize")
    sys.path[:] = search_path
    if this is not None:
        sys.modules["sitecustomize"] = this
    with suppress(ImportError):  # the process may use another environment, without this package
        import_module("kling_mock.name_guard").NameGuard().__enter__()


_run()
