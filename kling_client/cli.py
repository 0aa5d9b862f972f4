"""Arguments, help and entry point of the command `kling-client`."""

from __future__ import annotations

import argparse
import math
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from kling_client.config import DEFAULT_DEADLINE, DEFAULT_GATEWAY, DEFAULT_TIMEOUT
from kling_client.console import PROGRAM, Console
from kling_contracts.argument_parser import USAGE_ERROR, ArgumentParser, ShowVersion
from kling_contracts.gateways import GATEWAYS
from kling_contracts.standard_streams import READER_GONE, open_closed_streams
from kling_contracts.vocabulary import (
    ACCESS_KEY_VARIABLE,
    API_KEY_VARIABLE,
    ASPECT_RATIOS,
    BASE_URL_VARIABLE,
    DEFAULT_PAGE_SIZE,
    KLING_API_KEY_VARIABLE,
    SECRET_KEY_VARIABLE,
)

EPILOG: Final = f"""\
examples:
  {PROGRAM} generate a.png b.png --prompt "at sea" --aspect-ratio 3:2 --out posters
  {PROGRAM} generate a.png b.png --dry-run
  {PROGRAM} wait 867283741759111202 --out posters
  {PROGRAM} list --gateway kling --limit 10

environment variables (keys are read from the environment only, since other users can see a command line):
  {API_KEY_VARIABLE}: key for CometAPI
  {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or {KLING_API_KEY_VARIABLE}: key for Kling
  {BASE_URL_VARIABLE}: base URL of the service, if --base-url is not given

exit status:
  0 done
  1 the task failed
  2 wrong usage, or the request is invalid; nothing was sent
  3 the deadline passed; the task continues, and the command to resume is printed
  4 refused by the service, no connection, or an image could not be saved
  130 interrupted; the task continues

output: lines of a name and a value (task, status, failure, image, file) on stdout, or one JSON object \
with --json; everything else on stderr.
"""

GENERATE_EPILOG: Final = f"""\
examples:
  {PROGRAM} generate a.png b.png --prompt "at sea" --aspect-ratio 3:2
  {PROGRAM} generate a.png https://example.com/b.jpg --n 4 --out posters
  {PROGRAM} generate a.png b.png --no-wait --external-id poster-7
"""

WAIT_EPILOG: Final = f"""\
example:
  {PROGRAM} wait 867283741759111202 --deadline 1200 --out posters
"""


class _Formatter(argparse.HelpFormatter):
    """Wraps each line of a description or epilog separately, so that lists stay lists at any width."""

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
        groups: Iterable[argparse._MutuallyExclusiveGroup],  # pyright: ignore[reportPrivateUsage] -- the signature of the base class
        prefix: str | None = None,
    ) -> None:
        # argparse does not wrap an explicit usage.
        if usage is not None:
            room = self._width - self._current_indent - len("usage: ")
            usage = "\n       ".join(_wrapped(usage % {"prog": self._prog}, room))
        super().add_usage(usage, actions, groups, prefix)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(" ".join(text.split()), width)


class _Parser(ArgumentParser):
    """Reports errors on the console of the command."""

    def report(self, message: str) -> None:
        Console(as_json=False).error(message)


