"""The outcome of a task as a scenario file: a script for every create with the same prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from glob import escape
from re import fullmatch
from typing import Any, Final, cast

from kling_mock.exports.task_story import TaskStory


def scenario_story(story: TaskStory) -> str:
    """A TOML file that `kling-mock check` accepts."""
    lines = [f"# {story.title}. Exported from kling-mock."]
    if story.settings:
        lines += ["[settings]", *_lines(story.settings), ""]
    for document in story.scripts:
        lines += ["[[scripts]]", *_lines(_for_every_create(document, story.body)), ""]
    return "\n".join(lines[:-1] if lines[-1] == "" else lines) + "\n"


def _for_every_create(document: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with the prompt in place of `next`. A script of single queries is for each task."""
    prompt = body.get("prompt")
    rest = {name: value for name, value in document.items() if name not in ("next", "times")}
    if "next" in document and isinstance(prompt, str) and prompt:
        return {"when": {"prompt": escape(prompt)}, **rest}
    if "next" in document:
        return {"when": {}, **rest}
    if "next_request" in document:
        return {"when_request": {"method": "POST"}, **rest, "next_request": None}
    return rest


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        if value is not None:  # TOML has no null
            yield f"{_key(name)} = {toml_value(value)}"


_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def toml_value(value: object) -> str:
    """A JSON value on one line of TOML; members that are null are left out."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return toml_text(value)
        case dict():
            pairs = cast("dict[str, object]", value).items()
            inside = ", ".join(
                f"{_key(name)} = {toml_value(each)}" for name, each in pairs if each is not None
            )
            return f"{{ {inside} }}" if inside else "{}"
        case list():
            return f"[{', '.join(map(toml_value, cast('list[object]', value)))}]"
        case _:
            return repr(value)


def toml_text(text: str) -> str:
    """A basic string; characters that are not printable are escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(sign: str) -> str:
    if sign in _SHORT:
        return _SHORT[sign]
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if sign <= "\uffff" else f"\\U{ord(sign):08x}"


def _key(name: str) -> str:
    return name if fullmatch(r"[A-Za-z0-9_-]+", name) else toml_text(name)
