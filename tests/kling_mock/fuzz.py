"""Hostile requests on a server: `python -m tests.kling_mock.fuzz REQUESTS SEED` (`make fuzz`).

A problem is a reply with an unexpected status 5xx, a reply that is not valid HTTP, a wrong number of replies,
a connection that does not end, a request that was smuggled, output on standard error, and sizes that grow.
`--only NUMBER` sends one exchange, and shows it with its replies.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import uvloop

from tests.kling_mock import serve_process
from tests.kling_mock.broken_requests import SMUGGLED_KEY
from tests.kling_mock.hostile_requests import LARGE_BODIES, Ending, Exchange, draw
from tests.kling_mock.serve_process import ServeProcess, running
from tests.kling_mock.soak import RETENTION, Sizes, grown, sizes

CONNECTIONS: Final = 24
PATIENCE: Final = 60.0
STEP: Final = 100_000
# 501: a transfer coding that the server does not know. 503 is the reply to a model that is not known.
EXPECTED: Final = frozenset({501, 503})
UNKNOWN_MODEL: Final = b'"model_not_found"'


class Reply(NamedTuple):
    status: int
    body: bytes


class Fuzz:
    """Sends exchanges, and counts requests and statuses. `problems` begin with the number of the exchange."""

    def __init__(
        self, url: str, seed: int, *, patience: float = PATIENCE, large: float = LARGE_BODIES
    ) -> None:
        self._host, _, port = url.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._seed = seed
        self._patience = patience
        self._large = large
        self._numbers = itertools.count()
        self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.problems: list[str] = []

    async def run(self, requests: int, connections: int = CONNECTIONS) -> None:
        """Send at least this number of requests further."""
        end = self.requests + requests

        async def client() -> None:
            while self.requests < end:
                number = next(self._numbers)
                exchange = draw(self._seed, number, self._large)
                self.requests += len(exchange.parts)
                await self.send(number, exchange)

        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(client())

    async def send(self, number: int, exchange: Exchange) -> bytes:
        """Send one exchange, judge its replies, and return them."""
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(_Client, self._host, self._port)
        for piece in exchange.pieces:
            if transport.is_closing():
                break
            transport.write(piece)
            if len(exchange.pieces) > 1:
                await asyncio.sleep(0)
        if exchange.ending is Ending.RESET:
            transport.abort()
            return b""
        if exchange.ending is Ending.HALF_CLOSE and not transport.is_closing():
            transport.write_eof()
        try:
            await asyncio.wait_for(asyncio.shield(client.ended), self._patience)
        except TimeoutError:
            transport.abort()
            self._report(number, exchange, f"no end after {self._patience:.1f} s")
        received = bytes(client.received)
        try:
            found = replies(received, [each.bodiless for each in exchange.parts])
        except ValueError as error:
            self._report(number, exchange, f"{error}: {received[-300:]!r}")
            return received
        self.statuses.update(each.status for each in found)
        for each in problems_of(exchange, found):
            self._report(number, exchange, each)
        return received

    def _report(self, number: int, exchange: Exchange, problem: str) -> None:
        kinds = ", ".join(each.kind for each in exchange.parts)
        self.problems.append(f"exchange {number} ({kinds}): {problem}")


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


def replies(data: bytes, bodiless: list[bool]) -> list[Reply]:
    """The responses in these bytes, without interim ones; `bodiless`: those without a body.

    Raises ValueError for bytes that are not complete responses.
    """
    found: list[Reply] = []
    while data:
        top, end, data = data.partition(b"\r\n\r\n")
        first, *lines = top.split(b"\r\n")
        if not end or not first.startswith(b"HTTP/1.1 ") or not first[9:12].isdigit():
            raise ValueError("not a response")
        fields = dict(line.lower().split(b": ", 1) for line in lines)
        status = int(first[9:12])
        if status == 100:
            continue
        body = b""
        if not (status in (204, 304) or (len(found) < len(bodiless) and bodiless[len(found)])):
            body, data = _body(fields, data)
        found.append(Reply(status, body))
    return found


def _body(fields: dict[bytes, bytes], data: bytes) -> tuple[bytes, bytes]:
    """The body of a response, and the bytes after it."""
    if fields.get(b"transfer-encoding") != b"chunked":
        size = int(fields[b"content-length"]) if b"content-length" in fields else len(data)
        if size > len(data):
            raise ValueError(f"a body of {size} bytes is cut off")
        return data[:size], data[size:]
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if data[size : size + 2] != b"\r\n":
            raise ValueError("a chunk is cut off")
        body, data = body + data[:size], data[size + 2 :]
        if not size:
            return body, data


def problems_of(exchange: Exchange, found: list[Reply]) -> list[str]:
    """Statuses that no request may cause, and a number of replies that does not fit the requests."""
    wrong = [
        f"{each.status} {each.body[:200]!r}"
        for each in found
        if each.status >= 500
        and (each.status not in EXPECTED or (each.status == 503 and UNKNOWN_MODEL not in each.body))
    ]
    least, most = sum(each.least for each in exchange.parts), sum(each.most for each in exchange.parts)
    if not least <= len(found) <= most:
        wrong.append(f"{len(found)} replies instead of {least} to {most}: {[each.status for each in found]}")
    return wrong


# -- the command


async def measure(server: ServeProcess, fuzz: Fuzz, requests: int) -> list[Sizes]:
    """Send the requests in steps, with a line about each; the sizes of the server, read once a second."""
    samples: list[Sizes] = []

    async def sample() -> None:
        while True:
            samples.append(sizes(server.process.pid))
            await asyncio.sleep(1)

    sampling = asyncio.create_task(sample())
    while fuzz.requests < requests and not fuzz.problems:
        began = time.monotonic()
        await fuzz.run(min(STEP, requests - fuzz.requests))
        seconds = time.monotonic() - began
        _show(f"  {fuzz.requests} requests, {seconds:.0f} s, {sizes(server.process.pid).memory / 1e3:.0f} MB")
    sampling.cancel()
    return samples


def final_problems(server: ServeProcess, samples: list[Sizes]) -> list[str]:
    """What is wrong with the server after the requests: it is stopped."""
    found = grown(samples)
    health = server.client.get("/_mock/health")
    if health.status_code != 200:
        found.append(f"health: {health.status_code}")
    accounts: list[dict[str, Any]] = server.call("GET", "/_mock/accounts")["accounts"]
    if any(each["name"] == SMUGGLED_KEY for each in accounts):
        found.append(f"a request with the key {SMUGGLED_KEY} was executed")
    *_, errors = server.stop()
    if errors:
        found.append(f"standard error: {errors[:2_000]}")
    return found


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(options: argparse.Namespace) -> int:
    serve_process.PATIENCE = 60
    flags = ["--pace", "polls:2", "--callbacks", "off", "--quiet", "--journal-bytes", str(2**20)]
    flags += ["--retention-days", str(RETENTION / 86_400)]
    with TemporaryDirectory() as folder, running(Path(folder), *flags) as server:
        fuzz = Fuzz(server.url, options.seed)
        if options.only is not None:
            exchange = draw(options.seed, options.only)
            _show(f"{exchange}\n{asyncio.run(fuzz.send(options.only, exchange))!r}")
            _show("\n".join(fuzz.problems) or "no problem")
            return 1 if fuzz.problems else 0
        began = time.monotonic()
        samples = uvloop.run(measure(server, fuzz, options.requests))
        seconds = time.monotonic() - began
        wrong = [*fuzz.problems, *final_problems(server, samples)]
    _show(f"{fuzz.requests} requests, {seconds / fuzz.requests * STEP:.1f} s for each {STEP}")
    _show(f"  statuses {dict(sorted(fuzz.statuses.items()))}; at the end {samples[-1]}")
    for each in wrong[:20]:
        _show(f"  PROBLEM: {each}")
    return 1 if wrong else 0


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kling_mock.fuzz")
    parser.add_argument("requests", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--only", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main(options().parse_args()))
