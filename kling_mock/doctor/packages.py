"""Checks of the interpreter and of the installed packages."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from kling_mock import __version__
from kling_mock.doctor.findings import Finding, Machine

# The newest Python that the tests run on.
NEWEST_PYTHON: Final = (3, 14)

# A requirement: its name, the limits of its version, and its marker, which is that of some systems.
_REQUIREMENT: Final = re.compile(r"([\w.-]+)\s*([^;]*?)\s*(;.*)?")
_LIMIT: Final = re.compile(r"(>=|<)\s*([\d.]+)")
LIBRARIES: Final = ("httpx", "httpx2", "requests", "aiohttp", "openai")
PLUGINS: Final = (
    *("pytest", "pytest-xdist", "pytest-asyncio", "anyio", "pytest-httpx", "respx", "vcrpy", "pytest-socket"),
    *("responses", "freezegun", "time-machine"),
)
# Limits beside the fixture `kling` (docs/other-mocks.md), each with the change that avoids it.
LIMITS: Final[Mapping[str, tuple[str, str]]] = {
    "requests": ("the fixture kling does not answer it", "use fake.requests_adapter() or kling_server"),
    "aiohttp": ("the fixture kling does not answer it", "use the fixture kling_server and its URL"),
    "pytest-httpx": (
        "requested after kling, httpx_mock answers all requests",
        "request httpx_mock before kling, or give it should_mock",
    ),
    "respx": (
        'respx.mock(using="httpx") takes precedence over the fixture kling',
        "omit using=, or use fake.respx_route(router)",
    ),
    "vcrpy": (
        "a cassette opened after kling records and replays the service",
        "give it ignore_hosts=INTERCEPTED_HOSTS",
    ),
    "pytest-socket": (
        "with sockets disabled, kling_server has no connection",
        "add --allow-hosts=127.0.0.1 for tests with kling_server",
    ),
}
NO_AUTOLOAD: Final = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"


def check_python(_: Machine) -> Iterator[Finding]:
    """The interpreter and the system, and whether the tests of this project run on that Python."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    text = f"{name} on {platform.system()} {platform.machine()}"
    known = sys.version_info[:2] <= NEWEST_PYTHON and platform.python_implementation() == "CPython"
    if known:
        yield Finding("python", "ok", text)
    else:
        newest = ".".join(map(str, NEWEST_PYTHON))
        yield Finding("python", "note", f"{text}: not tested", f"if something fails, try CPython {newest}")


def check_packages(machine: Machine) -> Iterator[Finding]:
    """The version of this package."""
    installed = machine.installed("kling-mock")
    if installed is None:
        text, hint = f"{__version__}, not installed as a distribution", "pip install kling-mock"
        yield Finding("kling-mock", "problem", text, hint)
    elif installed != __version__:
        text = f"{__version__} is imported, but {installed} is installed"
        yield Finding("kling-mock", "problem", text, "pip install --force-reinstall --no-deps kling-mock")
    else:
        yield Finding("kling-mock", "ok", __version__)


def check_dependencies(machine: Machine) -> Iterator[Finding]:
    """The versions of the base dependencies, and whether they are those that this package needs."""
    found: list[str] = []
    wrong: list[str] = []
    wanted: list[str] = []
    for requirement in machine.requirements():
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None:
            continue
        name, limits, marker = match.groups("")
        number = machine.installed(name)
        if number is not None and within(number, limits):
            found.append(f"{name} {number}")
        elif number is not None or not marker:
            wrong.append(f"{name} {'is not installed' if number is None else f'{number} is not {limits}'}")
            wanted.append(shlex.quote(f"{name}{limits}"))
    if wrong:
        yield Finding("dependencies", "problem", ", ".join(wrong), f"pip install {' '.join(wanted)}")
    elif found:
        yield Finding("dependencies", "ok", ", ".join(found))


def within(number: str, limits: str) -> bool:
    """Whether a version is within limits such as `>=0.27,<0.29`. Suffixes such as `rc1` are ignored."""
    present = _parts(number)
    return all(
        present >= _parts(limit) if sign == ">=" else present < _parts(limit)
        for sign, limit in _LIMIT.findall(limits)
    )


def _parts(number: str) -> list[int]:
    """The numbers of a version, without zeros at its end."""
    start = re.match(r"[\d.]*", number)
    parts = [int(each) for each in start[0].split(".") if each] if start else []
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


def check_libraries(machine: Machine) -> Iterator[Finding]:
    """The versions of HTTP libraries and of packages for tests, and the known limits beside the mock."""
    for check, names in (("HTTP libraries", LIBRARIES), ("test packages", PLUGINS)):
        found = {name: number for name in names if (number := machine.installed(name)) is not None}
        text = ", ".join(f"{name} {number}" for name, number in found.items())
        yield Finding(check, "ok", text or "not installed")
        for name in found:
            if name in LIMITS:
                limit, hint = LIMITS[name]
                yield Finding(name, "note", limit, f"{hint} (kling-mock help other-mocks)")


def check_plugin(machine: Machine) -> Iterator[Finding]:
    """Whether pytest loads the fixtures."""
    if machine.installed("pytest") is None:
        text = "pytest is not installed: no fixtures"
        yield Finding("pytest plugin", "note", text, "for the fixture kling: pip install pytest")
    elif "kling_mock" not in machine.plugins():
        text = "pytest does not find the plugin, so the fixture kling is unknown"
        yield Finding("pytest plugin", "problem", text, "pip install --force-reinstall --no-deps kling-mock")
    elif machine.environ.get(NO_AUTOLOAD):
        text = f"{NO_AUTOLOAD} is set, so pytest does not load the plugin by itself"
        yield Finding("pytest plugin", "problem", text, "run pytest -p kling_mock, or unset the variable")
    else:
        yield Finding("pytest plugin", "ok", "pytest loads the fixtures")
