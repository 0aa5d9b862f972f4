"""The documents have every public name, flag, setting, marker and environment variable."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import kling_client
import kling_contracts
import kling_mock
from kling_client import AsyncClient, AsyncTask, Client, Image, Poll, Retry, Task
from kling_contracts import client_suite, strategies, verify, vocabulary
from kling_contracts.client_suite import ClientAdapter, Outcome, Service
from kling_contracts.gateways import GATEWAYS
from kling_contracts.vocabulary import CONTROL_PREFIX
from kling_mock import Clock, Fake, ManualClock, Pace, Settings, TaskHandle, pytest_plugin
from kling_mock import cli as mock_cli
from kling_mock.callbacks.model import Callback
from kling_mock.callbacks.outbox import Outbox, OutboxCallback
from kling_mock.control_api.endpoints import ENDPOINTS
from kling_mock.criteria import criteria_of
from kling_mock.records import CallRecord
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.request_script import RequestScript
from kling_mock.shared_server import ServedFake
from kling_mock.task_request import TaskRequest
from kling_mock.testing.journal import Calls
from kling_mock.testing.view import FakeView
from tests.contracts.client_suite.plain_client import PlainClient

ROOT = Path(__file__).parents[2]
OURS = ("kling_mock", "kling_client", "kling_contracts")
CLASSES = (
    *(AsyncClient, AsyncTask, Client, Image, Poll, Retry, Task),
    *(Callback, Calls, Clock, Fake, ManualClock, Outbox, OutboxCallback, Pace, Script, ServedFake),
    *(TaskHandle, FakeView),
    *(RequestScript, CallRecord, TaskRequest, ClientAdapter, Outcome, Service),
)


def documented() -> frozenset[str]:
    """Every word that stands as code somewhere, with the dashes of a flag."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    return frozenset(re.findall(r"--[\w-]+|\w+", "\n".join((*fenced, *spans))))


def attributes(kind: type) -> Iterator[str]:
    """The public attributes that a class and its ancestors in this project define."""
    for home in kind.__mro__:
        if home.__module__.partition(".")[0] in OURS:
            named = {*vars(home), *getattr(home, "__annotations__", {})}
            yield from (name for name in named if not name.startswith("_"))


def missing(names: Iterator[str] | list[str]) -> list[str]:
    words = documented()
    return sorted({name for name in names if name not in words})


def without_docstring(package: ModuleType) -> list[str]:
    """The public names of a package, and methods and properties of its classes, that have no docstring."""
    found: list[str] = []
    for name in package.__all__:
        thing = getattr(package, name)
        if not callable(thing):
            continue
        members = dict(vars(thing)) if inspect.isclass(thing) else {}
        methods = (FunctionType, classmethod, staticmethod, property)
        named = [(name, thing)] + [
            (f"{name}.{each}", getattr(thing, each))
            for each, member in members.items()
            if not each.startswith("_") and isinstance(member, methods)
        ]
        found += [each for each, documented in named if not inspect.getdoc(documented)]
    return found


@pytest.mark.parametrize(
    "package",
    [kling_mock, kling_client, kling_contracts, client_suite, verify, strategies],
    ids=lambda each: each.__name__,
)
def test_public_names_have_docstrings(package: ModuleType) -> None:
    assert without_docstring(package) == []


def test_a_public_name_without_docstring_is_found() -> None:
    package: Any = ModuleType("package")
    package.Plain = type("Plain", (), {"bare": lambda _: 0, "__doc__": "A class."})
    package.__all__ = ["Plain"]
    assert without_docstring(package) == ["Plain.bare"]


def test_what_is_missing_is_found() -> None:
    assert missing(["Fake", "--port", "NeverWritten", "--never-written"]) == [
        "--never-written",
        "NeverWritten",
    ]


