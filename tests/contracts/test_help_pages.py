"""The pages of the installation, and the entries of Troubleshooting in them."""

from __future__ import annotations

from kling_contracts.help_links import ENTRIES
from kling_contracts.help_pages import TROUBLESHOOTING, HelpEntry, entries, pages, read_page


def test_every_link_of_a_message_leads_to_an_entry() -> None:
    """Each entry has a message and a solution, and links to pages that the installation has."""
    found = entries(read_page(TROUBLESHOOTING))
    assert found.keys() == {entry.anchor for entry in ENTRIES}
    for entry in found.values():
        assert entry.message
        assert entry.solution
        assert set(entry.pages) <= pages().keys()
        assert "](" not in entry.solution
    assert sum(bool(entry.pages) for entry in found.values()) > 10


def test_a_row_becomes_an_entry() -> None:
    text = (
        '## The command `x`\n\n| <a id="a-b"></a>`m` | see [One](one.md#h), [Two](two/b.md), [1](one.md) |\n'
    )
    assert entries(text) == {
        "a-b": HelpEntry("a-b", "The command x", "`m`", "see One, Two, 1", ("one.md", "two/b.md"))
    }


def test_the_pages_of_folders_are_found() -> None:
    assert {"README.md", "fixture.md", "how-to/django.md"} <= pages().keys()
