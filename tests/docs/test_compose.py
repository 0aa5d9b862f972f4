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


def test_a_mistake_in_a_compose_file_is_noticed() -> None:
    text = Page.read(ROOT / "docs/scale-machines.md").block("yaml", "services").text
    check_compose(text)
    for right, wrong in MISTAKES.items():
        assert right in text
        with pytest.raises((AssertionError, KeyError, SystemExit, ValueError)):
            check_compose(text.replace(right, wrong))
