"""Every block of every page in docs/ is executed; links lead to pages and headings that exist."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.docs.page_runner import PageRunner
from tests.docs.pages import ROOT
from tests.rows import each_row, some_rows

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


# Their blocks run the verifier, the client suite, Schemathesis, web frameworks, a browser or Java, as other
# tests do.
LONG = (
    "browser",
    "client-adapters",
    "client-processes",
    "client-suite",
    "java",
    "receivers",
    "schemathesis",
    "verify",
    "verify-reports",
)


@some_rows("path", PAGES, usual=lambda path: path.stem not in LONG, ids=lambda path: path.stem)
def test_the_page_is_true(path: Path, runner: Callable[[Path], PageRunner]) -> None:
    """Executed from top to bottom, every block prints the output that is shown."""
    runner(path).run()


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """Links to files that do not exist, or to headings that their page does not have."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", path.read_text(encoding="utf-8"))
    targets = [(path.parent / file if file else path, anchor) for file, anchor in links]
    return [
        f"{target.name}#{anchor}"
        for target, anchor in targets
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]


@each_row("path", [*PAGES, ROOT / "README.md", ROOT / "ARCHITECTURE.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    """Counterexample: a missing file, and missing headings of the page itself and of another one."""
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# The `other` page\n")
    page.write_text("[a](none.md) [b](#none) [c](other.md#none) [d](other.md#the-other-page) [e](other.md)")
    assert broken_links(page) == ["none.md#", "page.md#none", "other.md#none"]


@each_row("path", PAGES, ids=lambda path: path.stem)
def test_no_page_outgrows_its_question(path: Path) -> None:
    """At most 130 lines; the generated pages are tables."""
    generated = path.stem in ("faithful", "settings")
    assert generated or len(path.read_text(encoding="utf-8").splitlines()) <= 130
