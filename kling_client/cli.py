"""The command `kling-client`: create a task, wait for it, save its pictures."""

from __future__ import annotations

import argparse
import math
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from kling_client.config import DEFAULT_GATEWAY, DEFAULT_TIMEOUT
from kling_client.console import PROGRAM, Console
from kling_client.task import DEADLINE
from kling_contracts.gateways import GATEWAYS
from kling_contracts.vocabulary import (
    ACCESS_KEY_VARIABLE,
    API_KEY_VARIABLE,
    ASPECT_RATIOS,
    BASE_URL_VARIABLE,
    DEFAULT_PAGE_SIZE,
    KLING_API_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
)

USAGE_ERROR: Final = 2
# What a shell reports of a program whose reader went away (SIGPIPE).
READER_GONE: Final = 141

EPILOG: Final = f"""\
keys come from the environment only, as others can see a command line:
  {API_KEY_VARIABLE} for CometAPI
  {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or {KLING_API_KEY_VARIABLE}, for Kling itself
  {BASE_URL_VARIABLE} replaces the address of either

exit status:
  0 done
  1 the task failed
  2 wrong usage, or the request is invalid: nothing was sent
  3 the deadline passed; the task goes on, and the command to resume is shown
  4 refused by the service, no connection, or a picture could not be saved
  130 interrupted; the task goes on

stdout has lines of a word and a value (task, status, failure, image, file), or one JSON object with \
--json; everything else is on stderr.
"""


class _Formatter(argparse.HelpFormatter):
    """Wraps each line of a text by itself, so that lists stay lists on a terminal of any width."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled: list[str] = []
        for line in text.splitlines():
            own = indent + line[: len(line) - len(line.lstrip())]
            hanging = own + "  " if own else ""
            filled += _wrapped(line.strip(), width, initial_indent=own, subsequent_indent=hanging) or [""]
        return "\n".join(filled)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],  # pyright: ignore[reportPrivateUsage]
        prefix: str | None = None,
    ) -> None:
        # A usage of one's own is not wrapped by itself.
        if usage is not None:
            room = self._width - self._current_indent - len("usage: ")
            usage = "\n       ".join(_wrapped(usage % {"prog": self._prog}, room))
        super().add_usage(usage, actions, groups, prefix)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(" ".join(text.split()), width)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as the rest of the command does."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        Console(as_json=False).error(message)
        raise SystemExit(USAGE_ERROR)


def _wrapped(text: str, width: int, initial_indent: str = "", subsequent_indent: str = "") -> list[str]:
    # Names of commands and options stay whole.
    return textwrap.wrap(
        text,
        width,
        initial_indent=initial_indent,
        subsequent_indent=subsequent_indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status. Wrong arguments end in SystemExit(2), as argparse has it."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help(sys.stderr)
        return USAGE_ERROR
    from kling_client.commands import Run

    try:
        return Run(options).execute()
    except BrokenPipeError:
        # The interpreter flushes stdout once more when it exits; nobody is there for that either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Kling's Multi-Image to Image: a few pictures and a prompt in, new pictures out.",
        epilog=EPILOG,
        formatter_class=_Formatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    common, waiting = _common(), _waiting()
    generate = commands.add_parser(
        "generate",
        usage="%(prog)s [options] IMAGE [IMAGE ...]",
        parents=[common, waiting],
        formatter_class=_Formatter,
        help="create a task, wait for it and save its pictures",
        description="Create a task (which costs money), show its id, wait for it and save its pictures.",
    )
    _add_request(generate)
    get = commands.add_parser(
        "get",
        usage="%(prog)s [options] ID",
        parents=[common],
        formatter_class=_Formatter,
        help="show a task as it is now",
    )
    _add_id(get)
    wait = commands.add_parser(
        "wait",
        usage="%(prog)s [options] ID",
        parents=[common, waiting],
        formatter_class=_Formatter,
        help="wait for a task, however long ago it was created",
    )
    _add_id(wait)
    wait.add_argument(
        "--out", type=Path, metavar="DIR", help="save the pictures there (default: show their addresses)"
    )
    tasks = commands.add_parser(
        "list",
        usage="%(prog)s [options]",
        parents=[common],
        formatter_class=_Formatter,
        help="list tasks, newest first (Kling only)",
    )
    tasks.add_argument(
        "--limit",
        type=_count,
        default=DEFAULT_PAGE_SIZE.value,
        metavar="N",
        help="how many at most (default: %(default)s)",
    )
    return parser


def _common() -> _Parser:
    common = _Parser(add_help=False)
    group = common.add_argument_group("connection and output")
    names = [gateway.name for gateway in GATEWAYS]
    group.add_argument(
        "--gateway",
        choices=names,
        default=DEFAULT_GATEWAY,
        help=f"{' or '.join(names)} (default: %(default)s); keys: see {PROGRAM} --help",
        metavar="NAME",
    )
    group.add_argument(
        "--base-url", metavar="URL", help=f"where the service is (default: {BASE_URL_VARIABLE})"
    )
    group.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help="seconds for each of connecting, sending and receiving (default: %(default)g)",
    )
    group.add_argument("--json", action="store_true", help="one JSON object on stdout, and nothing else")
    return common


def _waiting() -> _Parser:
    waiting = _Parser(add_help=False)
    group = waiting.add_argument_group("waiting and saving")
    group.add_argument(
        "--deadline",
        type=_seconds,
        default=DEADLINE,
        metavar="S",
        help="seconds to wait for the task in total (default: %(default)g)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace files that exist")
    return waiting


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task_id", metavar="ID", help="task id; on Kling itself also an external id")


def _add_request(generate: argparse.ArgumentParser) -> None:
    generate.add_argument("images", nargs="+", metavar="IMAGE", help="subject picture: PNG or JPEG, or URL")
    generate.add_argument("--prompt", metavar="TEXT", help="what to draw")
    generate.add_argument("--aspect-ratio", metavar="W:H", help=", ".join(ASPECT_RATIOS.value))
    generate.add_argument("--n", type=int, metavar="N", help="how many pictures to draw")
    generate.add_argument("--scene", metavar="IMAGE", help="scene picture")
    generate.add_argument("--style", metavar="IMAGE", help="style picture")
    generate.add_argument("--model", metavar="NAME", help="model")
    generate.add_argument("--callback-url", metavar="URL", help="where the service reports each change")
    generate.add_argument("--external-id", metavar="ID", help="an id of your own, unique in the account")
    generate.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the pictures (default: this one)"
    )
    generate.add_argument("--no-wait", action="store_true", help="show the task id and do not wait")
    generate.add_argument("--dry-run", action="store_true", help="show what would be sent, and send nothing")


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value
