"""The command `kling-mock serve`: its options, the fake of them, and the server in one process or several."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from kling_contracts.argument_parser import USAGE_ERROR
from kling_mock.setting_text import read_switch
from kling_mock.settings import Settings

if TYPE_CHECKING:
    from kling_mock.console import Console
    from kling_mock.doors.tls import Certificate
    from kling_mock.fake import Fake
    from kling_mock.scenarios.scenario_reload import ScenarioReload

# Defaults that differ from those of `Settings`: realistic durations for manual development, and only keys
# that cannot be real ones.
SERVE_DEFAULTS: Final = {"pace": "realistic", "keys": "sk-mock,sk-mock-*"}

SERVE_EXAMPLES: Final = """\
examples:
  kling-mock serve                                   realistic durations
  kling-mock serve --pace polls:3                    done at the third poll
  kling-mock serve --keys sk-one,sk-two --slots 5    5 images at once for each
  kling-mock serve --scenario demo.toml              settings of a file, live
  kling-mock serve --port 0 --ready-file ready.json  any free port, in a file
"""


def add_serve_options(serve: argparse.ArgumentParser) -> None:
    """The options of `serve`, most of them from the settings."""
    groups = {
        name: serve.add_argument_group(name)
        for name in ("server", "accounts and limits", "tasks and results", "requests", "callbacks")
    }
    server = groups["server"]
    server.add_argument(
        "--host", default="127.0.0.1", metavar="HOST", help="address to listen on (default: %(default)s)"
    )
    server.add_argument(
        "--port", type=int, default=8000, metavar="N", help="port; 0: any free port (default: %(default)s)"
    )
    server.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="once ready, write JSON with url, keys and pid to FILE; removed at the end",
    )
    server.add_argument(
        "--certfile", type=Path, metavar="FILE", help="serve HTTPS with this certificate (PEM)"
    )
    server.add_argument(
        "--keyfile", type=Path, metavar="FILE", help="key of the certificate, if --certfile does not have it"
    )
    server.add_argument(
        "--scenario",
        type=Path,
        metavar="FILE",
        help="settings and scripts (TOML), loaded again after each change; flags take precedence",
    )
    server.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="server processes; more than one need a --state in Redis (default: %(default)s)",
    )
    server.add_argument("--quiet", action="store_true", help="do not log requests and callbacks")
    server.add_argument(
        "--log",
        choices=("text", "json"),
        default="text",
        help="log as text, or one JSON object for each line (default: %(default)s)",
    )
    for switch in _switches():
        default = SERVE_DEFAULTS.get(switch.name, _as_text(switch.default))
        optional: dict[str, Any] = {"nargs": "?", "const": "true"} if isinstance(switch.default, bool) else {}
        groups[switch.metadata["group"]].add_argument(
            switch.metadata["flag"],
            dest=switch.name,
            metavar=switch.metadata["metavar"],
            help=f"{switch.metadata['doc']} (default: {default})".replace("%", "%%").replace("`", ""),
            **optional,
        )


def _switches() -> list[Field[Any]]:
    return [each for each in fields(Settings) if each.metadata["flag"] is not None]


def _as_text(default: object) -> str:
    """A default in the format of its flag."""
    if isinstance(default, tuple | frozenset):
        items = cast("Iterable[object]", default)
        return ",".join(f"{each:g}" if isinstance(each, float) else str(each) for each in items) or "none"
    if isinstance(default, float):
        return f"{default:g}"
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)


def run_serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM. Raises ValueError, OSError."""
    _check_workers(options)
    fake, reload = make_fake(options)
    with fake:
        return _serve_fake(fake, reload, options)


def _check_workers(options: argparse.Namespace) -> None:
    workers, state = options.workers, options.state
    if workers < 1:
        raise ValueError(f"--workers: must be at least 1; got {workers}")
    if workers == 1:
        return
    if sys.platform == "win32":
        raise ValueError("--workers: several processes cannot share a socket on Windows; start one")
    if state is None or "://" not in state:
        place = "memory" if state is None else "a file"
        raise ValueError(
            f"--workers {workers}: processes cannot share a state in {place}; use --state redis://HOST:PORT/0"
        )
    if options.scenario is not None:
        raise ValueError(
            f"--workers {workers}: not accepted together with --scenario, which changes the settings of one "
            "process; use flags, and POST /_mock/scripts"
        )


