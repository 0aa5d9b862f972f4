"""Configuration of all tests; pytest accepts `pytest_plugins` only in the top-level conftest."""

import gc
import os
from pathlib import Path
from typing import Final

import pytest

from tests import profiles

pytest_plugins = ["pytester"]
profiles.register()

# A folder without certificates of authorities: to load those of certifi takes 20 ms for each HTTP client.
os.environ.setdefault("SSL_CERT_DIR", str(Path(__file__).parent))


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Suites of users whose output is the same everywhere: pytest prints a longer summary on a CI server."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    return pytester


# Thousands of collected tests live until the end. Freezing them saves the garbage collector from traversing
# them during collection, and whenever a test, or a pytest run inside a test, forces a collection. Hypothesis
# makes short-lived objects in such numbers that the usual thresholds cost a twentieth of its time.
THRESHOLDS: Final = (50_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
