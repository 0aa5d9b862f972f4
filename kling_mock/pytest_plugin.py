"""The pytest plugin: fixtures `kling`, `kling_server` and `kling_remote`, marker and ini option `kling`.

Every pytest run of a user imports this module, so it imports the rest of the package only when a fixture is
used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kling_mock.fake import Fake
    from kling_mock.plugin_options import Options
    from kling_mock.remote.fixture import RemoteAccount
    from kling_mock.settings import Settings
    from kling_mock.shared_server import ServedFake, SharedServer
    from kling_mock.timing.time_skipping import TimeSkipping

MARKER = (
    "kling(pace=..., seed=..., sleep='advance', clock=ManualClock, only=True, ...): settings of the fixtures "
    "kling and kling_server: every setting of kling_mock.Settings, by name. sleep='advance': sleeping "
    "advances the fake's clock and takes no time. clock: a callable that makes the clock. only=True (fixture "
    "kling): refuse requests to other hosts. scenario='F.toml': settings and scripts of a file, by its path "
    "from the test file."
)
_FAKES = pytest.StashKey["dict[str, Fake | RemoteAccount]"]()  # the fakes of a test, by fixture name
INI_HELP = "settings of the fixtures kling and kling_server, one name=value per line; markers take precedence"

_INTERCEPTION = "kling_mock.doors.httpx_interception"
# The beginnings of failure messages of pytest-httpx for requests without a response.
_UNMATCHED = ("No response can be found for", "The following requests were not expected")
_SHOULD_MOCK = (
    "kling_mock: the fixture httpx_mock was set up after the interception of the service, and mocks its "
    "hosts too. Exclude them with "
    "@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host not in INTERCEPTED_HOSTS) "
    "(from kling_mock import INTERCEPTED_HOSTS), or request the fixture kling after httpx_mock."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("kling", INI_HELP, type="linelist", default=[])
    parser.addini("kling_mock_url", "URL of the running kling-mock that the fixture kling_remote uses")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    for line in map(str, config.getini("kling")):  # in pyproject.toml a list may contain anything
        name, _, value = line.partition("=")
        if name.strip() == "guard":
            _guard_session(config, value.strip())


def _guard_session(config: pytest.Config, value: str) -> None:
    """Refuse the names of the service during the whole run, in child processes too."""
    from kling_mock.name_guard import NameGuard

    if value != "session":
        from kling_contracts.help_links import help_for

        error = pytest.UsageError(f"ini option kling: guard: must be session; got {value!r}")
        raise pytest.UsageError(f"{error}\n{help_for(error)}")
    guard = NameGuard(children=True)
    guard.__enter__()
    config.add_cleanup(guard.__exit__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the timelines of the fakes to the report of a failed test. Other tests cost a dictionary lookup."""
    if call.excinfo is not None:
        error = call.excinfo.value
        if "kling_mock.fake" in sys.modules or isinstance(error, pytest.UsageError):  # before the first fake
            _explain(error)
    report = yield
    if call.when == "teardown" and (interception := sys.modules.get(_INTERCEPTION)):
        interception.uncover()  # the patches of other fixtures, which covered ours, are undone now
    if call.when == "call" and report.failed:
        for node in item.listchain():
            for fixture, fake in (node.stash.get(_FAKES, None) or {}).items():
                report.sections.append((f"{fixture}: timeline", _timeline(fixture, fake)))
    if call.when != "teardown" and not report.passed:
        # A test skipped in its set-up uses no scripts; fixtures of wider scope may have some for later tests.
        for node in item.listchain() if call.when == "call" else (item,):
            for fake in (node.stash.get(_FAKES, None) or {}).values():
                fake.forget_scripts()
    return report


