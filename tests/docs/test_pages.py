"""Every block of every page in docs/ does what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.docs.conftest import Player

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_page_is_true(path: Path, player: Callable[[Path], Player]) -> None:
    """Played from top to bottom, every block runs and prints what is shown."""
    player(path).play()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link to a file of ours names one that exists."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in PAGES if f"({path.name})" not in index] == ["README.md"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_page_outgrows_its_question(path: Path) -> None:
    """Pages stay short; the generated ones are tables to look things up in."""
    generated = path.stem in ("faithful", "settings")
    assert generated or len(path.read_text(encoding="utf-8").splitlines()) <= 130
