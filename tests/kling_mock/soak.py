"""Mixed load on one server for minutes: `python -m tests.kling_mock.soak STATE SECONDS` (`make soak`).

`STATE` is `memory`, `sqlite` or `redis`. Clients create, poll, list and download, with scripted faults and
callbacks; the figures are latencies, and the memory, threads and descriptors of the server's processes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tests.kling_mock import serve_process
from tests.kling_mock.serve_process import CREATE, running
from tests.kling_mock.stores.redis_server import redis_server

LIST: Final = "/v1/images/multi-image2image?pageSize=30"
KEYS: Final = 20
# Prompts, the status of their creates (0: a connection that is reset), and how many creates have each.
PROMPTS: Final = (
    ("two at sea", 200, 16),
    ("[mock fails=1301]", 200, 1),
    ("[mock answers.status=500]", 500, 1),
    ("[mock answers.status=429 answers.code=1303]", 429, 1),
    ("[mock resets]", 0, 1),
)
# A task whose number is a multiple has a callback, or its picture downloaded, or is followed by a list.
CALLBACK_EVERY: Final = 7
DOWNLOAD_EVERY: Final = 21
LIST_EVERY: Final = 11
# The seconds for which the server keeps tasks: at least these, and this part of a run, so that their number
# is constant after the warm-up. A client under load must have polled a task to its end by then.
RETENTION: Final = 15.0
RETAINED: Final = 0.3
SAMPLES_EVERY: Final = 0.5
# The part of a run before the figures of the server are compared, and their growth after it.
WARM_UP: Final = 0.4
GROWTH: Final = 1.05
PARTS: Final = MappingProxyType({"p50": 0.5, "p99": 0.99, "max": 1.0})


class Sizes(NamedTuple):
    """All processes of a server together: memory in kB, threads, and open files without connections."""

    memory: int
    threads: int
    files: int


class Load:
    """Clients with one connection each, and what they received."""

    def __init__(self, host: str, port: int, pause: float) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()
        self.callbacks = 0
        self._address = host, port
        self._pause = pause
        self._prompts = itertools.cycle([each for each in PROMPTS for _ in range(each[2])])
        self._numbers = itertools.count(1)
        self._receiver = ""

    async def run(self, clients: int, seconds: float) -> None:
        server = await asyncio.start_server(self._receive, "127.0.0.1", 0)
        self._receiver = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._client(f"sk-mock-{number % KEYS}", end))
        server.close()

    async def _client(self, key: str, end: float) -> None:
        connection = _Connection(self._address, key)
        while time.monotonic() < end:
            prompt, expected, _ = next(self._prompts)
            number = next(self._numbers)
            body = {
                "subject_image_list": [{"subject_image": "https://example.com/a.png"}] * 2,
                "prompt": prompt,
                **({"callback_url": self._receiver} if number % CALLBACK_EVERY == 0 else {}),
            }
            reply = await self._send(connection, "create", CREATE, expected, json.dumps(body).encode())
            if expected == 200 and reply is not None:
                await self._follow(connection, number, reply["data"]["task_id"])
        connection.close()

    async def _follow(self, connection: _Connection, number: int, task_id: str) -> None:
        """Poll a task to its end, and use its result."""
        reply: Any = None
        for _ in range(2):
            reply = await self._send(connection, "query", f"{CREATE}/{task_id}", 200)
        images = () if reply is None else reply["data"]["task_result"].get("images", ())
        if images and number % DOWNLOAD_EVERY == 0:
            await self._send(connection, "picture", "/" + images[0]["url"].split("/", 3)[3], 200)
        if number % LIST_EVERY == 0:
            await self._send(connection, "list", LIST, 200)

    async def _send(
        self, connection: _Connection, kind: str, path: str, expected: int, body: bytes | None = None
    ) -> Any:
        """Send one request; returns the JSON of a reply with status 200, else None."""
        if self._pause:
            await asyncio.sleep(self._pause)
        began = time.perf_counter()
        try:
            if await connection.open():
                self.seconds["connect"].append(time.perf_counter() - began)
                began = time.perf_counter()
            status, content = await connection.send(path, body)
        except (OSError, EOFError) as error:
            connection.close()
            status, content = 0, type(error).__name__.encode()
        self.seconds[kind].append(time.perf_counter() - began)
        if status != expected:
            self.errors[f"{kind}: {status} instead of {expected}: {content[:100]!r}"] += 1
        return json.loads(content) if status == 200 and content.startswith(b"{") else None

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer callbacks on one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                self.callbacks += 1
        except (OSError, EOFError, asyncio.CancelledError):  # cancelled at the end of the run
            writer.close()


class _Connection:
    """A connection that is opened again after an error."""

    def __init__(self, address: tuple[str, int], key: str) -> None:
        self._address = address
        self._common = f"host: {address[0]}:{address[1]}\r\nauthorization: Bearer {key}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> bool:
        """Whether a connection was opened, as there was none."""
        if self._streams is not None:
            return False
        self._streams = await asyncio.open_connection(*self._address)
        return True

    async def send(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        assert self._streams is not None
        reader, writer = self._streams
        start = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{self._common}"
        if body is not None:
            start += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{start}\r\n".encode() + (body or b""))
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head[9:12]), await reader.readexactly(_length(head))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


def sizes(pid: int) -> Sizes:
    """The sizes of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [_own_sizes(each) for each in (str(pid), *children)]
    return Sizes(*map(sum, zip(*found, strict=True)))