def _serve_fake(fake: Fake, reload: ScenarioReload | None, options: argparse.Namespace) -> int:
    from kling_contracts.help_links import help_line, kinds_of
    from kling_mock.console import Console
    from kling_mock.doors.listening import bind, listens_on_loopback, url_of
    from kling_mock.doors.server import serve_until_interrupted
    from kling_mock.ready_file import ReadyFile

    certificate = _certificate(options)
    ready = None if options.ready_file is None else ReadyFile(options.ready_file)
    listening = bind(options.host, options.port)
    url = url_of(listening, "http" if certificate is None else "https")
    console = Console(fake, quiet=options.quiet, log=options.log)
    app = fake.asgi()
    app.note = console.note

    def announce() -> None:
        exposed = not listens_on_loopback(listening)
        console.show_start(url, exposed=exposed, scenario=options.scenario, workers=options.workers)
        if ready is not None:
            try:
                ready.write(url, fake.settings.keys)
            except OSError as error:
                text = f"--ready-file: {options.ready_file}: not written: {error.strerror}"
                console.problem(f"{text}\n{help_line(kinds_of(error), text)}")

    try:
        if options.workers == 1:
            background = _background(console, reload)
            serve_until_interrupted(app, listening, announce, background, certificate=certificate)
        else:
            from kling_mock.worker_processes import WorkerProcesses

            with listening:
                WorkerProcesses(options, listening, options.workers, console.problem).run(announce)
    finally:
        if ready is not None:
            ready.remove()
    with suppress(KeyboardInterrupt):  # a further Ctrl-C or SIGTERM
        console.show_end()
    return 0


def _background(console: Console, reload: ScenarioReload | None) -> Callable[[], Coroutine[Any, Any, None]]:
    """A coroutine function for the event loop of the server, until it is cancelled."""
    run = console.background()  # follows the changes of other processes from here on
    if reload is None:
        return run

    async def run_both() -> None:
        await asyncio.gather(run(), reload.run(console.note, console.problem))

    return run_both


def work() -> None:
    """The code of a process of `--workers`: serve until SIGTERM, or until the supervisor ends."""
    from kling_mock.console import Console
    from kling_mock.doors.server import serve_until_interrupted
    from kling_mock.worker_processes import begin_worker

    start = begin_worker()
    options = start.options
    try:
        fake, _ = make_fake(options)
    except ValueError as error:
        from kling_mock.cli import complain

        complain(str(error), error)
        sys.exit(USAGE_ERROR)
    fake.fix_settings("other processes serve with them (--workers)")
    with fake:
        console = Console(fake, quiet=options.quiet, log=options.log)
        app = fake.asgi()
        app.note = console.note
        background = console.background()
        certificate = _certificate(options)
        serve_until_interrupted(app, start.listening, start.report_ready, background, certificate=certificate)
        console.flush()


def make_fake(options: argparse.Namespace) -> tuple[Fake, ScenarioReload | None]:
    """The fake of `serve`. Flags take precedence over the scenario file, and the file over the defaults."""
    from kling_mock.fake import Fake

    given = {switch.name: getattr(options, switch.name) for switch in _switches()}
    defaults: dict[str, Any] = {name: read_switch(name, text) for name, text in SERVE_DEFAULTS.items()}
    try:
        flags: dict[str, Any] = {
            name: read_switch(name, text) for name, text in given.items() if text is not None
        }
        if options.scenario is None:
            return Fake(**{**defaults, **flags}), None
        Settings.of({**defaults, **flags})
    except ValueError as error:
        raise ValueError(_in_flags(str(error))) from None
    from kling_mock.scenarios.scenario_file import read_scenario
    from kling_mock.scenarios.scenario_reload import ScenarioReload

    settings = read_scenario(options.scenario).settings
    fake = Fake(**{**defaults, **settings, **flags})
    fake.load(options.scenario, defaults=defaults, **flags)
    return fake, ScenarioReload(fake, options.scenario, flags)


def _certificate(options: argparse.Namespace) -> Certificate | None:
    if options.certfile is None:
        if options.keyfile is not None:
            raise ValueError("--keyfile: needs --certfile, the certificate that the key belongs to")
        return None
    from kling_mock.doors.tls import Certificate

    certificate = Certificate(options.certfile, options.keyfile)
    try:
        certificate.context()
    except ValueError as error:
        raise ValueError(f"--certfile: {error}") from None
    return certificate


def _in_flags(message: str) -> str:
    """A message with the flag in place of the setting name with which it begins."""
    flags = {switch.name: switch.metadata["flag"] for switch in _switches()}
    return re.sub(r"\A\w+", lambda name: flags.get(name[0], name[0]), message)
