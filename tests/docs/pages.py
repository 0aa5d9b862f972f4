"""The documents: the fenced blocks of a page, and the comparison of JSON with that of a block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MILLISECONDS_IN_2020 = 1_577_836_800_000
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is where its text begins."""

    language: str
    text: str
    line: int

    @property
    def placed(self) -> str:
        """The text on the lines it has in its page, so that a traceback names those."""
        return "\n" * (self.line - 1) + self.text


@dataclass(frozen=True)
class Page:
    """A document and its blocks."""

    name: str
    text: str
    blocks: tuple[Block, ...]

    @classmethod
    def read(cls, path: Path) -> Page:
        text = path.read_text(encoding="utf-8")
        found = (
            Block(fence[1], fence[2], text.count("\n", 0, fence.start(2)) + 1)
            for fence in _FENCE.finditer(text)
        )
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        return cls(name, text, tuple(found))

    def block(self, language: str, containing: str) -> Block:
        """The one block in a language that contains a text."""
        (found,) = (block for block in self.blocks if block.language == language and containing in block.text)
        return found


def fits_text(shown: str, given: str) -> bool:
    """Whether a text is the one shown, where `…` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), given, re.DOTALL) is not None


def fits(shown: object, given: object) -> bool:
    """Whether a JSON value is the one shown; `…` in a text stands for anything, an instant for any other."""
    match shown, given:
        case dict(), dict():
            return list(shown) == list(given) and all(fits(shown[key], given[key]) for key in shown)
        case list(), list():
            return len(shown) == len(given) and all(map(fits, shown, given))
        case str(), str():
            return fits_text(shown, given)
        case int(), int() if min(shown, given) > _MILLISECONDS_IN_2020:
            return True
        case _:
            return shown == given
