"""Requests with large or dense bodies, parsed in a process of their own.

Decoding JSON and base64 holds the interpreter lock for as long as one call into C takes: 30 MB of empty lists
for seconds, in any thread. The process receives the request and returns the command that it is;
all decisions remain here. A process serves one request, so its memory goes with it.
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
from kling_mock.commands import Command, Create, Refused
from kling_mock.http import Request
from kling_mock.routing import parse_request
from kling_mock.service import NOTES_KEPT, ParsedRequest
from kling_mock.settings import Settings

Parsed = tuple[Command, Token | None]

# Up to this size a thread parses a body, unless it has many values or escapes: strings are decoded fast.
PLAIN_BYTES: Final = 8 * 1024 * 1024
DENSE_MARKS: Final = 20_000
_MARKS: Final = (b",", b"[", b"{", b"\\")
_PIECE: Final = 1024 * 1024
# Settings that parsing does not read. A gateway of a test may not be picklable.
_UNUSED: Final = frozenset({"pace", "callback_retries", "gateways"})


def needs_process(body: bytes | bytearray, settings: Settings) -> bool:
    """Whether parsing the body in a thread would stall others. Decoding a picture for a thumbnail does."""
    if len(body) > PLAIN_BYTES or (settings.thumbnails and body):
        return True
    marks = 0
    for mark in _MARKS:
        marks += body.count(mark)
    return marks > DENSE_MARKS


class ParsingProcesses:
    """Starts processes; those that still run at the end of the program are killed."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        weakref.finalize(self, _kill, self._running)

    def parse(
        self, request: Request, body: bytes | bytearray, settings: Settings, system: float
    ) -> ParsedRequest | None:
        """The request with the command that it is; None if the process ended without it.

        `request` is given without its body.

        Raises OSError if no process can be started, ValueError for gateways that it does not know.
        """
        if any(gateway not in GATEWAYS for gateway in settings.gateways):
            raise ValueError("gateways: a declared gateway is known to this process only")
        names = [gateway.name for gateway in settings.gateways]
        used = {each.name: getattr(settings, each.name) for each in fields(settings)}
        switches = {name: value for name, value in used.items() if name not in _UNUSED}
        switches["keys"] = tuple(settings.keys)  # which refuse pickling; these go through a pipe only
        head = pickle.dumps((request, {**switches, "gateways": names}, system, len(body)))
        start = f"import sys; sys.path[:] = {sys.path!r}; from kling_mock.heavy_requests import main; main()"
        process = subprocess.Popen(  # noqa: S603 -- this program, with words of its own
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
    assert process.stdin is not None  # noqa: S101 -- both are pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(len(head).to_bytes(8) + head)
    process.stdin.flush()
    descriptor, view = process.stdin.fileno(), memoryview(body)
    at = 0
    while at < len(view):
        at += os.write(descriptor, view[at : at + _PIECE])
    process.stdin.close()
    return cast("Parsed", _Unpickler(process.stdout).load())


# -- commands as bytes: gateways and operations by name


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


# -- in the process


def main() -> None:
    """Read a request from standard input, write its command to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    gc.disable()  # walking millions of values would take longer than decoding them
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    request, switches, system, size = pickle.loads(_read(source, int.from_bytes(_read(source, 8))))  # noqa: S301 -- from the server
    body = _read(source, size)
    command, token = parse_request(replace(request, body=body, length=None), Settings.of(switches), system)
    if isinstance(command, Create | Refused) and len(command.notes) > NOTES_KEPT:
        last = NOTES_KEPT - 1
        notes = (*command.notes[:last], f"and {len(command.notes) - last} more")
        command = replace(command, notes=notes)
    written = io.BytesIO()
    _Pickler(written).dump((command, token))
    sink.write(written.getvalue())
    sink.flush()
    os._exit(0)  # freeing millions of values takes long as well


def _read(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError("the server has ended")
    return data
