"""A request as code that sends it: for a shell with curl, Python with httpx, JavaScript with fetch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kling_mock.exports.literals import free_mark, json_text, python_text, python_value
from kling_mock.exports.request_body import pictures_in

# Headers that a browser sets itself, so that code cannot.
_OF_BROWSERS: Final = ("sec-", "proxy-", "accept-", "access-control-")
_SET_BY_BROWSERS: Final = frozenset({"cookie", "date", "dnt", "origin", "referer", "via"})


class ShownKey(NamedTuple):
    """The key of a request: its text, or the environment variable that has it."""

    text: str = ""
    variable: str = ""


class SentRequest(NamedTuple):
    """A request to send. `headers` are those without credentials; `body` is JSON, or None.

    `notes` are comments: the reasons for which the code differs from the request.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    key: ShownKey | None
    body: Mapping[str, Any] | None
    notes: tuple[str, ...] = ()


def curl(request: SentRequest) -> str:
    """A command for a POSIX shell."""
    words, comments = _curl_words(request), list(_comments(request, "#"))
    if request.body is None:
        return "\n".join([*comments, " \\\n  ".join(words)]) + "\n"
    pictures, mark = list(pictures_in(request.body)), free_mark(request.body)
    text = shlex.quote(json_text(request.body, mark=mark))
    if not pictures:
        words.append(f"--data-raw {text}")
        return "\n".join([*comments, " \\\n  ".join(words)]) + "\n"
    for each in pictures:
        # A picture is too long for an argument of curl, and printf is a part of the shell.
        text = text.replace(f'{mark}{each.name}"', f"'\"$(base64 < {each.name}.png | tr -d '\\n')\"'\"")
    words.append("--data-binary @-")
    return "\n".join([*comments, f"printf '%s' {text} |", "  " + " \\\n  ".join(words)]) + "\n"


def _curl_words(request: SentRequest) -> list[str]:
    """The command without the body; its first words, then each header."""
    flags = "curl -sS -i"
    if any(sign in request.url for sign in "[]{}"):
        flags += " -g"
    if any(part in (".", "..") for part in request.url.split("/")):
        flags += " --path-as-is"
    if request.method == "HEAD":
        flags += " -I"
    elif request.method != ("GET" if request.body is None else "POST"):
        flags += f" -X {shlex.quote(request.method)}"
    words = [f"{flags} {shlex.quote(request.url)}"]
    if request.key is not None and request.key.variable:
        words.append(f'-H "Authorization: Bearer ${request.key.variable}"')
    elif request.key is not None:
        words.append(f"-H {shlex.quote(f'Authorization: Bearer {request.key.text}')}")
    for name, value in request.headers:
        words.append(f"-H {shlex.quote(f'{name}: {value}' if value else f'{name};')}")
    return words


def httpx(request: SentRequest) -> str:
    """A Python script."""
    pictures = [] if request.body is None else list(pictures_in(request.body))
    modules = [*(["base64"] if pictures else []), *(["os"] if request.key and request.key.variable else [])]
    lines = [*_comments(request, "#"), *(f"import {each}" for each in modules)]
    lines += ["from pathlib import Path"] if pictures else []
    lines += [""] if modules or pictures else []
    lines += ["import httpx", ""]
    for each in pictures:
        content = f'Path("{each.name}.png").read_bytes()'
        lines.append(f"{each.name} = base64.b64encode({content}).decode()")
    lines += [
        "response = httpx.request(",
        f"    {python_text(request.method)},",
        f"    {python_text(request.url)},",
    ]
    headers = [f"        {python_text(name)}: {python_text(value)},\n" for name, value in request.headers]
    if request.key is not None:
        bearer = python_text(f"Bearer {request.key.text}")
        if request.key.variable:
            bearer = f"f\"Bearer {{os.environ['{request.key.variable}']}}\""
        headers.insert(0, f'        "Authorization": {bearer},\n')
    if headers:
        lines.append(f"    headers={{\n{''.join(headers)}    }},")
    if request.body is not None:
        lines.append(f"    json={python_value(dict(request.body), '    ', 5, 1)},")
    return "\n".join([*lines, ")", "print(response.status_code, response.text)"]) + "\n"


def fetch(request: SentRequest) -> str:
    """A module of JavaScript, for Node.js and, without pictures and variables, for browsers."""
    pictures = [] if request.body is None else list(pictures_in(request.body))
    lines = list(_comments(request, "//"))
    lines += ['import { readFile } from "node:fs/promises";', ""] if pictures else []
    lines += [f'const {each.name} = await readFile("{each.name}.png", "base64");' for each in pictures]
    lines.append(f"const response = await fetch({_script_text(request.url)}, {{")
    lines.append(f"  method: {_script_text(request.method)},")
    lines.append("  headers: {")
    if request.key is not None:
        bearer = _script_text(f"Bearer {request.key.text}")
        bearer = f"`Bearer ${{process.env.{request.key.variable}}}`" if request.key.variable else bearer
        lines.append(f'    "Authorization": {bearer},')
    lines += [
        f"    {_script_text(name)}: {_script_text(value)},"
        for name, value in request.headers
        if not name.startswith(_OF_BROWSERS) and name not in _SET_BY_BROWSERS
    ]
    lines.append("  },")
    if request.body is not None:
        mark = free_mark(request.body)
        text = json_text(request.body, mark=mark)
        for each in pictures:
            text = text.replace(f'"{mark}{each.name}"', each.name)
        lines.append(f"  body: JSON.stringify({text.replace(chr(10), chr(10) + '  ')}),")
    return "\n".join([*lines, "});", "console.log(response.status, await response.text());"]) + "\n"


LANGUAGES: Final[Mapping[str, Callable[[SentRequest], str]]] = MappingProxyType(
    {"curl": curl, "httpx": httpx, "fetch": fetch}
)


def _script_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _comments(request: SentRequest, sign: str) -> Iterator[str]:
    for note in request.notes:
        yield f"{sign} {note}"
    if request.body is not None:
        for each in pictures_in(request.body):
            yield f"{sign} {each.name}.png: {each.describe()}"
