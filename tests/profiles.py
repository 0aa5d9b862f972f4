"""The three Hypothesis profiles of the tests: `dev` while working, `ci` to decide, `nightly` to search.

One is chosen with `--hypothesis-profile` or by the environment; `dev` otherwise. A property says nothing
about examples, or how many it wants compared with others (`share`). A test that has to see certain examples,
a counterexample or a census, is no search: it takes `CI` itself, and draws the same whatever was chosen.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

# `make faulty-servers` runs all faulty servers, benign variants and faulty clients; other runs take a part.
EVERY_FAULT: Final = os.environ.get("FAULTY_SERVERS") == "all"
VARIABLE: Final = "HYPOTHESIS_PROFILE"
DATABASE: Final = DirectoryBasedExampleDatabase(Path(__file__).parents[1] / ".hypothesis" / "examples")
BUSY: Final = (HealthCheck.too_slow,)  # no verdict may depend on how busy the machine is

DEV: Final = settings(
    max_examples=25,
    stateful_step_count=15,
    derandomize=False,
    database=DATABASE,
    deadline=None,
    print_blob=True,
    suppress_health_check=BUSY,
)
CI: Final = settings(DEV, max_examples=100, stateful_step_count=30, derandomize=True, database=None)
NIGHTLY: Final = settings(DEV, max_examples=2000, stateful_step_count=60)
PROFILES: Final = {"dev": DEV, "ci": CI, "nightly": NIGHTLY}


def register() -> None:
    """Make the profiles known, and load the one that the environment names."""
    for name, profile in PROFILES.items():
        settings.register_profile(name, profile)
    chosen = os.environ.get(VARIABLE) or "dev"
    if chosen not in PROFILES:
        raise pytest.UsageError(f"{VARIABLE}={chosen}: no such profile. Use {', '.join(PROFILES)}")
    settings.load_profile(chosen)


def share(part: float, *, without: Collection[HealthCheck] = ()) -> settings:
    """The chosen profile with a part of its examples, and without some more health checks."""
    chosen = settings()
    examples = max(1, round(chosen.max_examples * part))
    return settings(max_examples=examples, suppress_health_check=[*BUSY, *without])