def _wrapped(text: str, width: int, initial_indent: str = "", subsequent_indent: str = "") -> list[str]:
    # Names of commands and options are not split.
    return textwrap.wrap(
        text,
        width,
        initial_indent=initial_indent,
        subsequent_indent=subsequent_indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status. Invalid arguments raise SystemExit(2), as in argparse."""
    open_closed_streams()
    parser = _parser()
    try:
        options = parser.parse_args(argv)
        if options.command is None:
            parser.print_help(sys.stderr)
            return USAGE_ERROR
        from kling_client.commands import Run

        return Run(options).execute()
    except BrokenPipeError:
        return READER_GONE
    except OSError as error:  # of --help or --version, as `Run` reports all others
        from kling_client.commands import Exit
        from kling_contracts.help_links import help_line, kinds_of

        message = f"{error.filename}: {error.strerror}"
        parser.report(message)
        Console(as_json=False).note(help_line(kinds_of(error), message))
        return Exit.ERROR


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Client for Kling's Multi-Image to Image API: images from subject images and a prompt.",
        epilog=EPILOG,
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    generate = commands.add_parser(
        "generate",
        usage="%(prog)s [options] IMAGE [IMAGE ...]",
        formatter_class=_Formatter,
        help="create a task, wait for it and save its images",
        description="Create a task (which costs money), print its id, wait for it and save its images.",
        epilog=GENERATE_EPILOG,
    )
    _add_request(generate)
    _add_waiting(generate, Path(), "folder for the images (default: current)")
    _add_connection(generate)
    get = commands.add_parser(
        "get",
        usage="%(prog)s [options] ID",
        formatter_class=_Formatter,
        help="query a task once",
        description="Query a task once and print its status and the URLs of its images.",
    )
    _add_id(get)
    _add_connection(get)
    wait = commands.add_parser(
        "wait",
        usage="%(prog)s [options] ID",
        formatter_class=_Formatter,
        help="wait for an existing task",
        description="Wait for an existing task; save its images, or print their URLs.",
        epilog=WAIT_EPILOG,
    )
    _add_id(wait)
    _add_waiting(wait, None, "folder for the images (default: print their URLs only)")
    _add_connection(wait)
    tasks = commands.add_parser(
        "list",
        usage="%(prog)s [options]",
        formatter_class=_Formatter,
        help="list tasks, newest first (gateway kling only)",
        description="List the tasks of the account, newest first. Gateway kling only.",
    )
    tasks.add_argument(
        "--limit",
        type=_count,
        default=DEFAULT_PAGE_SIZE.value,
        metavar="COUNT",
        help="maximum number of tasks (default: %(default)s)",
    )
    _add_connection(tasks)
    return parser


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection and output")
    names = [gateway.name for gateway in GATEWAYS]
    group.add_argument(
        "--gateway",
        choices=names,
        default=DEFAULT_GATEWAY,
        help=f"service to use: {' or '.join(names)} (default: %(default)s); keys: see {PROGRAM} --help",
        metavar="NAME",
    )
    group.add_argument(
        "--base-url",
        metavar="URL",
        help=f"base URL of the service (default: {BASE_URL_VARIABLE}, else that of the gateway)",
    )
    group.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="limit for each of connecting, sending and receiving (default: %(default)g)",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object on stdout instead of lines")


def _add_waiting(parser: argparse.ArgumentParser, out: Path | None, out_help: str) -> None:
    group = parser.add_argument_group("waiting and saving")
    group.add_argument("--out", type=Path, default=out, metavar="DIR", help=out_help)
    group.add_argument(
        "--deadline",
        type=_seconds,
        default=DEFAULT_DEADLINE,
        metavar="SECONDS",
        help="maximum time to wait for the task (default: %(default)g)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace existing files")


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task_id", metavar="ID", help="task id; with gateway kling also an external id")


def _add_request(generate: argparse.ArgumentParser) -> None:
    generate.add_argument(
        "images", nargs="+", metavar="IMAGE", help="subject image: path of a PNG or JPEG file, or URL"
    )
    request = generate.add_argument_group("request")
    request.add_argument("--prompt", metavar="TEXT", help="description of the images to draw")
    request.add_argument(
        "--aspect-ratio", metavar="W:H", help=f"of the images: {', '.join(ASPECT_RATIOS.value)}"
    )
    request.add_argument("--n", type=_integer, metavar="COUNT", help="number of images to draw")
    request.add_argument("--scene", metavar="IMAGE", help="scene image: path or URL")
    request.add_argument("--style", metavar="IMAGE", help="style image: path or URL")
    request.add_argument("--model", metavar="NAME", help="name of the model")
    request.add_argument("--callback-url", metavar="URL", help="URL that receives each change of status")
    request.add_argument(
        "--external-id", metavar="ID", help="your own id for the task, unique in the account"
    )
    generate.add_argument("--no-wait", action="store_true", help="print the task id and exit")
    generate.add_argument("--dry-run", action="store_true", help="print the request without sending it")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"must be a number of seconds >= 0; got {text!r}")
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer; got {text!r}") from None


def _count(text: str) -> int:
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {value}")
    return value
