"""The options of the fixtures, from ini option and markers: settings, clock, sleep, only and scenario."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from kling_mock.fake import Fake
    from kling_mock.timing.clock import Clock

# Options that are neither settings nor the scenario file.
_SPECIAL: Final[tuple[str, ...]] = ("clock", "sleep", "only")
_LIST: Final = "; write a list of strings in pyproject.toml, such as kling = ['seed=7', 'pace=instant']"


def options_of(request: pytest.FixtureRequest) -> Options:
    """The settings of the ini file and of the markers of a node."""
    __tracebackhide__ = True

    config = request.config
    options = Options()
    options.add(_read_ini(config), config.rootpath if config.inipath is None else config.inipath.parent)
    for marker in reversed(list(request.node.iter_markers("kling"))):
        if marker.args:
            raise pytest.UsageError(
                f"marker kling: give arguments by name, as in seed=7; got {marker.args!r}"
            )
        options.add(marker.kwargs, request.node.path.parent)
    options.read()
    return options


class Options:
    """The options of the fixtures.

    Markers take precedence over the ini option, and a marker of a function over those of its class and
    module. The settings of a scenario file take precedence over those of the places further away, and the
    settings beside it over the file.
    """

    def __init__(self) -> None:
        self._given: dict[str, Any] = {}
        self._defaults: dict[str, Any] = {}
        self._scenario: Path | None = None

    def add(self, given: Mapping[str, Any], folder: Path) -> None:
        """Add the options of a nearer place; a scenario file is given by its path from this folder."""
        __tracebackhide__ = True

        own = dict(given)
        scenario = own.pop("scenario", None)
        if scenario is not None:
            if not isinstance(scenario, str | PathLike):
                raise pytest.UsageError(f"kling: scenario must be the path of a file, not {scenario!r}")
            self._scenario = folder / scenario
            special = {name: self._given[name] for name in _SPECIAL if name in self._given}
            self._defaults |= self._given
            self._given = special
        self._given |= own

    def read(self) -> None:
        """Check all options, and read the scenario file. Raises UsageError."""
        __tracebackhide__ = True

        from kling_mock.settings import Settings

        given = self._given
        for name in _SPECIAL:
            self._defaults.pop(name, None)
        self._make_clock = given.pop("clock", None)
        if self._make_clock is not None and not callable(self._make_clock):
            raise pytest.UsageError(
                f"kling: clock must be callable, such as the class ManualClock, not {self._make_clock!r}"
            )
        sleep = given.pop("sleep", None)
        if sleep not in (None, "advance"):
            raise pytest.UsageError(f"kling: sleep must be 'advance' or omitted, not {sleep!r}")
        self.skips_sleep = sleep is not None
        self.only = given.pop("only", False)
        if not isinstance(self.only, bool):
            raise pytest.UsageError(f"kling: only must be True or False, not {self.only!r}")
        try:
            Settings.of(self._defaults | given)
            self.switches = self._defaults | self._settings_of_file() | given
            Settings.of(self.switches)
        except (TypeError, ValueError) as error:
            raise pytest.UsageError(f"kling: {error}") from None
        if self.switches.get("state") is not None:
            raise pytest.UsageError(
                "kling: state is not an option of fixtures, whose fakes begin empty; use Fake(state=...)"
            )

    def _settings_of_file(self) -> dict[str, Any]:
        if self._scenario is None:
            return {}
        from kling_mock.scenarios.scenario_file import read_scenario

        try:
            return dict(read_scenario(self._scenario).settings)
        except OSError as error:
            raise ValueError(f"scenario: {self._scenario}: {error.strerror}") from None

    def load_scenario(self, fake: Fake) -> None:
        """Write the scripts of the scenario file, if there is one."""
        if self._scenario is not None:
            own = {**self._given, "keys": fake.settings.keys}  # those of the fixture kling_server are its own
            fake.load(self._scenario, defaults=self._defaults, **own)

    def clock(self) -> Clock | None:
        """A new clock, or None for the default one."""
        return None if self._make_clock is None else self._make_clock()


def _read_ini(config: pytest.Config) -> dict[str, Any]:
    __tracebackhide__ = True
    given: dict[str, Any] = {}
    for line in config.getini("kling"):
        if not isinstance(line, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- a list in pyproject.toml may contain anything
            raise pytest.UsageError(f"ini option kling: each item must be a string name=value, not {line!r}")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator:
            raise pytest.UsageError(f"ini option kling: each line must be name=value, not {line!r}{_LIST}")
        if name == "guard":  # for the whole run, see pytest_configure
            continue
        try:
            given[name] = _read_value(name, value)
        except (TypeError, ValueError) as error:
            raise pytest.UsageError(f"ini option kling: {error}") from None
    return given


def _read_value(name: str, text: str) -> object:
    from kling_mock.setting_text import read_switch
    from kling_mock.timing.clock import Clock, ManualClock

    if name not in (*_SPECIAL, "scenario"):
        return read_switch(name, text)
    if name in ("sleep", "scenario"):
        return text
    clocks: dict[str, object] = {"Clock": Clock, "ManualClock": ManualClock}
    meanings = clocks if name == "clock" else {"true": True, "false": False}
    if text not in meanings:
        raise ValueError(f"{name} must be {' or '.join(meanings)}, not {text!r}")
    return meanings[text]
