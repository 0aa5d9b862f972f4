"""The index is the navigation of the site and of llms.txt: it lists every page once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from docs.build_site import API_GROUP, MODULES, nav, with_links, write_source
from docs.navigation import Entry, llms_text, navigation, read_navigation
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"


def test_the_index_lists_every_page_once() -> None:
    listed = [entry.path for entries in read_navigation().values() for entry in entries]
    assert sorted(path for path in listed if not path.startswith("../")) == sorted(
        path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.name != "README.md"
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("## A\n\n- [x](x.md): about x.\n", r"not listed: how-to/y\.md"),
        ("## A\n\n- [x](x.md): x.\n- [y](how-to/y.md): y.\n- [x](x.md): x.\n", r"listed twice: x\.md"),
        ("## A\n\n- [x](x.md): x.\n- [y](how-to/y.md): y.\n- [z](z.md): z.\n", r"without a page: z\.md"),
    ],
)
def test_an_index_with_other_pages_is_refused(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "how-to").mkdir()
    for name in ("x.md", "how-to/y.md"):
        (tmp_path / name).write_text("# Page\n", encoding="utf-8")
    (tmp_path / "README.md").write_text(index, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_navigation(tmp_path)


def test_groups_are_headings_and_their_lists() -> None:
    index = "# Title\n\n- no group: ignored\n\n## Start\n\nText.\n\n- [A](a.md): all of it.\n\n## Use\n"
    assert navigation(index) == {"Start": [Entry("A", "a.md", "all of it.")], "Use": []}
    assert llms_text(navigation(index), "Sum.") == (
        "# kling-mock\n\n> Sum.\n\n## Start\n\n- [A](a.md): all of it.\n\n## Use\n\n"
    )
    assert tomllib.loads(nav(navigation(index))) == {"nav": [{"Start": [{"A": "a.md"}]}, {"Use": []}]}
    start = {"Start": [Entry("What it is", "index.md", ""), Entry("B", "b.md", "")]}
    assert tomllib.loads(nav(start)) == {"nav": [{"What it is": "index.md"}, {"Start": [{"B": "b.md"}]}]}


@pytest.mark.parametrize(
    ("path", "link", "moved"),
    [
        ("docs/a.md", "b.md#part", "b.md#part"),
        ("docs/a.md", "../ARCHITECTURE.md", "architecture.md"),
        ("docs/a.md", "README.md", "index.md#documentation"),
        ("docs/how-to/a.md", "../../README.md", "../index.md"),
        ("docs/how-to/a.md", "../README.md#start", "../index.md#start"),
        ("README.md", "docs/images/x.png", "images/x.png"),
        ("README.md", "docs/README.md", "index.md#documentation"),
        ("docs/a.md", "https://example.com/README.md", "https://example.com/README.md"),
        ("docs/a.md", "#part", "#part"),
    ],
)
def test_links_lead_to_the_pages_of_the_site(path: str, link: str, moved: str) -> None:
    assert with_links(f"[text]({link})", path) == f"[text]({moved})"


def test_the_source_of_the_site_is_complete(tmp_path: Path) -> None:
    """Each page of the navigation and of llms.txt is there, and has the names of its module."""
    write_source(tmp_path)
    pages = tmp_path / "docs"
    project = tomllib.loads((tmp_path / "zensical.toml").read_text(encoding="utf-8"))["project"]
    index, *groups = project["nav"]
    assert index == {"What it is": "index.md"}
    text = (pages / "index.md").read_text(encoding="utf-8")
    assert text.index("# kling-mock") < text.index("## Documentation") < text.index("### How-to")
    listed = {
        path for group in groups for entries in group.values() for each in entries for path in each.values()
    }
    assert {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")} == listed | {"index.md"}
    text = (pages / "llms.txt").read_text(encoding="utf-8")
    assert f"## {API_GROUP}" in text
    for path in listed:
        assert f"]({path.replace('.md', '.html') if path.startswith('api/') else path})" in text
    assert len(MODULES) == len(list((pages / "api").iterdir()))
    assert "\n::: kling_mock.Fake\n" in (pages / "api" / "kling_mock.md").read_text(encoding="utf-8")
