"""Texts in reports: repetitions abbreviated, unprintable characters escaped, words of a POSIX shell.

An abbreviated repetition, `"a" * 2501`, is a Python expression.
"""

from __future__ import annotations

import ast
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, cast

# A unit of up to eight characters, repeated at least 32 times; shorter runs read better unabbreviated.
_RUN: Final = re.compile(r"(.{1,8}?)\1{31,}", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_STRIDE: Final = 4096
_OPEN, _CLOSE = "\u27ea", "\u27eb"
_PART: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(?: \* (\d{1,9}))?(?: \+ |$)')


class Run(NamedTuple):
    """A unit that is repeated `times` times."""

    unit: str
    times: int


def runs(text: str) -> Iterator[str | Run]:
    """Split a text into repetitions and the rest."""
    at = 0
    for start, end in _long_runs(text):
        yield from _parts(text[at:start])
        yield Run(text[start], end - start)
        at = end
    yield from _parts(text[at:])


def expression(text: str) -> str:
    """A Python expression for a text, with repetitions as products."""
    parts = (f"{_quoted(it.unit)} * {it.times}" if isinstance(it, Run) else _quoted(it) for it in runs(text))
    return " + ".join(parts) or '""'


def _long_runs(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each long run of one character; a regular expression takes seconds on megabytes."""
    at = 0
    while at < len(text):
        sign = text[at]
        if text[at : at + _STRIDE] == sign * _STRIDE:
            start, end = at, at + _STRIDE
            while start and text[start - 1] == sign:
                start -= 1
            while text[end : end + _STRIDE] == sign * _STRIDE:
                end += _STRIDE
            while text[end : end + 1] == sign:
                end += 1
            yield start, end
            at = end
        at += _STRIDE


def _parts(text: str) -> Iterator[str | Run]:
    at = 0
    for run in _RUN.finditer(text):
        if run.start() > at:
            yield text[at : run.start()]
        yield Run(run[1], len(run[0]) // len(run[1]))
        at = run.end()
    if at < len(text):
        yield text[at:]


def shorten(text: str) -> str:
    """A long text as its expression in brackets; `lengthen` reverses it."""
    return f"{_OPEN}{expression(text)}{_CLOSE}"


def lengthen(text: str) -> str:
    """The original of a shortened text; any other text unchanged."""
    if not (text.startswith(_OPEN) and text.endswith(_CLOSE)):
        return text
    inside = text[1:-1]
    parts: list[str] = []
    at = 0
    while at < len(inside):
        part = _PART.match(inside, at)
        if part is None:
            return text
        parts.append(cast("str", ast.literal_eval(f'"{part[1]}"')) * int(part[2] or 1))
        at = part.end()
    return "".join(parts)


def percent_encoded(text: str) -> str:
    """A segment of a path with its first character percent-encoded: an equivalent URL."""
    return "".join(f"%{byte:02X}" for byte in text[0].encode("utf-8", "surrogatepass")) + text[1:]


def in_texts(value: object, change: Callable[[str], str]) -> object:
    """A JSON value with `change` applied to each string in it."""
    match value:
        case str():
            return change(value)
        case list():
            return [in_texts(item, change) for item in cast("list[object]", value)]
        case dict():
            return {key: in_texts(item, change) for key, item in cast("dict[str, object]", value).items()}
        case _:
            return value


def _quoted(text: str) -> str:
    """A literal in double quotes, in ASCII, so that a shell can quote it with single ones."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii", "backslashreplace").decode()
    return '"' + _CONTROL.sub(lambda sign: f"\\x{ord(sign[0]):02x}", escaped) + '"'


# Control characters, marks of text direction, lone surrogates, unassigned code points.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def printable(text: str) -> str:
    """The text with characters escaped that are unsafe in a terminal or invalid in XML; newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if sign == "\n" or _is_visible(sign) else _escaped(sign) for sign in text)


def _is_visible(sign: str) -> bool:
    return unicodedata.category(sign) not in _HIDDEN


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


# More arguments than this may exceed the limit of a command line in `$(seq ...)`.
_MANY: Final = 100_000
_NO_FORMAT: Final = re.compile(r"[^-%\\'\n][^%\\'\n]*")


def word(text: str) -> str:
    """A text as one word of a shell."""
    return "".join(_repeated(it) if isinstance(it, Run) else shlex.quote(it) for it in runs(text)) or "''"


def octal(content: bytes) -> str:
    """Bytes as a format for `printf`, with octal escapes."""
    signs = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "'\\%" else f"\\{byte:03o}" for byte in content
    )
    return f"'{''.join(signs)}'"


def _repeated(run: Run) -> str:
    if run.times > _MANY and run.unit.isalnum() and run.unit.isascii() and len(run.unit) == 1:
        return f"\"$(head -c {run.times} /dev/zero | tr '\\0' {run.unit})\""
    if _NO_FORMAT.fullmatch(run.unit):
        return f"\"$(printf '{run.unit}%.0s' $(seq {run.times}))\""
    return shlex.quote(run.unit * run.times)
