"""Builds the documentation as a site in `build/site`: `python -m docs.build_site`.

The pages of `docs/`, README, changelog and architecture are copied to one folder, links between them are
changed accordingly, and pages of the public Python names are added. The first page is README, and after it
the list of pages. Zensical then builds the folder, and fails for a link to a page or heading that does not
exist.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path, PurePosixPath
from posixpath import relpath
from typing import Final

from docs.navigation import HERE, Entry, llms_text, read_navigation

ROOT: Final = HERE.parent
SOURCE: Final = ROOT / "build" / "site-source"
SITE: Final = ROOT / "build" / "site"
CONFIG: Final = "zensical.toml"
INDEX_OF_SITE: Final = "index.md"

README: Final = "README.md"
LIST: Final = "docs/README.md"
# The place in the site of each file outside `docs/`. The list of pages is a part of the first page.
RENAMED: Final = {
    README: INDEX_OF_SITE,
    "CHANGELOG.md": "changelog.md",
    "ARCHITECTURE.md": "architecture.md",
    LIST: INDEX_OF_SITE,
}
# Modules whose `__all__` are promised names, and their titles in the navigation.
MODULES: Final = {
    "kling_mock": "the mock: `Fake` and its parts",
    "kling_mock.faker": "a provider for Faker",
    "kling_client": "the client and its errors",
    "kling_contracts": "the contract: rules, violations, validation",
    "kling_contracts.verify": "the verifier, from Python",
    "kling_contracts.client_suite": "the suite for clients",
    "kling_contracts.strategies": "strategies for Hypothesis",
}
API_GROUP: Final = "Python API"
API_FOLDER: Final = "api"
_PROJECT: Final = "[project]\n"
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#\s]+)((?:#[^)]*)?)\)")


def place(path: str) -> str:
    """The path in the site of a file of the repository."""
    return RENAMED.get(path, path.removeprefix("docs/"))


def with_links(text: str, path: str) -> str:
    """A page with links as they are in the site; `path` is that of the page in the repository."""
    folder, here = PurePosixPath(path).parent, PurePosixPath(place(path)).parent

    def moved(link: re.Match[str]) -> str:
        target = relpath(str(folder / link[1]))
        anchor = link[2] or ("#documentation" if target == LIST else "")
        return f"]({relpath(place(target), str(here))}{anchor})"

    return _LINK.sub(moved, text)


def first_page() -> str:
    """README, and the list of pages as its last section."""
    texts = [with_links((ROOT / name).read_text(encoding="utf-8"), name) for name in (README, LIST)]
    return "\n".join([texts[0], re.sub(r"^#", "##", texts[1], flags=re.MULTILINE)])


def api_page(module: str) -> str:
    """The page of a module's public names, whose docstrings mkdocstrings inserts."""
    names = [name for name in import_module(module).__all__ if not name.startswith("__")]
    return f"# {module}\n\n" + "\n".join(f"::: {module}.{name}\n" for name in names)


def groups_of_site() -> dict[str, list[Entry]]:
    """The navigation with the paths of the site, and the pages of the Python names."""
    groups = {
        name: [entry._replace(path=place(relpath(f"docs/{entry.path}"))) for entry in entries]
        for name, entries in read_navigation().items()
    }
    api = [Entry(module, f"{API_FOLDER}/{module}.md", about) for module, about in MODULES.items()]
    return {**groups, API_GROUP: api}


def write_source(folder: Path) -> None:
    """Write the pages, the configuration and `llms.txt` to a new folder."""
    pages = folder / "docs"
    files = [path for path in HERE.rglob("*") if path.suffix in (".md", ".png", ".svg", ".css")]
    for path in (*files, *(ROOT / name for name in RENAMED if "/" not in name)):
        name = path.relative_to(ROOT).as_posix()
        if name in (README, LIST):
            continue
        target = pages / place(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(with_links(path.read_text(encoding="utf-8"), name), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    (pages / INDEX_OF_SITE).write_text(first_page(), encoding="utf-8")
    for module in MODULES:
        page = pages / API_FOLDER / f"{module}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(api_page(module), encoding="utf-8")
    groups = groups_of_site()
    rendered = [each._replace(path=f"{each.path.removesuffix('.md')}.html") for each in groups[API_GROUP]]
    text = llms_text({**groups, API_GROUP: rendered}, metadata("kling-mock")["Summary"])
    (pages / "llms.txt").write_text(text, encoding="utf-8")
    config = (HERE / CONFIG).read_text(encoding="utf-8")
    (folder / CONFIG).write_text(config.replace(_PROJECT, _PROJECT + nav(groups), 1), encoding="utf-8")


def nav(groups: Mapping[str, Sequence[Entry]]) -> str:
    """The setting `nav` of the configuration: the first page, then the groups."""

    def item(name: str, value: str) -> str:
        return f"{{{json.dumps(name)} = {value}}}"

    items: list[str] = []
    for name, entries in groups.items():
        pages = [item(each.title, json.dumps(each.path)) for each in entries if each.path != INDEX_OF_SITE]
        first = [item(each.title, json.dumps(each.path)) for each in entries if each.path == INDEX_OF_SITE]
        items += [*first, item(name, f"[{', '.join(pages)}]")]
    return "nav = [\n  " + ",\n  ".join(items) + ",\n]\n"


def main() -> int:
    """Build the site. Returns the exit status of Zensical: not 0 for a link that leads nowhere."""
    for folder in (SOURCE, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    write_source(SOURCE)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(SOURCE / CONFIG)]
    status = subprocess.run(command, check=False).returncode
    if status:
        return status
    shutil.move(SOURCE / "site", SITE)
    for page in (SOURCE / "docs").rglob("*.md"):  # beside the pages in HTML: llms.txt links to them
        if page.parent.name != API_FOLDER:
            shutil.copyfile(page, SITE / page.relative_to(SOURCE / "docs"))
    sys.stdout.write(f"{SITE.relative_to(ROOT)}/index.html\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