@pytest.mark.parametrize(
    "package", [kling_mock, kling_client, kling_contracts, client_suite], ids=lambda each: each.__name__
)
def test_public_names_are_documented(package: object) -> None:
    assert missing(list(getattr(package, "__all__"))) == []  # noqa: B009 -- a module, of three


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.__name__)
def test_attributes_are_documented(kind: type) -> None:
    assert missing(attributes(kind)) == []


def test_endpoints_of_the_control_api_are_documented() -> None:
    """Each with its method and path, or after another of the same resource as `/name`."""
    text = (ROOT / "docs" / "control-api.md").read_text(encoding="utf-8")
    spans = set(re.findall(r"`(?:[A-Z]+ )?(/[^`?]*)`", text))
    known = spans | {f"{CONTROL_PREFIX}/tasks/{{id}}{each}" for each in spans}
    assert [each.path for each in ENDPOINTS if each.path not in known] == []


def test_properties_of_clients_are_documented() -> None:
    """By name, and by the text in brackets: for both kinds of clients."""
    text = (ROOT / "docs" / "client-suite.md").read_text(encoding="utf-8")
    for validates in (True, False):
        mine = PlainClient()
        mine.validates_locally = validates
        names = {each.name for each in client_suite.list_properties(mine)}
        assert len(names) > 10
        assert [name for name in sorted(names) if f"`{name}" not in text] == []


@pytest.mark.parametrize("method", [Client.generate, Task.wait, Task.updates, Task.save, Client.__init__])
def test_arguments_of_the_client_are_documented(method: object) -> None:
    assert callable(method)
    assert missing([name for name in inspect.signature(method).parameters if name != "self"]) == []


def flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every flag and sub-command of a parser."""
    for action in parser._actions:
        yield from (flag for flag in action.option_strings if flag.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield name
                yield from flags(command)


def test_flags_of_kling_mock_are_documented() -> None:
    assert missing(flags(mock_cli._parser())) == []


@pytest.mark.parametrize("name", ["kling_client.cli", "kling_contracts.cli"])
def test_flags_of_the_other_commands_are_documented(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their parsers are made in `main`: each one that parses is looked at, instead."""
    if find_spec(name) is None:
        pytest.skip(f"there is no {name} yet")
    main = __import__(name, fromlist=["main"]).main
    seen: list[argparse.ArgumentParser] = []

    def look(parser: argparse.ArgumentParser, *_: object) -> None:
        seen.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", look)
    with pytest.raises(SystemExit):
        main([])
    assert missing(flags(seen[0])) == []


def test_settings_and_arguments_of_the_marker_are_documented() -> None:
    named = re.findall(r"(\w+)=", pytest_plugin.MARKER)
    assert {"sleep", "clock", "only"} <= set(named)
    assert missing([*(each.name for each in fields(Settings)), *named]) == []


def test_criteria_are_documented() -> None:
    assert missing(list(criteria_of(GATEWAYS))) == []


def test_environment_variables_and_ini_options_are_documented() -> None:
    variables = [value for name, value in vars(vocabulary).items() if name.endswith("_VARIABLE")]
    options = re.findall(r'addini\("(\w+)"', inspect.getsource(pytest_plugin))
    assert len(variables) >= 2
    assert options == ["kling", "kling_mock_url"]
    assert missing([*variables, *options]) == []


def test_variables_are_named_nowhere_else() -> None:
    """The names of environment variables are constants of the vocabulary, and used by these."""
    pattern = re.compile(r"""["']((?:KLING|COMET)\w*_\w+)["']""")
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            if path != Path(vocabulary.__file__):
                assert pattern.findall(path.read_text(encoding="utf-8")) == [], path


def test_the_faker_provider_is_documented() -> None:
    """Its names come with the extra, so they are read without importing it."""
    source = ROOT / "kling_mock" / "faker.py"
    if not source.exists():
        pytest.skip("there is no kling_mock.faker yet")
    names = re.findall(r"^    def (kling_\w+)", source.read_text(encoding="utf-8"), re.MULTILINE)
    assert missing(["KlingProvider", *names]) == []
