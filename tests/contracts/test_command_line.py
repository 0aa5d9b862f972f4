"""The command line `kling-contracts`: version, help, suggestions for wrong names."""

from importlib.metadata import version

import pytest

from kling_contracts.cli import main
from kling_contracts.cli.options import near


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, f"kling-contracts {version('kling-mock')}\n")


@pytest.mark.parametrize("command", [[], ["verify"], ["judge"], ["explain"], ["openapi"]])
def test_help_fits_a_terminal(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0
    assert max(len(line) for line in shown.splitlines()) <= 110


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "kling-contracts verify --base-url" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("refuses.n.minium", "; did you mean 'refuses.n.minimum'?"),
        ("refuse.*", "; did you mean 'refuses.*'?"),
        ("accept.n.minimum", "; did you mean 'accepts.n.minimum'?"),
        ("xxxxxx.max_length", "; did you mean 'refuses.prompt.max_length'?"),
        ("zzz", ""),
        ("zzz.*", ""),
    ],
)
def test_suggestions_of_checks(wanted: str, hint: str) -> None:
    """A close id or group; for a wrong group, ids with the same name; else nothing."""
    ids = ["refuses.n.minimum", "accepts.n.minimum", "refuses.prompt.max_length", "auth.required"]
    assert near(wanted, ids) == hint


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["verfy"], "unknown command 'verfy'; did you mean 'verify'?"),
        (["verify", "--base-ulr", "x"], "unknown option '--base-ulr'; did you mean '--base-url'?"),
        (["verify", "--max-im", "1"], "the following arguments are required: --base-url"),
        (["explain", "--operatoin", "x"], "unknown option '--operatoin'; did you mean '--operation'?"),
        (["openapi", "--gateway", "klin"], "argument --gateway: unknown value 'klin'; did you mean 'kling'?"),
    ],
)
def test_an_unknown_word_gets_a_suggestion(
    command: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert stopped.value.code == 2
    assert f"kling-contracts: {message}" in capsys.readouterr().err
