"""Scenario files: settings and scripts of a fake as TOML, with all errors of a file at once.

    [settings]
    pace = "polls:3"
    slots = 4

    [[scripts]]
    when = { prompt = "*cat*" }
    fails = "Image pixel is invalid"

`[settings]` has the settings of `Settings` by name, each of `[[scripts]]` is a document (`documents`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, Final, NamedTuple, cast, get_type_hints

from kling_contracts.explained_error import ExplainedError
from kling_contracts.gateways import GATEWAYS
from kling_contracts.redaction import escape_controls
from kling_mock.documents import DocumentError, read_script, script_schema
from kling_mock.json_schema import (
    DocumentProblem,
    Schema,
    array_of,
    misspelled,
    schema_of,
    table_of,
    violations,
)
from kling_mock.records import RuleRecord
from kling_mock.scenarios.toml_lines import lines_of, nearest_line
from kling_mock.settings import Settings

SETTINGS: Final = "settings"
SCRIPTS: Final = "scripts"
# The values of these settings are left out of messages.
SECRETS: Final = frozenset({"keys", "control_token", "webhook_secret"})
# Editors that read schemas of TOML files know this version.
DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_POSITION: Final = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)")


class FileProblem(NamedTuple):
    """An error in a file: its line (None: the whole file), the key as `scripts[0].fails`, and the problem."""

    file: str
    line: int | None
    key: str
    problem: DocumentProblem

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f"{self.key}: " if self.key else ""
        return escape_controls(f"{place}: {key}{self.problem.message}")


class ScenarioError(ExplainedError, ValueError):
    """A scenario file with errors; `problems` lists all of them."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class FileScript(NamedTuple):
    """A script of a file: its document and its rule, without a number."""

    document: Mapping[str, object]
    rule: RuleRecord


class Scenario(NamedTuple):
    """The contents of a scenario file, all of it valid. `place` is its path as it was given."""

    place: str
    settings: Mapping[str, Any]
    scripts: Sequence[FileScript]
    lines: Mapping[tuple[str, ...], int]

    def problem(self, pointer: str, message: str) -> FileProblem:
        """A problem at a place of this file."""
        return _placed(DocumentProblem(pointer, message), self.place, self.lines)


def read_scenario(path: str | PathLike[str]) -> Scenario:
    """Read a file. Raises ScenarioError with all its errors, OSError if it cannot be read."""
    place = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise ScenarioError([FileProblem(place, None, "", DocumentProblem("", message))]) from None
    return parse_scenario(text, place)


def parse_scenario(text: str, place: str) -> Scenario:
    """The scenario of a text. `place` is the path in messages. Raises ScenarioError with all errors."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioError([_syntax_error(error, text, place)]) from None
    lines = lines_of(text)
    problems = list(_of_keys(data))
    settings = data.get(SETTINGS, {})
    problems += _of_settings(settings)
    gateways = GATEWAYS if problems else Settings.of(settings).gateways
    scripts: list[FileScript] = []
    listed: list[Any] = data[SCRIPTS] if isinstance(data.get(SCRIPTS), list) else []
    for index, document in enumerate(listed):
        pointer = f"/{SCRIPTS}/{index}"
        line = nearest_line(lines, (SCRIPTS, str(index)))
        try:
            rule = read_script(document, gateways=gateways, place=f"{place}:{line}")
        except DocumentError as error:
            problems += [each._replace(pointer=pointer + each.pointer) for each in error.problems]
        else:
            scripts.append(FileScript(document, rule))
    if problems:
        placed = [_placed(each, place, lines) for each in problems]
        raise ScenarioError(sorted(placed, key=lambda each: each.line or 0))
    return Scenario(place, settings, scripts, lines)


def scenario_schema() -> Schema:
    """The JSON Schema of a scenario file, for editors."""
    properties = {
        SETTINGS: {**table_of(_setting_schemas()), "description": "settings of the mock, by name"},
        SCRIPTS: {**array_of(script_schema()), "description": "scripts, in the order of their precedence"},
    }
    return {"$schema": DIALECT, "title": "Scenario of kling-mock", **table_of(properties)}


def _syntax_error(error: Exception, text: str, place: str) -> FileProblem:
    message = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "nested too deeply"
    found = _POSITION.search(message)
    line = None if found is None else int(found["line"] or text.count("\n") + 1)
    return FileProblem(place, line, "", DocumentProblem("", f"not TOML: {_POSITION.sub('', message)}"))


def _of_keys(data: Mapping[str, Any]) -> Iterator[DocumentProblem]:
    for key, value in data.items():
        pointer = f"/{key}"
        if key == SETTINGS:
            if not isinstance(value, dict):
                yield from violations(value, table_of({}), pointer, key)
        elif key == SCRIPTS:
            yield from violations(value, {"type": "array"}, pointer, key)
        elif key in _fields():
            message = f"{key} is a setting, which belongs under [{SETTINGS}]"
            yield DocumentProblem(pointer, message, (SETTINGS, SCRIPTS), (SETTINGS,))
        else:
            yield misspelled(pointer, "key", key, (SETTINGS, SCRIPTS))


def _of_settings(settings: object) -> Iterator[DocumentProblem]:
    """The problems of each setting. Some are checked together with the gateways."""
    if not isinstance(settings, dict):
        return
    given = cast("dict[str, Any]", settings)
    structure = list(violations(given, table_of(_setting_schemas()), f"/{SETTINGS}", SETTINGS))
    for each in structure:
        secret = _setting_at(each.pointer) in SECRETS
        yield each._replace(message=each.message.partition(", not ")[0]) if secret else each
    wrong = {_setting_at(each.pointer) for each in structure}
    shared = {name: given[name] for name in ("gateways",) if name in given and name not in wrong}
    for name, value in given.items():
        if name in wrong:
            continue
        try:
            Settings.of({**shared, name: value})
        except (TypeError, ValueError) as error:
            yield DocumentProblem(f"/{SETTINGS}/{name}", str(error))


def _setting_at(pointer: str) -> str:
    return pointer.removeprefix(f"/{SETTINGS}").removeprefix("/").partition("/")[0]


@cache
def _fields() -> Mapping[str, Field[Any]]:
    return {each.name: each for each in fields(Settings)}


@cache
def _setting_schemas() -> Mapping[str, Schema]:
    hints = get_type_hints(Settings)
    return {
        name: {**schema_of(hints[name]), "description": each.metadata["doc"].replace("`", "")}
        for name, each in _fields().items()
    }


def _placed(problem: DocumentProblem, place: str, lines: Mapping[tuple[str, ...], int]) -> FileProblem:
    path = [each.replace("~1", "/").replace("~0", "~") for each in problem.pointer.split("/")[1:]]
    key = "".join(f"[{each}]" if each.isdigit() else f".{each}" for each in path).removeprefix(".")
    return FileProblem(place, nearest_line(lines, path), key, problem)
