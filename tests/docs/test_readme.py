"""Every block of the README is executed, and its output compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_mock import Fake

if TYPE_CHECKING:
    from tests.docs.conftest import Page, Player

ROOT = Path(__file__).parents[2]
Play = Callable[[Path], "Player"]


def test_the_fixture_example_passes(readme: Page, player: Play) -> None:
    """The tests of section 1 pass, in an empty project."""
    playing = player(ROOT / "README.md")
    playing.play_block(readme.block("python", "def test_poster"))
    playing.run_tests()


def test_the_server_example_gives_the_shown_answer(readme: Page, player: Play) -> None:
    """The commands of section 2: the response to curl is the one shown."""
    playing = player(ROOT / "README.md")
    (command,) = re.findall(r"^\$ (kling-mock serve .*)$", readme.text, re.MULTILINE)
    playing._mock(command.split()[1:])
    playing.play_block(readme.block("sh", "curl"))
    playing.play_block(readme.block("json", "SUCCEED"))


@pytest.mark.kling(pace="instant")
def test_the_client_example_runs(readme: Page, player: Play, kling: Fake, pytester: pytest.Pytester) -> None:
    """The lines of section 3 save a picture, with the variables that are shown."""
    playing = player(ROOT / "README.md")
    playing.play_block(readme.block("sh", "export"))
    playing.play_block(readme.block("python", "with Client()"))
    assert playing.output is not None
    assert playing.output.startswith(kling.task.id)
    assert [path.name for path in (pytester.path / "out").iterdir()] == [f"{kling.task.id}-0.png"]


def test_the_verifier_passes_the_fake(readme: Page, player: Play) -> None:
    """The command of the section about verifying, with a server as section 2 starts it."""
    playing = player(ROOT / "README.md")
    playing._mock(["serve", "--port", "8000"])
    playing.play_block(readme.block("sh", "kling-contracts verify"))
    assert playing.output is not None
    assert playing.output.startswith("passed: ")


def test_the_make_targets_exist(readme: Page) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`make (\w+)`", readme.text)
    assert targets
    for target in targets:
        assert f"\n{target}:" in makefile


def test_the_picture_is_small() -> None:
    """`make screenshot` writes it."""
    assert (ROOT / "docs" / "images" / "demo.png").stat().st_size <= 200_000


def test_every_block_is_accounted_for(readme: Page) -> None:
    """A new block needs a test."""
    assert Counter(block.language for block in readme.blocks) == {"python": 2, "sh": 3, "json": 1, "": 1}
