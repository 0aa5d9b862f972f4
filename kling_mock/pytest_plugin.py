"""The pytest plugin: fixtures `kling` and `kling_server`, the marker `kling`, the ini option `kling`.

Every pytest run of every user imports this file, so it imports nothing of ours before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kling_mock.clock import Clock
    from kling_mock.fake import Fake
    from kling_mock.served import ServedFake, Stage
    from kling_mock.sleeping import SkippedSleep

MARKER = (
    "kling(pace=..., seed=..., sleep='advance', clock=ManualClock, only=True, ...): how the fixtures kling "
    "and kling_server behave; takes every setting of kling_mock.Settings by name. sleep='advance' lets "
    "sleeping move the fake's clock instead of taking time; clock is called to make one; only=True (kling "
    "alone) refuses calls to other hosts."
)
INI_HELP = "settings for the fixtures kling and kling_server, one name=value a line; the marker goes before"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("kling", INI_HELP, type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def kling(
    _kling_options: _Options, _kling_sleep: SkippedSleep | None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fake]:
    """A fresh fake that answers every httpx call to the service, in process, for the time of the test."""
    from contracts.gateways import COMETAPI
    from kling_mock.fake import Fake

    fake = Fake(clock=_kling_options.clock(), **_kling_options.switches)
    keys = fake.settings.keys
    _set_environment(monkeypatch, keys[0] if keys else "sk-mock", COMETAPI.base_url)
    if _kling_sleep is not None:
        _kling_sleep.clocks.append(fake.clock)
    with fake.intercept(only=_kling_options.only):
        yield fake
    fake.check()


@pytest.fixture
def kling_server(
    request: pytest.FixtureRequest,
    _kling_options: _Options,
    _kling_sleep: SkippedSleep | None,
    monkeypatch: pytest.MonkeyPatch,
    _kling_stage: Stage,
) -> Iterator[ServedFake]:
    """A fresh fake behind a real socket, with `.url` and an `.api_key` that is good for this test alone."""
    switches = dict(_kling_options.switches)
    # Without keys a fake takes any, so that a late caller of another test would be let in.
    switches["keys"] = switches.get("keys") or (_kling_stage.fresh_key(request.node.nodeid),)
    with _kling_stage.play(clock=_kling_options.clock(), **switches) as fake:
        _set_environment(monkeypatch, fake.api_key, fake.url)
        if _kling_sleep is not None:
            _kling_sleep.clocks.append(fake.clock)
        yield fake
    fake.check()


@pytest.fixture(scope="session")
def _kling_stage() -> Iterator[Stage]:
    """The one socket of this pytest worker; each test gets a fresh fake behind it."""
    from kling_mock import check_contracts

    check_contracts()
    from kling_mock.served import Stage

    with Stage() as stage:
        yield stage


@pytest.fixture
def _kling_sleep(_kling_options: _Options) -> Iterator[SkippedSleep | None]:
    """What skips the sleeps of a test with sleep='advance'; both fixtures put their clocks in."""
    from kling_mock.sleeping import SkippedSleep

    with SkippedSleep() if _kling_options.skips_sleep else nullcontext() as sleep:
        yield sleep


@pytest.fixture
def _kling_options(request: pytest.FixtureRequest) -> _Options:
    """What marker and ini say for one test."""
    __tracebackhide__ = True  # a usage error says all there is to say

    from kling_mock import check_contracts

    check_contracts()
    given = _read_ini(request.config)
    for marker in reversed(list(request.node.iter_markers("kling"))):
        if marker.args:
            raise pytest.UsageError(f"mark kling takes arguments by name only, not {marker.args!r}")
        given.update(marker.kwargs)
    return _Options(given)


class _Options:
    """Marker arguments over ini lines; a function's marker goes before its class's and module's."""

    def __init__(self, given: dict[str, Any]) -> None:
        __tracebackhide__ = True

        from kling_mock.settings import Settings

        self._make_clock = given.pop("clock", None)
        if self._make_clock is not None and not callable(self._make_clock):
            raise pytest.UsageError(
                f"kling: clock={self._make_clock!r} cannot be called; give a class, such as ManualClock"
            )
        sleep = given.pop("sleep", None)
        if sleep not in (None, "advance"):
            raise pytest.UsageError(f"kling: sleep={sleep!r} is unknown; leave it out or use 'advance'")
        self.skips_sleep = sleep is not None
        self.only = given.pop("only", False)
        if not isinstance(self.only, bool):
            raise pytest.UsageError(f"kling: only={self.only!r} is neither True nor False")
        self.switches = given
        try:
            Settings.of(given)
        except (TypeError, ValueError) as error:
            raise pytest.UsageError(f"kling: {error}") from None

    def clock(self) -> Clock | None:
        """A new clock, or None for the usual one."""
        return None if self._make_clock is None else self._make_clock()


def _read_ini(config: pytest.Config) -> dict[str, Any]:
    __tracebackhide__ = True
    given: dict[str, Any] = {}
    for line in config.getini("kling"):
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator:
            raise pytest.UsageError(f"ini option kling: {line!r} is not of the form name=value")
        try:
            given[name] = _read_value(name, value)
        except (TypeError, ValueError) as error:
            raise pytest.UsageError(f"ini option kling: {error}") from None
    return given


def _read_value(name: str, text: str) -> object:
    from kling_mock.clock import Clock, ManualClock
    from kling_mock.settings import read_switch

    if name not in ("sleep", "clock", "only"):
        return read_switch(name, text)
    if name == "sleep":
        return text
    clocks: dict[str, object] = {"Clock": Clock, "ManualClock": ManualClock}
    meanings = clocks if name == "clock" else {"true": True, "false": False}
    if text not in meanings:
        raise ValueError(f"{name}: {text!r} is none of {', '.join(meanings)}")
    return meanings[text]


def _set_environment(monkeypatch: pytest.MonkeyPatch, key: str, base_url: str) -> None:
    from contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE

    monkeypatch.setenv(API_KEY_VARIABLE, key)
    monkeypatch.setenv(BASE_URL_VARIABLE, base_url)