def _explain(error: BaseException | None) -> None:
    """Add notes to a failure: similar attributes, the link to help, and the use with pytest-httpx."""
    from kling_contracts.help_links import help_for
    from kling_mock import INTERCEPTED_HOSTS
    from kling_mock.testing.attribute_notes import attribute_note

    note = None if error is None else attribute_note(error)
    if error is not None:
        for each in filter(None, (note, help_for(error))):
            if each not in getattr(error, "__notes__", ()):
                error.add_note(each)
    while error is not None:
        text = str(error)
        if text.startswith(_UNMATCHED) and any(f"://{host}" in text for host in INTERCEPTED_HOSTS):
            error.add_note(_SHOULD_MOCK)
            return
        error = error.__cause__ or error.__context__


@contextmanager
def _reported(
    item: pytest.Item | pytest.Collector, fixture: str, fake: Fake | RemoteAccount
) -> Generator[None]:
    """Keep a fake for the report while its tests run, but no longer, because pytest keeps all test items."""
    fakes = item.stash.setdefault(_FAKES, {})
    fakes[fixture] = fake
    yield
    del fakes[fixture]


def _check(fixture: str, fake: Fake | RemoteAccount) -> None:
    """Raise the errors of a fake at the end of its fixture; for unused scripts without a traceback."""
    __tracebackhide__ = True

    from kling_contracts.help_links import help_for
    from kling_mock.fake import Fake
    from kling_mock.testing.unused_scripts import UnusedScripts

    message = ""
    try:
        if isinstance(fake, Fake):
            fake.callbacks.deliver_to(None)  # shuts down the receiver's application within the fixture
        fake.check()
    except UnusedScripts as unused:
        message = f"fixture {fixture}: {unused}\n{help_for(unused)}"
    except BaseExceptionGroup as errors:
        if isinstance(errors, Exception):
            raise
        # A receiver raised SystemExit or called pytest.fail. With such exceptions inside, the group is not an
        # Exception, and pytest would leave out the teardown of all other fixtures of the test.
        raise pytest.fail.Exception(f"fixture {fixture}: {errors.message}") from errors
    if message:  # outside the except clause: the report has the message once
        pytest.fail(message, pytrace=False)


def _hosts() -> str:
    from kling_mock import INTERCEPTED_HOSTS

    return f"answered are requests of httpx and httpx2 to {', '.join(INTERCEPTED_HOSTS)}"


def _timeline(fixture: str, fake: Fake | RemoteAccount) -> str:
    try:
        from kling_mock.testing.timeline import timeline

        text = timeline(fake)
        return text if fake.calls or fixture in ("kling_server", "kling_remote") else f"{text}\n{_hosts()}"
    except Exception as bug:  # noqa: BLE001 -- pytest would abort the run without showing the failure
        return f"the timeline is not available: {bug!r}"


@pytest.fixture
def kling(
    request: pytest.FixtureRequest,
    _kling_options: Options,
    _kling_sleep: TimeSkipping | None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Fake]:
    """A new fake that answers the requests of httpx and httpx2 to the service, in process."""
    from kling_mock.fake import Fake

    fake = Fake(clock=_kling_options.clock(), **_kling_options.switches)
    _kling_options.load_scenario(fake)
    _set_environment(monkeypatch, fake.settings, None)
    if _kling_sleep is not None:
        _kling_sleep.clocks.append(fake.clock)
    with _reported(request.node, "kling", fake), fake.intercept(only=_kling_options.only):
        yield fake
    _check("kling", fake)


