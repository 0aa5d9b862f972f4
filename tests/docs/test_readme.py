"""Every block of the README is executed, and its output compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kling_mock import Fake
from tests.docs.page_runner import PageRunner
from tests.docs.pages import ROOT, Page

Runner = Callable[[Path], PageRunner]


def test_the_fixture_example_passes(readme: Page, runner: Runner) -> None:
    """The tests of the first section pass, in an empty project."""
    page = runner(ROOT / "README.md")
    page.run_block(readme.block("python", "def test_poster"))
    page.project.run_tests()


def test_the_server_example_gives_the_shown_answer(readme: Page, runner: Runner) -> None:
    """The commands of the local server: the response to curl is the one shown."""
    page = runner(ROOT / "README.md")
    (command,) = re.findall(r"^(kling-mock serve .*)$", readme.text, re.MULTILINE)
    page._mock(command.split()[1:])
    page.run_block(readme.block("sh", "curl"))
    page.run_block(readme.block("json", "SUCCEED"))


@pytest.mark.kling(pace="instant")
def test_the_client_example_runs(
    readme: Page, runner: Runner, kling: Fake, pytester: pytest.Pytester
) -> None:
    """The lines of the client save a picture, with the variables that are shown."""
    page = runner(ROOT / "README.md")
    page.run_block(readme.block("sh", "export"))
    page.run_block(readme.block("python", "with Client()"))
    assert page.output is not None
    assert "succeed" in page.output
    assert [path.name for path in (pytester.path / "out").iterdir()] == [f"{kling.task.id}-0.png"]


def test_the_verifier_passes_the_fake(readme: Page, runner: Runner) -> None:
    """The command of the section about verifying, with a server as it is started above."""
    page = runner(ROOT / "README.md")
    page._mock(["serve", "--port", "8000"])
    page.run_block(readme.block("sh", "kling-contracts verify"))
    assert page.output is not None
    assert page.output.startswith("passed: ")


def test_the_make_targets_exist(readme: Page) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)", readme.block("sh", "make demo").text, re.MULTILINE)
    assert targets
    for target in targets:
        assert f"\n{target}:" in makefile


def test_the_pictures_are_small() -> None:
    """`make screenshot` writes them."""
    for name in ("demo", "dashboard"):
        assert (ROOT / "docs" / "images" / f"{name}.png").stat().st_size <= 200_000


def test_every_block_is_accounted_for(readme: Page) -> None:
    """A new block needs a test."""
    assert Counter(block.language for block in readme.blocks) == {"python": 2, "sh": 4, "json": 1, "": 1}