def _own_sizes(pid: str) -> tuple[int, int, int]:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    others = sum(_is_file(each) for each in Path(f"/proc/{pid}/fd").iterdir())
    return int(status["VmRSS"].split()[0]), int(status["Threads"]), others


def _is_file(descriptor: Path) -> bool:
    """Whether it is open, and not a connection."""
    try:
        return not str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:  # closed meanwhile
        return False


async def measure(url: str, pid: int, clients: int, seconds: float, pause: float) -> tuple[Load, list[Sizes]]:
    """Run the load, and read the sizes meanwhile."""
    load = Load("127.0.0.1", int(url.rpartition(":")[2]), pause)
    samples: list[Sizes] = []
    running_load = asyncio.create_task(load.run(clients, seconds))
    shown = time.monotonic()
    while not running_load.done():
        await asyncio.wait([running_load], timeout=SAMPLES_EVERY)
        samples.append(sizes(pid))
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            _show(f"  {sum(map(len, load.seconds.values()))} requests, {samples[-1].memory / 1e3:.0f} MB")
    await running_load
    return load, samples


def problems(load: Load, samples: list[Sizes]) -> list[str]:
    """Errors that were not scripted, and sizes that grew after the warm-up."""
    return [f"{number} x {error}" for error, number in load.errors.items()] + grown(samples)


def grown(samples: list[Sizes]) -> list[str]:
    """Sizes that grew after the warm-up."""
    found: list[str] = []
    steady = samples[math.ceil(len(samples) * WARM_UP) :]
    quarter = max(len(steady) // 4, 1)
    for name in Sizes._fields:
        first = max(getattr(each, name) for each in steady[:quarter])
        last = min(getattr(each, name) for each in steady[-quarter:])
        if last > first * (GROWTH if name == "memory" else 1):
            found.append(f"{name} grew from {first} to {last}")
    return found


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(options: argparse.Namespace) -> int:
    serve_process.PATIENCE = 60
    with TemporaryDirectory() as folder:
        flags = ["--pace", "polls:2", "--prompt-triggers", "--callbacks", "loopback", "--quiet"]
        retention = max(RETENTION, RETAINED * options.seconds)
        flags += ["--retention-days", str(retention / 86_400), "--journal-bytes", str(2**20)]
        if options.state == "redis":
            flags += ["--state", redis_server().url(), "--workers", str(options.workers)]
        elif options.state == "sqlite":
            flags += ["--state", f"{folder}/state.db"]
        with running(Path(folder), *flags) as server:
            found = measure(server.url, server.process.pid, options.clients, options.seconds, options.pause)
            load, samples = asyncio.run(found)
    requests = sum(map(len, load.seconds.values()))
    first, last = samples[int(len(samples) * WARM_UP)], samples[-1]
    _show(
        f"{options.state}: {options.clients} connections, {options.seconds:.0f} s, "
        f"{requests / options.seconds:.0f} requests/s, {load.callbacks} callbacks"
    )
    for kind, values in sorted(load.seconds.items()):
        of_kind = (f"{name} {percentile(values, part) * 1e3:6.0f} ms" for name, part in PARTS.items())
        _show(f"  {kind:8} {len(values):8}   {'   '.join(of_kind)}")
    _show(f"  after the warm-up {first}, at the end {last}")
    wrong = problems(load, samples)
    for each in wrong:
        _show(f"  PROBLEM: {each}")
    return 1 if wrong else 0


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kling_mock.soak")
    parser.add_argument("state", choices=("memory", "sqlite", "redis"))
    parser.add_argument("seconds", type=float)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before each request of a client")
    return parser


if __name__ == "__main__":
    sys.exit(main(options().parse_args()))
