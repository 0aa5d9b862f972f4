"""The command `kling-mock help`: entries, pages and commands, as text and as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import pytest

from kling_mock.cli import main


@pytest.fixture(name="printed")
def printed_by_help(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str) -> str:
        assert main(["help", *words]) == 0
        return capsys.readouterr().out

    return run


def test_an_entry(printed: Callable[..., str]) -> None:
    assert printed("uncertain") == (
        "message   `the request may have been accepted and billed`\n"
        "solution  find out whether the task exists before you repeat the request: Errors\n"
        "more      `kling-mock help errors.md`\n"
    )
    assert json.loads(printed("uncertain", "--json"))["pages"] == ["errors.md"]


def test_a_page(printed: Callable[..., str]) -> None:
    """Its name with or without folder and suffix; the suffix distinguishes it from an entry."""
    for name in ("server", "server.md", "docs/server.md"):
        assert printed(name).startswith("# The server\n")
    assert printed("state").startswith("message ")
    assert printed("state.md").startswith("# State")
    assert printed("index").startswith("# Documentation\n")
    assert printed("how-to/flask").startswith("# Flask\n")
    assert json.loads(printed("server", "--json"))["page"] == "server.md"


def test_a_command_and_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for words, usage in (
        (["doctor"], "kling-mock doctor"),
        (["help"], "kling-mock help"),
        ([], "kling-mock ["),
    ):
        with pytest.raises(SystemExit, match="0"):
            main(["help", *words])
        assert capsys.readouterr().out.startswith(f"usage: {usage}")


def test_an_unknown_topic(capsys: pytest.CaptureFixture[str]) -> None:
    for topic, hint in (
        ("nokey", "did you mean 'no-key'?"),
        ("xyz", "kling-mock help index lists the pages"),
    ):
        assert main(["help", topic]) == 2
        assert capsys.readouterr().err == (
            f"kling-mock: help: unknown topic {topic!r}; {hint}\nhelp: kling-mock help options\n"
        )


@pytest.mark.parametrize("plain", [True, False])
def test_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, plain: bool
) -> None:
    """Code is bold instead of in backticks, and stays on one line; NO_COLOR removes the style."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 20)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1" if plain else "")
    main(["help", "no-key"])
    bold, normal = ("", "") if plain else ("\x1b[1m", "\x1b[0m")
    command = "export KLING_BASE_URL=http://127.0.0.1:8000 COMETAPI_KEY=sk-mock"
    assert capsys.readouterr().out.splitlines() == [
        f"message   {bold}no API key for CometAPI{normal}",
        f"solution  set {bold}COMETAPI_KEY{normal}. For a",
        "          local server:",
        f"          {bold}{command}{normal}",
    ]
    main(["help", "completion.md"])
    shown = capsys.readouterr().out
    assert "Completion of commands" in shown
    assert "```" not in shown
