"""Imports of `kling_contracts`: loaded modules and public names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kling_contracts
from tests.import_graph import MODULES

# Modules that need third-party libraries; not part of the core.
DERIVED = (
    "checks",
    "client_suite",
    "schemathesis_hooks",
    "strategies",
    "verify",
)
CORE = [
    name
    for name in MODULES
    if name.startswith("kling_contracts.")
    and name.split(".")[1] not in DERIVED
    and not name.endswith("__main__")
]


def test_importing_loads_nothing_heavy() -> None:
    """The package and its core modules import no heavy libraries and no other package of the project."""
    script = f"""
import sys
import kling_contracts
assert not [name for name in sys.modules if name.startswith("kling_contracts.")]
import {", ".join(CORE)}
heavy = "httpx hypothesis jsonschema pytest PIL respx kling_mock kling_client".split()
print([name for name in heavy if name in sys.modules])
"""
    # pytest's importlib mode does not change sys.path, so the subprocess starts in the package's folder.
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(str(kling_contracts.__file__)).parents[1],
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_public_names() -> None:
    """Every public name can be imported; an unknown one raises AttributeError."""
    for name in kling_contracts.__all__:
        assert getattr(kling_contracts, name) is not None
    assert sorted(dir(kling_contracts)) == sorted(kling_contracts.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        kling_contracts.nonsense  # noqa: B018 - asking is the test
