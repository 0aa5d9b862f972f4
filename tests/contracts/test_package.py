"""What importing `kling_contracts` loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kling_contracts
from tests.import_graph import MODULES

# Derived from the core with the help of libraries: not part of it.
DERIVED = (
    "checks",
    "client_suite",
    "field_strategies",
    "object_strategies",
    "picture_strategies",
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
    """The package and all its core modules load none of the heavy libraries, nor our other packages."""
    script = f"""
import sys
import kling_contracts
assert not [name for name in sys.modules if name.startswith("kling_contracts.")]
import {", ".join(CORE)}
heavy = "httpx hypothesis jsonschema pytest PIL respx kling_mock kling_client".split()
print([name for name in heavy if name in sys.modules])
"""
    # Importlib mode leaves sys.path alone: the folder that holds the package is named instead.
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(str(kling_contracts.__file__)).parents[1],
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_public_names() -> None:
    """Every promised name is there, and a wrong one is an AttributeError."""
    for name in kling_contracts.__all__:
        assert getattr(kling_contracts, name) is not None
    assert sorted(dir(kling_contracts)) == sorted(kling_contracts.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        kling_contracts.nonsense  # noqa: B018 - asking is the test
