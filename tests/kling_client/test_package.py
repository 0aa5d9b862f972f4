"""Importing `kling_client`: exported names, lazy imports, dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kling_client

ROOT = Path(kling_client.__file__).parent.parent


def python(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, with the given directories first in its search path."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(each) for each in (*path, ROOT, ROOT / "contracts"))
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT.anchor,
    )


@pytest.mark.parametrize("shape", ["contracts/__init__.py", "contracts.py"])
def test_a_package_of_the_users_own_called_contracts_does_no_harm(tmp_path: Path, shape: str) -> None:
    module = tmp_path / shape
    module.parent.mkdir(exist_ok=True)
    module.write_text("RENT = 1200\n")
    code = "import contracts, kling_client; print(contracts.RENT, kling_client.Client('sk-1'))"
    result = python(code, tmp_path)
    assert result.stdout.startswith("1200 Client("), result.stderr


def test_importing_is_lazy() -> None:
    """Neither httpx nor another slow import is loaded before it is needed."""
    heavy = ["httpx", "asyncio", "ssl", "kling_client.client", "kling_contracts.operations"]
    result = python(f"import sys, kling_client; print([name for name in {heavy} if name in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr


def test_the_client_needs_httpx_and_the_contract_only() -> None:
    """No library of the server, and nothing of kling_mock. (httpx itself imports rich if installed.)"""
    foreign = [
        "kling_mock",
        "respx",
        "hypothesis",
        "jsonschema",
        "PIL",
        "uvicorn",
        "starlette",
        "pytest",
    ]
    code = f"import sys; from kling_client import *; print([n for n in {foreign} if n in sys.modules])"
    result = python(code)
    assert result.stdout.strip() == "[]", result.stderr


def test_every_promised_name_is_there() -> None:
    assert kling_client.__all__ == sorted(kling_client.__all__)
    for name in kling_client.__all__:
        assert getattr(kling_client, name).__module__.startswith(("kling_client.", "typing", "types"))
    assert dir(kling_client) == kling_client.__all__
    with pytest.raises(AttributeError, match="nope"):
        kling_client.nope  # noqa: B018 -- the access is the test
