"""The command `kling-mock completion`: scripts that name all commands and options."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kling_mock.cli import _parser, main
from kling_mock.completion import SHELLS


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The names of all commands and options of a parser."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield name
                yield from options_of(command)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_names_all_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    # fish has its own form: -l name for --name, -s n for -n.
    words = set(re.findall(r"--?[\w-]+|\w+", script))
    if shell == "fish":
        words |= {f"--{name}" for name in re.findall(r"-l ([\w-]+)", script)}
        words |= {f"-{name}" for name in re.findall(r"-s (\w)", script)}
    wanted = set(options_of(_parser()))
    assert {"serve", "doctor", "--ready-file", "--schema"} <= wanted
    assert wanted - words == set()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes(capsys: pytest.CaptureFixture[str]) -> None:
    """The function of the script, called as bash calls it after `kling-mock doctor --j<Tab>`."""
    main(["completion", "bash"])
    script = capsys.readouterr().out
    function = re.findall(r"^complete .*-F (\S+) kling-mock$", script, re.MULTILINE)[-1]
    script += f"\nCOMP_WORDS=(kling-mock doctor --j) COMP_CWORD=2\n{function}\necho ${{COMPREPLY[@]}}\n"
    done = subprocess.run(
        ["bash", "--norc"], input=script, capture_output=True, text=True, check=True, timeout=30
    )
    assert (done.stdout.strip(), done.stderr) == ("--json", "")


def test_without_the_extra(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "kling-mock: shtab is not installed: pip install 'kling-mock[completion]'",
        "help: kling-mock help extra",
    ]
