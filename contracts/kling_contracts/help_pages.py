"""The pages of the documentation, which each installation has, and the entries of Troubleshooting in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple

INDEX: Final = "README.md"
TROUBLESHOOTING: Final = "troubleshooting.md"
# A heading, or the row of a message.
_ROW: Final = re.compile(r'^## (?P<group>.+)$|^\| <a id="([\w-]+)"></a>(.+?) \| (.+) \|$', re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]+)\]\(([\w/-]+\.md)[^)]*\)")


class HelpEntry(NamedTuple):
    """An entry of Troubleshooting: Markdown without links, whose targets are `pages`."""

    anchor: str
    group: str
    message: str
    solution: str
    pages: tuple[str, ...]


def entries(text: str) -> dict[str, HelpEntry]:
    """The entries of a page by their anchors, in its order."""
    found: dict[str, HelpEntry] = {}
    group = ""
    for row in _ROW.finditer(text):
        if row["group"]:
            group = row["group"].replace("`", "")
            continue
        _, anchor, message, solution = row.groups()
        pages = tuple(dict.fromkeys(link[2] for link in _LINK.finditer(solution)))
        found[anchor] = HelpEntry(anchor, group, message, _LINK.sub(r"\1", solution), pages)
    return found


@cache
def pages() -> Mapping[str, Traversable]:
    """The files of the pages by their names, such as `how-to/django.md`."""
    # A wheel contains the folder; an editable installation reads that of the repository.
    installed: Traversable = files("kling_contracts") / "docs"
    folder = installed if installed.is_dir() else Path(__file__).parents[2] / "docs"
    return dict(sorted(find_pages(folder)))


def find_pages(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """The pages of a folder and of its folders, with their paths from it."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from find_pages(each, f"{prefix}{each.name}/")
        elif each.name.endswith(".md"):
            yield f"{prefix}{each.name}", each


def read_page(name: str) -> str:
    """The Markdown of a page. Raises LookupError for an unknown name."""
    return pages()[name].read_text(encoding="utf-8")
