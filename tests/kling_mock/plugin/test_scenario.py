"""The option `scenario` of marker and ini file: its path, its precedence and its errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_mock import Fake, Pace
from kling_mock.plugin_options import Options

Suite = Callable[..., pytest.RunResult]

FILE = """\
[settings]
pace = "polls:3"
slots = 3

[[scripts]]
next = true
fails = "no"
optional = true
"""


def test_a_test_has_the_settings_and_scripts_of_a_file(suite: Suite, pytester: pytest.Pytester) -> None:
    """The path is relative to the test file; the fixture kling_server has a key of its own."""
    (pytester.path / "F.toml").write_text(FILE)
    (pytester.path / "wrong.toml").write_text("[settings]\nslot = 3\n")
    result = suite(
        """
        import pytest

        @pytest.mark.kling(scenario="F.toml", slots=4)
        def test_marker(kling, kling_server):
            for fake in (kling, kling_server):
                assert (str(fake.settings.pace), fake.settings.slots) == ("polls:3", 4)
                assert [rule.written_at.rpartition("/")[2] for rule in fake.scripts] == ["F.toml:5"]
            assert kling_server.settings.keys == (kling_server.api_key,)

        def test_ini(kling, kling_module):
            assert kling.settings.slots == kling_module.settings.slots == 3
            assert kling.settings.seed == 7

        @pytest.mark.kling(scenario="wrong.toml")
        def test_wrong(kling):
            raise AssertionError
        """,
        ini="kling =\n    seed = 7\n    scenario = F.toml",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["E *UsageError: kling: */wrong.toml:2: settings.slot: unknown key of settings 'slot'; did you*"]
    )


def read(folder: Path, *places: dict[str, Any]) -> Options:
    """The options of places, the furthest first."""
    options = Options()
    for given in places:
        options.add(given, folder)
    options.read()
    return options


@pytest.mark.parametrize(
    ("places", "slots"),
    [
        (({"slots": 1}, {"scenario": "F.toml"}), 3),
        (({"slots": 1, "scenario": "F.toml"},), 1),
        (({"scenario": "F.toml"}, {"slots": 1}), 1),
        (({"scenario": "none.toml", "slots": 1}, {"scenario": "F.toml"}), 3),
    ],
)
def test_nearer_settings_take_precedence_over_the_file_and_the_file_over_others(
    tmp_path: Path, places: tuple[dict[str, Any], ...], slots: int
) -> None:
    path = tmp_path / "F.toml"
    path.write_text(FILE)
    options = read(tmp_path, {"sleep": "advance", "seed": 7}, *places)
    assert options.skips_sleep
    fake = Fake(**options.switches)
    options.load_scenario(fake)
    assert (fake.settings.seed, fake.settings.slots, fake.settings.pace) == (7, slots, Pace.polls(3))
    assert len(fake.scripts) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scenario": 3}, "kling: scenario must be the path of a file, not 3"),
        ({"scenario": "absent.toml"}, "kling: scenario: .*absent.toml: No such file or directory"),
        ({"scenario": "F.toml", "slot": 3}, "kling: unknown setting 'slot'; did you mean 'slots'"),
    ],
)
def test_mistakes_are_usage_errors(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    (tmp_path / "F.toml").write_text(FILE)
    with pytest.raises(pytest.UsageError, match=message):
        read(tmp_path, given)
