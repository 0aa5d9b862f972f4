"""The pytest plugin: fixtures `kling` and `kling_server`, the marker `kling`, the ini option `kling`.

Every pytest run of every user imports this file, so it imports nothing of ours before a fixture is used.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kling_mock.fake import Fake
    from kling_mock.served import ServedFake, Stage

MARKER = (
    "kling(pace=..., seed=..., sleep='advance', clock=ManualClock, only=True, ...): how the fixtures kling and "
    "kling_server behave; takes every setting of kling_mock.Settings by name. sleep='advance' lets sleeping "
    "move the fake's clock instead of taking time; clock is called to make one; only=True (kling alone) "
    "refuses calls to other hosts."
)
INI_HELP = "settings for the fixtures kling and kling_server, one name=value a line; the marker goes before"
NOT_SETTINGS = ("sleep", "clock", "only")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("kling", INI_HELP, type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def kling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """A fresh fake that answers every httpx call to the service, in process, for the time of the test."""
    from contracts.gateways import COMETAPI
    from kling_mock.fake import Fake

    options = _options(request)
    with ExitStack() as stack:
        fake = Fake(clock=_clock(options), **_switches(options))
        keys = fake.settings.keys
        _set_environment(monkeypatch, keys[0] if keys else "sk-mock", COMETAPI.base_url)
        stack.enter_context(fake.intercept(only=bool(options.get("only"))))
        _skip_sleep(stack, fake, options, None)
        yield fake
    fake.check()


@pytest.fixture(scope="session")
def _kling_stage() -> Iterator[Stage]:
    """The one socket of this pytest worker; each test gets a fresh fake behind it."""
    from kling_mock.served import Stage

    with Stage() as stage:
        yield stage


@pytest.fixture
def kling_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _kling_stage: Stage
) -> Iterator[ServedFake]:
    """A fresh fake behind a real socket, with `.url` and an `.api_key` that is good for this test alone."""
    options = _options(request)
    switches = _switches(options)
    switches.setdefault("keys", (_kling_stage.fresh_key(request.node.nodeid),))
    with ExitStack() as stack:
        fake = stack.enter_context(_kling_stage.play(clock=_clock(options), **switches))
        _set_environment(monkeypatch, fake.api_key, fake.url)
        _skip_sleep(stack, fake, options, _kling_stage.server.thread)
        yield fake
    fake.check()


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Marker arguments over ini lines; a function's marker goes before its class's and module's."""
    from kling_mock.settings import read_switch

    options: dict[str, Any] = {}
    for line in request.config.getini("kling"):
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator:
            raise pytest.UsageError(f"ini option kling: {line!r} is not of the form name=value")
        try:
            options[name] = value if name in NOT_SETTINGS else read_switch(name, value)
        except (TypeError, ValueError) as error:
            raise pytest.UsageError(f"ini option kling: {error}") from None
    for marker in reversed(list(request.node.iter_markers("kling"))):
        if marker.args:
            raise pytest.UsageError(f"mark kling takes arguments by name only, not {marker.args!r}")
        options.update(marker.kwargs)
    return options


def _switches(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in NOT_SETTINGS}


def _clock(options: dict[str, Any]) -> Any:
    make = options.get("clock")
    if make is not None and not callable(make):
        raise pytest.UsageError(
            f"mark kling: clock={make!r} cannot be called; give a class, such as ManualClock"
        )
    return make() if make is not None else None


def _skip_sleep(
    stack: ExitStack, fake: Fake, options: dict[str, Any], server: threading.Thread | None
) -> None:
    match options.get("sleep"):
        case None:
            return
        case "advance":
            from kling_mock.sleeping import SkippedSleep

            stack.enter_context(SkippedSleep(fake.clock, lambda: threading.current_thread() is server))
        case other:
            raise pytest.UsageError(f"mark kling: sleep={other!r} is unknown; leave it out or use 'advance'")


def _set_environment(monkeypatch: pytest.MonkeyPatch, key: str, base_url: str) -> None:
    from contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE

    monkeypatch.setenv(API_KEY_VARIABLE, key)
    monkeypatch.setenv(BASE_URL_VARIABLE, base_url)
