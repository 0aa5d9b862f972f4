"""Requests with large or dense bodies, each parsed in a separate process.

Decoding JSON and base64 holds the interpreter lock during one call into C, in any thread: for seconds with 30
MB of empty lists. The process receives the request and returns its command; decisions are made here. A
process parses one request, so its memory is freed with it.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import signal
import subprocess
import sys
import weakref
from dataclasses import fields
from typing import BinaryIO, Final, cast

from msgspec.structs import asdict, replace

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.operations import Operation
from kling_mock.auth import Token
from kling_mock.commands import Command, Create, ParsedRequest, Refused
from kling_mock.header_facts import header_facts
from kling_mock.http import Request
from kling_mock.routing import parse_request
from kling_mock.service import NOTES_KEPT
from kling_mock.settings import Settings

Parsed = tuple[Command, Token | None]

# Bodies up to this size are parsed in a thread, unless they have many values or escapes: strings decode fast.
PLAIN_BYTES: Final = 8 * 1024 * 1024
DENSE_MARKS: Final = 20_000
_MARKS: Final = (b",", b"[", b"{", b"\\")
_PIECE: Final = 1024 * 1024
# Settings that parsing does not read; `gateways` are passed by name.
_UNUSED: Final = frozenset({"pace", "callback_retries", "gateways"})


def needs_process(body: bytes | bytearray, settings: Settings) -> bool:
    """Whether parsing the body in a thread would stall other threads, as decoding a thumbnail does."""
    if len(body) > PLAIN_BYTES or (settings.thumbnails and body):
        return True
    marks = 0
    for mark in _MARKS:
        marks += body.count(mark)
    return marks > DENSE_MARKS


class ParsingProcesses:
    """Starts processes; those still running at exit are killed."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        weakref.finalize(self, _kill, self._running)

    def parse(
        self, request: Request, body: bytes | bytearray, settings: Settings, system: float
    ) -> ParsedRequest | None:
        """The request with its parsed command; None if the process ended without a result.

        `request` has no body; `system` is the system time. Raises OSError if no process can be started,
        ValueError for a gateway that is declared in this process only.
        """
        if any(gateway not in GATEWAYS for gateway in settings.gateways):
            raise ValueError("gateways: a declared gateway is known to this process only")
        names = [gateway.name for gateway in settings.gateways]
        used = {each.name: getattr(settings, each.name) for each in fields(settings)}
        switches = {name: value for name, value in used.items() if name not in _UNUSED}
        switches["webhook_secret"] = None  # not needed to parse a request
        switches["keys"] = tuple(settings.keys)  # their class refuses pickling, but a pipe stores nothing
        head = pickle.dumps((request, {**switches, "gateways": names}, system, len(body)))
        start = f"import sys; sys.path[:] = {sys.path!r}; from kling_mock.heavy_requests import main; main()"
        process = subprocess.Popen(  # noqa: S603 -- this interpreter, with constant code
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._running.add(process)
        try:
            with process:
                command, token = _exchange(process, head, body)
        except (OSError, EOFError, pickle.UnpicklingError):
            return None
        finally:
            self._running.discard(process)
        return ParsedRequest(**asdict(request), command=command, token=token)


def _kill(running: set[subprocess.Popen[bytes]]) -> None:
    for process in tuple(running):
        process.kill()


def _exchange(process: subprocess.Popen[bytes], head: bytes, body: bytes | bytearray) -> Parsed:
    assert process.stdin is not None  # noqa: S101 -- started with stdin=PIPE
    assert process.stdout is not None  # noqa: S101 -- started with stdout=PIPE
    process.stdin.write(len(head).to_bytes(8) + head)
    process.stdin.flush()
    descriptor, view = process.stdin.fileno(), memoryview(body)
    at = 0
    while at < len(view):
        at += os.write(descriptor, view[at : at + _PIECE])
    process.stdin.close()
    return cast("Parsed", _Unpickler(process.stdout).load())


# -- pickled commands, with gateways and operations by name


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> tuple[str, str, str] | None:
        match obj:
            case Gateway():
                return "gateway", obj.name, ""
            case Operation():
                owner = next(gateway for gateway in GATEWAYS if obj in gateway.operations)
                return "operation", owner.name, obj.name
            case _:
                return None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: tuple[str, str, str]) -> object:
        kind, owner, name = pid
        gateway = next(each for each in GATEWAYS if each.name == owner)
        return gateway if kind == "gateway" else gateway.find_operation(name)


# -- the code of the process


def main() -> None:
    """Read a request from standard input, write its command to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server handles Ctrl-C
    gc.disable()  # collections over millions of values would take longer than decoding them
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    request, switches, system, size = pickle.loads(_read(source, int.from_bytes(_read(source, 8))))  # noqa: S301 -- written by the server that started this process
    body = _read(source, size)
    whole = replace(request, body=body, length=None)
    command, token = parse_request(whole, header_facts(whole.headers), Settings.of(switches), system)
    if isinstance(command, Create | Refused) and len(command.notes) > NOTES_KEPT:
        last = NOTES_KEPT - 1
        notes = (*command.notes[:last], f"and {len(command.notes) - last} more")
        command = replace(command, notes=notes)
    written = io.BytesIO()
    _Pickler(written).dump((command, token))
    sink.write(written.getvalue())
    sink.flush()
    os._exit(0)  # without freeing millions of values


def _read(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError("the server ended")
    return data
