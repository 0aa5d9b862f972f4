"""The command `kling-mock`: `serve` a fake on a local port, or see the whole of it in a `demo`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from kling_mock import __version__
from kling_mock.settings import Settings, read_switch

if TYPE_CHECKING:
    from kling_mock.doors.tls import Certificate

USAGE_ERROR: Final = 2
# Other defaults than those of the settings: a person in a browser does not poll, and a local server should
# not accept a real key by mistake.
SERVE_DEFAULTS: Final = {"pace": "realistic", "keys": "sk-mock,sk-mock-*"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 done, 1 failed, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        match options.command:
            case "serve":
                return _serve(options)
            case "demo":
                from kling_mock.demo import run_demo

                return run_demo(options.images, options.out, speed=options.speed)
            case _:
                parser.print_help()
                return USAGE_ERROR
    except (ValueError, OSError) as error:
        sys.stderr.write(f"kling-mock: {error}\n")
        return USAGE_ERROR if isinstance(error, ValueError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kling-mock",
        description="A faithful offline fake of Kling's Multi-Image to Image API.",
    )
    parser.add_argument("--version", action="version", version=f"kling-mock {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve the fake on a local port until Ctrl-C")
    serve.add_argument("--host", default="127.0.0.1", help="interface to listen on (default: %(default)s)")
    serve.add_argument(
        "--port", type=int, default=8000, help="port, 0 for any free one (default: %(default)s)"
    )
    serve.add_argument(
        "--ready-file",
        type=Path,
        metavar="F",
        help="write JSON with url, keys and pid there once it answers; removed at the end",
    )
    serve.add_argument("--certfile", type=Path, metavar="F", help="serve HTTPS with this certificate (PEM)")
    serve.add_argument(
        "--keyfile", type=Path, metavar="F", help="the key of the certificate, if --certfile does not have it"
    )
    serve.add_argument("--quiet", action="store_true", help="do not print a line for each call")
    serve.add_argument(
        "--log",
        choices=("text", "json"),
        default="text",
        help="lines for people, or one JSON object a line (default: %(default)s)",
    )
    for switch in _switches():
        flag, doc = switch.metadata["flag"], switch.metadata["doc"]
        default = SERVE_DEFAULTS.get(switch.name, _spelling(switch.default))
        optional: dict[str, Any] = {"nargs": "?", "const": "true"} if isinstance(switch.default, bool) else {}
        serve.add_argument(
            flag,
            dest=switch.name,
            metavar=flag.removeprefix("--").upper(),
            help=f"{doc} (default: {default})".replace("%", "%%"),
            **optional,
        )
    demo = commands.add_parser("demo", help="see a task from two pictures to a finished PNG, offline")
    demo.add_argument("images", nargs="*", type=Path, help="2 to 4 PNG or JPEG files (default: two samples)")
    demo.add_argument(
        "--out", type=Path, default=Path("demo-out"), help="folder for the result (default: %(default)s)"
    )
    demo.add_argument(
        "--speed", type=float, default=10.0, help="times as fast as the real service (default: 10)"
    )
    return parser


def _switches() -> list[Field[Any]]:
    return [each for each in fields(Settings) if each.metadata["flag"] is not None]


def _spelling(default: object) -> str:
    if isinstance(default, tuple | frozenset):
        items = cast("Iterable[object]", default)
        return ",".join(f"{each:g}" if isinstance(each, float) else str(each) for each in items) or "none"
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)


def _serve(options: argparse.Namespace) -> int:
    from kling_mock.console import Console
    from kling_mock.doors.server import bind, serve_until_interrupted, url_of
    from kling_mock.fake import Fake
    from kling_mock.ready_file import ReadyFile

    _open_standard_streams()
    spelled = {switch.name: getattr(options, switch.name) for switch in _switches()}
    given = SERVE_DEFAULTS | {name: text for name, text in spelled.items() if text is not None}
    try:
        switches: dict[str, Any] = {name: read_switch(name, text) for name, text in given.items()}
        fake = Fake(**switches)
    except ValueError as error:
        raise ValueError(_in_flags(str(error))) from None
    certificate = _certificate(options)
    ready = None if options.ready_file is None else ReadyFile(options.ready_file)
    listening = bind(options.host, options.port)
    url = url_of(listening, "http" if certificate is None else "https")
    console = Console(fake, quiet=options.quiet, log=options.log)
    app = fake.asgi()
    app.note = console.note

    def announce() -> None:
        console.greet(url)
        if ready is not None:
            try:
                ready.write(url, fake.settings.keys)
            except OSError as error:
                console.problem(f"--ready-file: not written: {error}")

    try:
        serve_until_interrupted(app, listening, announce, console.sender().run, certificate=certificate)
    finally:
        if ready is not None:
            ready.remove()
    console.farewell()
    return 0


def _open_standard_streams() -> None:
    """Open those that are closed: a socket that got one of their numbers would abort libuv."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def _certificate(options: argparse.Namespace) -> Certificate | None:
    from kling_mock.doors.tls import Certificate

    if options.certfile is None:
        if options.keyfile is not None:
            raise ValueError("--keyfile: needs --certfile, the certificate that the key belongs to")
        return None
    certificate = Certificate(options.certfile, options.keyfile)
    try:
        certificate.context()
    except ValueError as error:
        raise ValueError(f"--certfile: {error}") from None
    return certificate


def _in_flags(message: str) -> str:
    """A message that begins with the name of a setting, with its flag in place of that."""
    name, colon, rest = message.partition(":")
    flags = {switch.name: switch.metadata["flag"] for switch in _switches()}
    return f"{flags[name]}:{rest}" if colon and name in flags else message