@pytest.fixture(scope="class")
def kling_class(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """`kling` for all tests of a class: one fake, which `kling_class.reset()` empties."""
    yield from _shared_fake(request, "kling_class")


@pytest.fixture(scope="module")
def kling_module(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """`kling` for all tests of a module: one fake, which `kling_module.reset()` empties."""
    yield from _shared_fake(request, "kling_module")


@pytest.fixture(scope="session")
def kling_session(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """`kling` for all tests of a run: one fake, which `kling_session.reset()` empties. Settings: ini only."""
    yield from _shared_fake(request, "kling_session")


def _shared_fake(request: pytest.FixtureRequest, name: str) -> Iterator[Fake]:
    """A fake for all tests of a node, with the settings of the node."""
    __tracebackhide__ = True

    from kling_mock.fake import Fake
    from kling_mock.plugin_options import options_of
    from kling_mock.timing.time_skipping import TimeSkipping

    options = options_of(request)
    fake = Fake(clock=options.clock(), **options.switches)
    options.load_scenario(fake)
    skipping = TimeSkipping(fake.clock) if options.skips_sleep else nullcontext()
    with pytest.MonkeyPatch.context() as monkeypatch, skipping, _reported(request.node, name, fake):
        _set_environment(monkeypatch, fake.settings, None)
        with fake.intercept(only=options.only):
            yield fake
    _check(name, fake)


@pytest.fixture
def kling_server(
    request: pytest.FixtureRequest,
    _kling_options: Options,
    _kling_sleep: TimeSkipping | None,
    monkeypatch: pytest.MonkeyPatch,
    _kling_shared_server: SharedServer,
) -> Iterator[ServedFake]:
    """A new fake with a server on a socket: `.url` is its address, `.api_key` is valid in this test only."""
    from kling_mock.name_guard import NameGuard

    switches = dict(_kling_options.switches)
    # Without `keys` a fake accepts every key, including those of late requests of another test.
    switches["keys"] = switches.get("keys") or (_kling_shared_server.fresh_key(request.node.nodeid),)
    with _kling_shared_server.use(clock=_kling_options.clock(), **switches) as fake:
        _kling_options.load_scenario(fake)
        _set_environment(monkeypatch, fake.settings, fake.url)
        if _kling_sleep is not None:
            _kling_sleep.clocks.append(fake.clock)
        with _reported(request.node, "kling_server", fake), NameGuard():
            yield fake
    _check("kling_server", fake)


@pytest.fixture
def kling_remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteAccount]:
    """One account of a running kling-mock, for this test only: `.url` is its address, `.api_key` its key.

    The URL is that of the ini option `kling_mock_url` or the variable `KLING_MOCK_URL`. Clock and settings
    belong to the server, which other tests may use at the same time.
    """
    __tracebackhide__ = True

    from kling_contracts.vocabulary import MOCK_TOKEN_VARIABLE, MOCK_URL_VARIABLE
    from kling_mock.remote.fixture import account_of_test
    from kling_mock.settings import Settings

    local = {"kling", "kling_server"}.intersection(request.fixturenames)
    if not local and next(request.node.iter_markers("kling"), None) is not None:
        raise pytest.UsageError(
            "marker kling: does not apply to the fixture kling_remote, whose settings are those of the "
            "server; start kling-mock serve with them"
        )
    url = str(request.config.getini("kling_mock_url") or "") or os.environ.get(MOCK_URL_VARIABLE, "")
    token = os.environ.get(MOCK_TOKEN_VARIABLE) or None
    with account_of_test(url, token, request.node.nodeid) as view:
        _set_environment(monkeypatch, Settings(keys=(view.api_key,)), view.url)
        with _reported(request.node, "kling_remote", view):
            yield view
        _check("kling_remote", view)


@pytest.fixture(scope="session")
def _kling_shared_server() -> Iterator[SharedServer]:
    """The server of this pytest worker, with one socket; each test gets a new fake."""
    from kling_mock.shared_server import SharedServer

    with SharedServer() as server:
        yield server


@pytest.fixture
def _kling_sleep(_kling_options: Options) -> Iterator[TimeSkipping | None]:
    """Skips sleeping if sleep='advance'; both fixtures register their clocks in it."""
    from kling_mock.timing.time_skipping import TimeSkipping

    with TimeSkipping() if _kling_options.skips_sleep else nullcontext() as sleep:
        yield sleep
    if sleep is not None:
        sleep.real_sleeps.warn()


@pytest.fixture
def _kling_options(request: pytest.FixtureRequest) -> Options:
    """The options of one test, from markers and ini option. Raises UsageError."""
    __tracebackhide__ = True  # the message of a usage error is sufficient

    from kling_mock.plugin_options import options_of

    return options_of(request)


def _set_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings, base_url: str | None) -> None:
    """Replace the variables of API keys by keys of the fake, or unset them: a test has no real key."""
    from kling_mock.environment import variables

    for name, value in variables(os.environ, settings, base_url).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
