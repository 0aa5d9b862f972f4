"""The parser of arguments for all commands: one format of errors, with suggestions for unknown words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from kling_contracts.redaction import escape_controls
from kling_contracts.standard_streams import write_output
from kling_contracts.suggestions import did_you_mean

USAGE_ERROR: Final = 2
_MISSING: Final = "the following arguments are required"


class ArgumentParser(argparse.ArgumentParser):
    """Ends with status 2 and a line `program: message` for unknown options, words and choices.

    The parsers of subcommands are of the same class. `--help` and `--version` raise the errors of
    `write_output`, which argparse ignores.
    """

    _given: Sequence[str] = ()

    def report(self, message: str) -> None:
        """Write an error to standard error. A command with an output of its own replaces this."""
        sys.stderr.write(f"{self.prog.partition(' ')[0]}: {escape_controls(message)}\n")

    def error(self, message: str) -> NoReturn:
        from kling_contracts.help_links import help_line

        if message.startswith(_MISSING):  # perhaps one that is misspelt, which argparse reports later
            unknown = next(filter(self._is_unknown, self._given), None)
            message = message if unknown is None else self._about_unknown(unknown)
        self.print_usage(sys.stderr)
        self.report(message)
        sys.stderr.write(f"{help_line(['options'], message)}\n")
        raise SystemExit(USAGE_ERROR)

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:
            write_output(message)
        else:
            super()._print_message(message, file)

    def parse_known_args(  # type: ignore[override]  # typeshed's overloads cannot be repeated
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        # Subparsers are called through this method; the usage in the error is then that of the command.
        self._given = list(args or ())
        options, rest = super().parse_known_args(args, namespace or argparse.Namespace())
        for word in rest:
            if word.startswith("-"):
                self.error(self._about_unknown(word))
        if rest:
            self.error(f"unexpected argument {rest[0]!r}")
        return options, rest

    def _is_unknown(self, word: str) -> bool:
        """Whether a word is neither an option nor the start of one."""
        option = word.partition("=")[0]
        return option.startswith("--") and not any(
            each.startswith(option) for each in self._option_string_actions
        )

    def _about_unknown(self, word: str) -> str:
        option = word.partition("=")[0]
        known, otherwise = self._option_string_actions, f"see {self.prog} --help"
        return f"unknown option {option!r}; {did_you_mean(option, known, otherwise)}"

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(str(value), list(action.choices))
            if action.option_strings:
                raise argparse.ArgumentError(action, f"unknown value {value!r}; {hint}")
            self.error(f"unknown {action.dest} {value!r}; {hint}")


class ShowVersion(argparse.Action):
    """Prints the version; it is looked up only then, as reading the metadata of distributions is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        write_output(f"{parser.prog} {version('kling-mock')}\n")
        parser.exit()
