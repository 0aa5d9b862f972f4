"""Latencies of usual clients beside slow and greedy ones: `make slow-clients`.

`python -m tests.kling_mock.slow_clients [KIND ...]` measures some kinds only. For each kind of greedy
clients, which run in a separate process: the latencies of the others without and with them, in turns. Fails
if p99 with them is 3 times that without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import httpx

from kling_contracts.image_files import encoded, png
from tests.kling_mock import serve_process
from tests.kling_mock.serve_process import BODY, CREATE, KEY, running
from tests.kling_mock.soak import Load, percentile

RATIO: Final = 3.0
# The measured clients, and the seconds before each of their requests.
CLIENTS: Final = 20
PAUSE: Final = 0.1
KINDS: Final = ("create", "list", "query")
MEGABYTE: Final = 1024 * 1024
Greedy = Callable[[str, int], Awaitable[None]]


# -- greedy clients; each runs until its process is killed


async def _many(count: int, client: Callable[[], Awaitable[None]]) -> None:
    """Run this number of clients, each again when it has ended."""

    async def again() -> None:
        while True:
            try:
                await client()
            except OSError:
                await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(again())


async def slow_heads(host: str, port: int) -> None:
    """200 clients that send a byte of a request head each 0.1 s, until the server closes."""

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        closed = asyncio.create_task(reader.read())
        writer.write(f"GET {CREATE}/1 HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".encode())
        while not closed.done():
            writer.write(b"x")
            await asyncio.wait([closed], timeout=0.1)
        writer.close()

    await _many(200, client)


async def idle_connections(host: str, port: int) -> None:
    """1,000 open connections without a request."""

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        await reader.read()
        writer.close()

    await _many(1_000, client)


async def slow_readers(host: str, port: int) -> None:
    """50 clients that read a picture of their own at 20 kB/s, through a small buffer."""
    base = f"http://{host}:{port}"
    paths: list[str] = []
    async with httpx.AsyncClient(base_url=base, headers=KEY, trust_env=False, timeout=60) as client:
        for _ in range(50):
            task = (await client.post(CREATE, json=BODY)).json()["data"]["task_id"]
            await client.get(f"{CREATE}/{task}")
            data = (await client.get(f"{CREATE}/{task}")).json()["data"]
            paths.append(httpx.URL(data["task_result"]["images"][0]["url"]).path)
    left = iter(paths * 1_000)

    async def read() -> None:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, (host, port))
            start = f"GET {next(left)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            await loop.sock_sendall(sock, start.encode())
            while await loop.sock_recv(sock, 1_000):  # noqa: ASYNC110 -- it reads slowly
                await asyncio.sleep(0.05)

    await _many(len(paths), read)


async def large_bodies(host: str, port: int) -> None:
    """One client whose creates have 84 MB, each with six pictures of 10 MB."""
    large = encoded(png(300, 300, 10 * MEGABYTE))
    subjects = [{"subject_image": large}] * 4
    body = {"subject_image_list": subjects, "scence_image": large, "style_image": large}
    content = json.dumps(body).encode()
    length = f"content-length: {len(content)}\r\n"
    start = f"POST {CREATE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-mock\r\n{length}\r\n"
    reader, writer = await asyncio.open_connection(host, port)
    while True:
        writer.write(start.encode())
        for at in range(0, len(content), MEGABYTE):
            writer.write(content[at : at + MEGABYTE])
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a create of {len(content)} bytes: {head[:40]!r}")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))


GREEDY: Final = MappingProxyType(
    {each.__name__: each for each in (slow_heads, idle_connections, slow_readers, large_bodies)}
)


@contextmanager
def greedy_clients(kind: str, port: int) -> Generator[None]:
    """A process with these clients."""
    command = [sys.executable, "-m", "tests.kling_mock.slow_clients", "--run", kind, "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"{kind}: the clients ended with status {process.returncode}")
    finally:
        process.kill()
        process.wait()


# -- the measured clients


async def latencies(port: int, seconds: float) -> list[float]:
    """The seconds of all requests of usual clients. Raises RuntimeError for an unexpected reply."""
    load = Load("127.0.0.1", port, PAUSE)
    await load.run(CLIENTS, seconds)
    if load.errors:
        raise RuntimeError(f"unexpected replies: {dict(load.errors)}")
    return [each for kind in KINDS for each in load.seconds[kind]]


def measure(kind: str, port: int, rounds: int, seconds: float) -> bool:
    """Measure without and with greedy clients in turns, show both, and return whether p99 is within RATIO."""
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        alone += asyncio.run(latencies(port, seconds))
        with greedy_clients(kind, port):
            asyncio.run(asyncio.sleep(2))  # until they are connected
            beside += asyncio.run(latencies(port, seconds))
    figures = [
        f"{name} {percentile(alone, part) * 1e3:.1f} ms, with them {percentile(beside, part) * 1e3:.1f} ms"
        for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1))
    ]
    ratio = percentile(beside, 0.99) / percentile(alone, 0.99)
    ends = f"p99 ratio {ratio:.2f} ({len(alone)} and {len(beside)} requests)"
    sys.stdout.write(f"{kind}: {'; '.join(figures)}; {ends}\n")
    sys.stdout.flush()
    return ratio < RATIO


def main(options: argparse.Namespace) -> int:
    serve_process.PATIENCE = 60
    flags = ["--pace", "polls:2", "--prompt-triggers", "--callbacks", "loopback", "--quiet"]
    with TemporaryDirectory() as folder, running(Path(folder), *flags) as server:
        port = int(server.url.rpartition(":")[2])
        asyncio.run(latencies(port, 1))  # imports, and the first picture
        kept = [measure(kind, port, options.rounds, options.seconds) for kind in options.kinds or GREEDY]
    return 0 if all(kept) else 1


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kling_mock.slow_clients")
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--run", choices=GREEDY, help="run these clients until killed")
    parser.add_argument("--port", type=int)
    return parser


def _begin(given: Any) -> int:
    if given.run is None:
        return main(given)
    asyncio.run(GREEDY[given.run]("127.0.0.1", given.port))
    return 0


if __name__ == "__main__":
    sys.exit(_begin(options().parse_args()))
