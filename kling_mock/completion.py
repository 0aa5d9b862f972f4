"""The command `kling-mock completion`: scripts with which a shell completes commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from kling_contracts.extras import missing_package
from kling_contracts.standard_streams import write_output

SHELLS: Final = ("bash", "zsh", "fish")
EPILOG: Final = """\
examples:
  source <(kling-mock completion bash)                in ~/.bashrc
  kling-mock completion zsh > ~/.zfunc/_kling-mock    a folder of $fpath
  kling-mock completion fish > ~/.config/fish/completions/kling-mock.fish

It needs the extra `completion`: pip install 'kling-mock[completion]'
"""


def add_completion_options(completion: argparse.ArgumentParser) -> None:
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))


def run_completion(shell: str, parser: argparse.ArgumentParser) -> int:
    """Print the script for a shell. Raises ValueError without the package shtab."""
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise ValueError(str(missing_package(error, "completion"))) from None
    for action in _actions(parser):
        if action.type is Path:
            setattr(action, "complete", shtab.FILE)  # noqa: B010 -- an attribute that shtab reads
    write_output(shtab.complete(parser, shell).rstrip("\n") + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All actions of a parser and of its commands."""
    for action in parser._actions:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- argparse has no other list
        yield action
        commands: Any = action.choices
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            for command in commands.values():
                yield from _actions(command)
