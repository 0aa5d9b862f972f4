"""A finding of a check, and the facts of the machine that the checks read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path
from time import time
from typing import Final, Literal

Status = Literal["ok", "note", "problem"]

# Seconds to wait for a server on this machine, which may accept the connection and send nothing.
PATIENCE: Final = 2.0
_LONGEST_REPLY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `hint`: the next step; empty if nothing is to do.

    Texts contain no values of environment variables and no paths: the report is meant for a public issue.
    """

    check: str
    status: Status
    text: str
    hint: str = ""


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None if it is absent."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def base_requirements() -> list[str]:
    """The requirements of this distribution without extras; none if it is not installed."""
    try:
        return [each for each in requires("kling-mock") or () if "extra ==" not in each]
    except PackageNotFoundError:
        return []


def pytest_plugins() -> frozenset[str]:
    """The names of the plugins that pytest finds by their entry points."""
    return frozenset(each.name for each in entry_points(group="pytest11"))


def get_local(port: int, path: str) -> bytes | None:
    """The body of the response of a server on 127.0.0.1 without a proxy; None without a response of HTTP."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().read(_LONGEST_REPLY)
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that checks read; tests replace them."""

    port: int = 8000
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    folder: Path = Path()
    installed: Callable[[str], str | None] = installed_version
    requirements: Callable[[], list[str]] = base_requirements
    plugins: Callable[[], frozenset[str]] = pytest_plugins
    get: Callable[[int, str], bytes | None] = get_local
    now: Callable[[], float] = time
