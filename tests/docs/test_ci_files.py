"""The check of the files of CI services finds options, addresses and files that do not fit."""

from __future__ import annotations

import pytest

from tests.docs.ci_files import check_ci
from tests.docs.pages import ROOT, Page

MISTAKES = {
    "jobs": {
        "--pace": "--pce",
        "--port 8000": "--port 8001",
        "test -f ready.json": "test -f server.json",
        "uses: actions/checkout@v4": "uses: actions/checkout",
        "- run: npm ci": "- rn: npm ci",
        "KLING_BASE_URL": "BASE_URL",
    },
    "script": {
        "--pace": "--pce",
        "alias: kling": "alias: mock",
        "--host 0.0.0.0": "--host 127.0.0.1",
        "--control-token ci-token": "--control-token other-token",
        "ci-token": "ci",  # too short
        "/_mock/health": "/health",
        "KLING_BASE_URL: http://kling:8000": "KLING_BASE_URL: http://kling:80",
    },
}


def test_a_mistake_in_a_file_of_a_ci_service_is_noticed() -> None:
    page = Page.read(ROOT / "docs/how-to/ci.md")
    for word, mistakes in MISTAKES.items():
        text = page.block("yaml", f"\n{'' if word == 'jobs' else '  '}{word}:").text
        check_ci(text)
        for right, wrong in mistakes.items():
            assert right in text
            with pytest.raises((AssertionError, KeyError, SystemExit, ValueError)):
                check_ci(text.replace(right, wrong))
