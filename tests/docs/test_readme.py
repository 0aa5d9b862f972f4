"""Every block of the README is true: code is run, commands are given, figures of speech excepted."""

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
    """The tests of use 1 pass as they stand, in a fresh project."""
    playing = player(ROOT / "README.md")
    playing.play_block(readme.block("python", "def test_poster"))
    playing.run_tests()


def test_the_server_example_gives_the_shown_answer(readme: Page, player: Play) -> None:
    """The commands of use 2: a server is started, and curl gets what is shown."""
    playing = player(ROOT / "README.md")
    (command,) = re.findall(r"^\$ (kling-mock serve .*)$", readme.text, re.MULTILINE)
    playing._serve(command.split()[1:])
    playing.play_block(readme.block("sh", "curl"))
    playing.play_block(readme.block("json", "SUCCEED"))


@pytest.mark.kling(pace="instant")
def test_the_client_example_runs(readme: Page, player: Play, kling: Fake, pytester: pytest.Pytester) -> None:
    """The lines of use 3 save a picture; the variables they need are those that are shown."""
    playing = player(ROOT / "README.md")
    playing.play_block(readme.block("sh", "export"))
    playing.play_block(readme.block("python", "with Client()"))
    assert playing.output is not None
    assert playing.output.startswith(kling.task.id)
    assert [path.name for path in (pytester.path / "out").iterdir()] == [f"{kling.task.id}-0.png"]


def test_the_verifier_passes_the_fake(readme: Page, player: Play) -> None:
    """The command of use 4, with a server as use 2 starts it."""
    playing = player(ROOT / "README.md")
    playing._serve(["serve", "--port", "8000"])
    playing.play_block(readme.block("sh", "kling-contracts verify"))
    assert playing.output is not None
    assert playing.output.startswith("passed: ")


def test_the_make_targets_exist(readme: Page) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", readme.text, re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_every_block_is_accounted_for(readme: Page) -> None:
    """A new block needs a test: these are the ones that are run above or are output."""
    assert Counter(block.language for block in readme.blocks) == {"python": 2, "sh": 3, "json": 1, "": 3}
