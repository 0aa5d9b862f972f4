"""Parts of generated pages: the notice at their beginning, tables, and the source of a fact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kling_contracts.vocabulary import Source

NOTICE: Final = "<!-- Written by docs/generate.py from the declarations: change those, then run it again. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines).replace("| --- ", "|---")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """Text as inline code; empty text stays empty."""
    return f"`{text}`" if str(text) else ""


def evidence(source: Source) -> list[str]:
    return [f"{source.origin}: {source.reference}", str(source.confidence)]
