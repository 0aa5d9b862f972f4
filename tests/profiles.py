"""The Hypothesis profiles of the tests: `dev` (default), `ci` (deterministic), `nightly` (many examples).

Select one with `--hypothesis-profile` or the environment variable. A property does not set a number of
examples; an expensive one takes a fraction of the profile's (`share`). A test that depends on certain
examples, such as a counterexample or a census, always uses `CI`.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase

# Set by `make faulty-servers` and `make nightly`: rows and sizes that no push runs.
FULL: Final = os.environ.get("FULL") == "1"
VARIABLE: Final = "HYPOTHESIS_PROFILE"
STORAGE: Final = Path(__file__).parents[1] / ".hypothesis"
DATABASE: Final = DirectoryBasedExampleDatabase(STORAGE / "examples")
# For processes in other folders: Hypothesis computes its tables of characters once, which takes 2 s.
IN_STORAGE: Final = {"HYPOTHESIS_STORAGE_DIRECTORY": str(STORAGE)}
BUSY: Final = (HealthCheck.too_slow,)  # a slow machine must not fail a test

DEV: Final = settings(
    max_examples=25,
    stateful_step_count=15,
    derandomize=False,
    database=DATABASE,
    deadline=None,
    print_blob=True,
    suppress_health_check=BUSY,
)
# Without an explanation of failures, for which each of them is repeated under a tracer.
CI: Final = settings(
    DEV,
    max_examples=60,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
# Random examples come after the tables of boundary values, and `make nightly` has many: half as many suffice.
USUAL: Final = settings(CI, max_examples=30)
NIGHTLY: Final = settings(DEV, max_examples=2000, stateful_step_count=60)
PROFILES: Final = {"dev": DEV, "ci": USUAL, "nightly": NIGHTLY}


def register() -> None:
    """Register the profiles, and load the one of the environment variable."""
    for name, profile in PROFILES.items():
        settings.register_profile(name, profile)
    chosen = os.environ.get(VARIABLE) or "dev"
    if chosen not in PROFILES:
        raise pytest.UsageError(f"{VARIABLE}: must be one of {', '.join(PROFILES)}; got {chosen!r}")
    settings.load_profile(chosen)


def share(part: float, *, without: Collection[HealthCheck] = ()) -> settings:
    """The selected profile with a fraction of its examples, and without some health checks."""
    chosen = settings()
    examples = max(1, round(chosen.max_examples * part))
    return settings(max_examples=examples, suppress_health_check=[*BUSY, *without])
