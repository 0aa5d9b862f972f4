"""The pytest plugin: fixtures `kling` and `kling_server`, the marker `kling`, the ini option `kling`.

Every pytest run of every user imports this file, so it imports nothing of ours before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kling_mock.fake import Fake
    from kling_mock.shared_server import ServedFake, SharedServer
    from kling_mock.timing.clock import Clock
    from kling_mock.timing.time_skipping import TimeSkipping

MARKER = (
    "kling(pace=..., seed=..., sleep='advance', clock=ManualClock, only=True, ...): how the fixtures kling "
    "and kling_server behave; takes every setting of kling_mock.Settings by name. sleep='advance' lets "
    "sleeping move the fake's clock instead of taking time; clock is called to make one; only=True (kling "
    "alone) refuses calls to other hosts."
)
_FAKES = pytest.StashKey["dict[str, Fake]"]()  # those of a test, by the name of their fixture
INI_HELP = "settings for the fixtures kling and kling_server, one name=value a line; the marker goes before"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("kling", INI_HELP, type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the fakes of a failed test saw. Tests that use none cost one look into a dictionary."""
    report = yield
    fakes = item.stash.get(_FAKES, None)
    if fakes and call.when == "call" and report.failed:
        for fixture, fake in fakes.items():
            report.sections.append((f"{fixture}: what the fake saw", _tell(fake)))
    return report


@contextmanager
def _witness(item: pytest.Item, fixture: str, fake: Fake) -> Generator[None]:
    """Let the report of a test know its fake, for as long as the test runs: pytest keeps all tests."""
    fakes = item.stash.setdefault(_FAKES, {})
    fakes[fixture] = fake
    yield
    del fakes[fixture]


def _tell(fake: Fake) -> str:
    try:
        from kling_mock.testing.timeline import timeline

        return timeline(fake)
    except Exception as bug:  # noqa: BLE001 -- pytest would end the whole run, with the failure untold
        return f"this cannot be told: {bug!r}"


@pytest.fixture
def kling(
    request: pytest.FixtureRequest,
    _kling_options: _Options,
    _kling_sleep: TimeSkipping | None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Fake]:
    """A fresh fake that answers every httpx call to the service, in process, for the time of the test."""
    from kling_mock.fake import Fake

    fake = Fake(clock=_kling_options.clock(), **_kling_options.switches)
    _set_environment(monkeypatch, fake, None)
    if _kling_sleep is not None:
        _kling_sleep.clocks.append(fake.clock)
    with _witness(request.node, "kling", fake), fake.intercept(only=_kling_options.only):
        yield fake
    fake.check()


@pytest.fixture
def kling_server(
    request: pytest.FixtureRequest,
    _kling_options: _Options,
    _kling_sleep: TimeSkipping | None,
    monkeypatch: pytest.MonkeyPatch,
    _kling_shared_server: SharedServer,
) -> Iterator[ServedFake]:
    """A fresh fake behind a real socket, with `.url` and an `.api_key` that is good for this test alone."""
    switches = dict(_kling_options.switches)
    # Without keys a fake takes any, so that a late caller of another test would be let in.
    switches["keys"] = switches.get("keys") or (_kling_shared_server.fresh_key(request.node.nodeid),)
    with _kling_shared_server.use(clock=_kling_options.clock(), **switches) as fake:
        _set_environment(monkeypatch, fake, fake.url)
        if _kling_sleep is not None:
            _kling_sleep.clocks.append(fake.clock)
        with _witness(request.node, "kling_server", fake):
            yield fake
    fake.check()


@pytest.fixture(scope="session")
def _kling_shared_server() -> Iterator[SharedServer]:
    """The one socket of this pytest worker; each test gets a fresh fake behind it."""
    from kling_mock.shared_server import SharedServer

    with SharedServer() as stage:
        yield stage


@pytest.fixture
def _kling_sleep(_kling_options: _Options) -> Iterator[TimeSkipping | None]:
    """What skips the sleeps of a test with sleep='advance'; both fixtures put their clocks in."""
    from kling_mock.timing.time_skipping import TimeSkipping

    with TimeSkipping() if _kling_options.skips_sleep else nullcontext() as sleep:
        yield sleep


@pytest.fixture
def _kling_options(request: pytest.FixtureRequest) -> _Options:
    """What marker and ini say for one test."""
    __tracebackhide__ = True  # a usage error says all there is to say

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
    from kling_mock.settings import read_switch
    from kling_mock.timing.clock import Clock, ManualClock

    if name not in ("sleep", "clock", "only"):
        return read_switch(name, text)
    if name == "sleep":
        return text
    clocks: dict[str, object] = {"Clock": Clock, "ManualClock": ManualClock}
    meanings = clocks if name == "clock" else {"true": True, "false": False}
    if text not in meanings:
        raise ValueError(f"{name}: {text!r} is none of {', '.join(meanings)}")
    return meanings[text]


def _set_environment(monkeypatch: pytest.MonkeyPatch, fake: Fake, base_url: str | None) -> None:
    """No real key is in play: every variable of one holds a fake key, or nothing.

    Without a base URL each gateway has its own address, and both are intercepted.
    """
    from kling_contracts import vocabulary as names

    key = next(iter(fake.settings.plain_keys), "sk-mock")
    access, secret = next(iter(fake.settings.secrets.items()), (None, None))
    given = {
        names.API_KEY_VARIABLE: key,
        names.ACCESS_KEY_VARIABLE: access,
        names.SECRET_KEY_VARIABLE: secret,
        names.KLING_API_KEY_VARIABLE: key if access is None else None,
        names.BASE_URL_VARIABLE: base_url,
    }
    for name, value in given.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
