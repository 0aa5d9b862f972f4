"""The check of compose files finds names and options that do not exist."""

from __future__ import annotations

import pytest

from tests.docs.compose import check_compose
from tests.docs.pages import ROOT, Page

MISTAKES = {
    "server mock:8000": "server mock:8001",
    "--host": "--hst",
    "redis://redis:": "redis://store:",
    "source: nginx": "source: apache",
    "depends_on: [mock]": "depends_on: [mocks]",
    "state:/data": "states:/data",
    "  redis:\n": "  store:\n",
}
# Of a mock beside an application.
ADDRESSES = {
    "--port 8000": "--port 8001",
    "test -f /tmp/ready.json": "test -f /ready.json",
    "http://kling:8000": "http://mock:8000",
}
PAGES = {"docs/scale-machines.md": MISTAKES, "docs/how-to/docker.md": ADDRESSES}


def test_a_mistake_in_a_compose_file_is_noticed() -> None:
    for page, mistakes in PAGES.items():
        text = Page.read(ROOT / page).block("yaml", "services").text
        check_compose(text)
        for right, wrong in mistakes.items():
            assert right in text
            with pytest.raises((AssertionError, KeyError, SystemExit, ValueError)):
                check_compose(text.replace(right, wrong))
