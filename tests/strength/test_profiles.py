"""The three profiles of Hypothesis are there, with the values that the documents tell, and can be chosen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.profiles import PROFILES, VARIABLE, register, share

ROOT = Path(__file__).parents[2]
# examples, steps of a state machine, the same examples every time, failures kept
VALUES = {"dev": (25, 15, False, True), "ci": (30, 30, True, False), "nightly": (2000, 60, False, True)}


@pytest.mark.parametrize("name", VALUES)
def test_a_profile_has_its_values(name: str) -> None:
    profile = settings.get_profile(name)
    kept = profile.database is not None
    assert (profile.max_examples, profile.stateful_step_count, profile.derandomize, kept) == VALUES[name]
    assert profile.deadline is None
    assert profile.print_blob
    assert list(profile.suppress_health_check) == [HealthCheck.too_slow]


def test_there_are_no_others() -> None:
    assert set(PROFILES) == set(VALUES)


def test_a_share_is_of_the_profile_in_use_and_never_nothing() -> None:
    whole = settings().max_examples
    assert [share(part).max_examples for part in (1, 1.5, 0.0001)] == [whole, round(whole * 1.5), 1]
    assert share(0.5).derandomize == settings().derandomize
    assert HealthCheck.data_too_large in share(1, without=[HealthCheck.data_too_large]).suppress_health_check


@pytest.mark.parametrize(
    ("flags", "said"),
    [((), "hypothesis profile 'nightly'"), (("--hypothesis-profile=ci",), "hypothesis profile 'ci'")],
)
def test_a_profile_is_chosen_by_the_flag_or_else_by_the_environment(
    flags: tuple[str, ...], said: str
) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", VARIABLE))
    }
    environment[VARIABLE] = "nightly"
    # Nothing is collected: the header of a run of this very file tells the profile.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-p",
        "no:xdist",
        "--collect-only",
        "-k",
        "none",
        *flags,
        __file__,
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr


@pytest.fixture
def _profile() -> Iterator[None]:
    """Afterwards, the one that was in use is in use again."""
    chosen = settings.get_current_profile_name()
    yield
    settings.load_profile(chosen)


@pytest.mark.usefixtures("_profile")
@pytest.mark.parametrize("variable", [None, ""])
def test_dev_is_chosen_if_nobody_says(variable: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.load_profile("nightly")
    if variable is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, variable)
    register()
    assert settings.get_current_profile_name() == "dev"


@pytest.mark.usefixtures("_profile")
def test_a_wrong_name_is_told_with_the_right_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "odd")
    with pytest.raises(
        pytest.UsageError, match="HYPOTHESIS_PROFILE: must be one of dev, ci, nightly; got 'odd'"
    ):
        register()


def test_the_makefile_decides_by_ci_and_searches_by_nightly() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = dict(re.findall(r"^(test|nightly): .*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    assert "$(TEST) " in rules["test"]
    assert re.search(r"^TEST = .* --hypothesis-profile=ci ", makefile, re.MULTILINE)
    assert "--hypothesis-profile=nightly --hypothesis-seed=$(SEED)" in rules["nightly"]
    assert 'echo "make nightly SEED=$(SEED)' in rules["nightly"]


def test_no_property_sets_a_number_of_its_own() -> None:
    """It would be deaf to the profile. Counterexamples and censuses say `CI` beside it."""
    own = re.compile(r"settings\((?!CI,|FIXED,|\n\s+CI,)[^()]*max_examples")
    this = Path(__file__).name
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path.name != this]
    assert [path.name for path in files if own.search(path.read_text(encoding="utf-8"))] == []
    assert own.search("settings(max_examples=5)")
    assert own.search("settings(deadline=None, max_examples=5)")
