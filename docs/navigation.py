"""The navigation of the documentation: groups of pages in the index `docs/README.md`, its only source.

The site and `llms.txt` derive their navigation from it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent
INDEX: Final = "README.md"
_GROUP: Final = re.compile(r"^## (.+)$|^- \[(.+?)\]\((.+?)\): (.+)$", re.MULTILINE)


class Entry(NamedTuple):
    """A page of a group: its title, its path from the folder of the index, and a phrase about it."""

    title: str
    path: str
    about: str


def navigation(index: str) -> dict[str, list[Entry]]:
    """The groups of an index, in its order. A group is a heading and the list after it."""
    groups: dict[str, list[Entry]] = {}
    entries: list[Entry] = []
    for found in _GROUP.finditer(index):
        if found[1]:
            entries = groups.setdefault(found[1], [])
        else:
            entries.append(Entry(found[2], found[3], found[4]))
    return groups


def read_navigation(folder: Path = HERE) -> dict[str, list[Entry]]:
    """The groups of the index of a folder. Raises ValueError unless they list each of its pages once."""
    groups = navigation((folder / INDEX).read_text(encoding="utf-8"))
    listed = [entry.path for entries in groups.values() for entry in entries]
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")} - {INDEX}
    for problem, paths in {
        "not listed": pages - set(listed),
        "listed twice": {path for path in listed if listed.count(path) > 1},
        "without a page": {path for path in listed if not (folder / path).is_file()},
    }.items():
        if paths:
            raise ValueError(f"{INDEX}: {problem}: {', '.join(sorted(paths))}")
    return groups


def llms_text(groups: dict[str, list[Entry]], summary: str) -> str:
    """The file `llms.txt` of a site (llmstxt.org): its pages by group."""
    parts = [f"# kling-mock\n\n> {summary}"]
    parts += [
        "\n".join([f"## {name}\n", *(f"- [{each.title}]({each.path}): {each.about}" for each in entries)])
        for name, entries in groups.items()
    ]
    return "\n\n".join(parts) + "\n"
