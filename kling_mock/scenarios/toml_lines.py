"""The lines of the keys of a TOML text, which `tomllib` does not report.

The text has been parsed before, so only keys, brackets and strings are recognised here, without checks.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Final

Path = tuple[str, ...]

_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r]+|\#[^\n]*)
    | (?P<text>"{3}(?:\\.|[^\\])*?"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<mark>\n|[\[\]{}=,.])
    | (?P<word>[^\s\[\]{}=,.\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)


def lines_of(source: str) -> Mapping[Path, int]:
    """The line of each key and list item, from 1, by its path: `("scripts", "0", "fails")`.

    Tables have the line of their header, items of a list that of their value.
    """
    return _Scanner(source).lines


class _Scanner:
    def __init__(self, source: str) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens: list[tuple[str, int]] = []
        self._at = 0
        line = 1
        for found in _TOKEN.finditer(source.removeprefix("\ufeff")):
            if found.lastgroup != "space":
                self._tokens.append((found[0], line))
            line += found[0].count("\n")
        self._document()

    def _next(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    @property
    def _line(self) -> int:
        return self._tokens[min(self._at, len(self._tokens) - 1)][1]

    def _skip(self, *tokens: str) -> None:
        while self._next() in tokens and self._next():
            self._at += 1

    def _document(self) -> None:
        prefix: Path = ()
        counts: dict[Path, int] = {}
        while self._skip("\n") or self._next():
            if self._next() != "[":
                self._pair(prefix)
                continue
            line = self._line
            self._at += 1
            listed = self._next() == "["
            self._skip("[")
            prefix = self._placed(self._key(), counts)
            if listed:
                index = counts[prefix] = counts.get(prefix, -1) + 1
                prefix = (*prefix, str(index))
            self._note(prefix, line)
            self._skip("]")

    def _placed(self, key: Path, counts: Mapping[Path, int]) -> Path:
        """The path of a header: a table in a list of tables is in the last item."""
        path: Path = ()
        for at, name in enumerate(key):
            path = (*path, name)
            if path in counts and at < len(key) - 1:
                path = (*path, str(counts[path]))
        return path

    def _key(self) -> Path:
        names: list[str] = []
        while True:
            names.append(_unquoted(self._next()))
            self._at += 1
            if self._next() != ".":
                return tuple(names)
            self._at += 1

    def _pair(self, prefix: Path) -> None:
        line = self._line
        key = self._key()
        self._note((*prefix, *key), line)
        self._at += 1  # the equals sign
        self._value((*prefix, *key))

    def _note(self, path: Path, line: int) -> None:
        """Keep the line of a path, and of the tables around it that have none yet."""
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)

    def _value(self, path: Path) -> None:
        match self._next():
            case "{":
                self._at += 1
                while self._skip("\n", ",") or self._next() not in ("}", ""):
                    self._pair(path)
                self._at += 1
            case "[":
                self._at += 1
                index = 0
                while self._skip("\n", ",") or self._next() not in ("]", ""):
                    self.lines[(*path, str(index))] = self._line
                    self._value((*path, str(index)))
                    index += 1
                self._at += 1
            case _:  # a scalar, of several tokens if it has a point or a space
                while self._next() not in ("\n", ",", "]", "}", ""):
                    self._at += 1


def _unquoted(token: str) -> str:
    if token[:1] not in ("'", '"'):
        return token
    (name,) = tomllib.loads(f"{token} = 0")
    return name


def nearest_line(lines: Mapping[Path, int], path: Sequence[str]) -> int | None:
    """The line of a path, or that of the nearest table around it; None for the whole text."""
    for end in range(len(path), 0, -1):
        if tuple(path[:end]) in lines:
            return lines[tuple(path[:end])]
    return None
