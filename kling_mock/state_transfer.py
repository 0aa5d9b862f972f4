"""The commands `kling-mock export` and `import`: state in a file of JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

from kling_contracts.redaction import escape_controls, hide_in_urls
from kling_contracts.standard_streams import writing
from kling_contracts.vocabulary import CONTROL_PREFIX, TOKEN_HEADER
from kling_mock.saved_state import SavedState
from kling_mock.setting_checks import check_token, read_origin
from kling_mock.stores import StateNotKept
from kling_mock.stores.lines import dump, parse
from kling_mock.stores.record_format import Item
from kling_mock.suggestions import counted

T = TypeVar("T")

STATE_PATH: Final = f"{CONTROL_PREFIX}/state"
DEFAULT_URL: Final = "http://127.0.0.1:8000"
# The name of standard input and output.
STANDARD: Final = Path("-")
# A server with a large state needs this time in seconds before it sends the first byte.
PATIENCE: Final = 120.0


def add_options(parser: argparse.ArgumentParser, *, imports: bool) -> None:
    """The options of `export` or `import`."""
    stream = "input" if imports else "output"
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help=f"file with one JSON object for each line; - is standard {stream}",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--state", metavar="FILE", help="state file that no server uses at present, or redis://HOST:PORT/0"
    )
    place.add_argument("--url", metavar="URL", help=f"address of a running server (default: {DEFAULT_URL})")
    parser.add_argument("--control-token", metavar="TOKEN", help="the --control-token of that server")
    if imports:
        parser.add_argument("--replace", action="store_true", help="replace the tasks and scripts there")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def export_state(options: argparse.Namespace) -> int:
    """Write the state of a file or server to `options.file`. Raises ValueError, OSError."""
    if options.state is not None and "://" in options.state:
        from kling_mock.fake import Fake

        with Fake(state=options.state) as fake:
            data = bytes(fake.snapshot())
        items = _checked(data)
    elif options.state is not None:
        from kling_mock.stores.state_file import read_items

        items = read_items(options.state)
        data = dump(_shown(items, "reading"))
    else:
        data = _request(options, "GET")
        items = _checked(data)
    report = sys.stdout
    if options.file == STANDARD:
        with writing():
            sys.stdout.buffer.write(data)
        report = sys.stderr
    else:
        SavedState(data).save(options.file)
    _report(report, options, items, "exported to")
    return 0


def import_state(options: argparse.Namespace) -> int:
    """Write the state in `options.file` to a state file or server, whole or, with an error, not at all.

    Raises ValueError, OSError.
    """
    data = _standard_input() if options.file == STANDARD else options.file.read_bytes()
    try:
        items = _checked(data)
    except ValueError as error:
        from kling_mock.stores.state_file import StateFileRefused

        raise StateFileRefused(f"{escape_controls(str(options.file))}: {error}") from None
    if options.state is not None:
        from kling_mock.fake import Fake

        with Fake(state=options.state) as fake:
            try:
                fake.load_state(SavedState(data), replace=options.replace)
            except StateNotKept as error:
                raise ValueError(str(error)) from error
    else:
        _request(options, "POST", data, "?replace=true" if options.replace else "")
    _report(sys.stdout, options, items, "imported from")
    return 0


def _standard_input() -> bytes:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] -- it is closed
        raise ValueError("standard input is closed; give the name of a file")
    return sys.stdin.buffer.read()


def _request(options: argparse.Namespace, method: str, data: bytes | None = None, query: str = "") -> bytes:
    """The body of the response of the server, with a progress bar."""
    import httpx

    check_token("--control-token", options.control_token)
    url = f"{read_origin('--url', options.url or DEFAULT_URL)}{STATE_PATH}{query}"
    headers = {} if options.control_token is None else {TOKEN_HEADER: options.control_token}
    shown = hide_in_urls(url)
    received = bytearray()
    try:
        with (
            httpx.Client(trust_env=False, timeout=PATIENCE, headers=headers) as client,
            client.stream(method, url, content=None if data is None else _sent(data)) as response,
        ):
            for chunk in _shown(response.iter_bytes(), "receiving"):
                received += chunk
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(
            f"{shown}: {error or type(error).__name__}; start the server, or use --state FILE"
        ) from None
    if response.status_code != 200:
        raise ValueError(f"{shown}: status {response.status_code}: {_message(bytes(received))}")
    return bytes(received)


def _sent(data: bytes, size: int = 2**18) -> Iterator[bytes]:
    yield from _shown([data[at : at + size] for at in range(0, len(data), size)], "sending")


def _checked(data: bytes) -> list[Item]:
    return parse(data, lambda lines: _shown(lines, "checking"))


def _message(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
        return escape_controls(str(answer["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return f"not a server of kling-mock with {STATE_PATH}"


def _shown(parts: Iterable[T], what: str) -> Iterable[T]:
    """The parts, with a progress bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        return parts
    from rich.console import Console
    from rich.progress import track

    return track(parts, what, console=Console(stderr=True), transient=True)


def _report(out: TextIO, options: argparse.Namespace, items: list[Item], verb: str) -> None:
    kinds = Counter(type(item).__name__ for item in items)
    tasks, calls = kinds["TaskState"], kinds["CallRecord"]
    if options.json:
        result = {"file": str(options.file), "items": len(items), "tasks": tasks, "calls": calls}
        out.write(json.dumps(result) + "\n")
        return
    summary = f"{counted(tasks, 'task')} and {counted(calls, 'call')}"
    out.write(f"{summary} {verb} {escape_controls(str(options.file))}\n")
