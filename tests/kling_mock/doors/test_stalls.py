"""No request stalls others for more than 100 ms, with any body."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator

import httpx
import pytest

from kling_contracts.image_files import encoded, png
from tests.kling_mock.doors.raw_client import CREATE
from tests.profiles import FULL
from tests.rows import some_rows

# Seconds. Of CPU time and wall-clock time the smaller one counts: other processes do not.
STALL = 0.1
MEGABYTE = 1024 * 1024
# `make nightly` sends the largest bodies that the cap allows. A sixth of these would stall a loop as well.
PART = 1 if FULL else 6
TWO = '"subject_image_list":[{"subject_image":"https://a.b/c.png"},{"subject_image":"https://a.b/d.png"}]'

SERVER = """
import asyncio, sys, time
from kling_mock import Fake
from kling_mock.doors.server import Server
gaps = [0.0]

async def beat():
    while True:
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.sleep(0.005)
        gaps.append(min(time.process_time() - cpu, time.perf_counter() - wall))

with Server(Fake(thumbnails=len(sys.argv) > 1).asgi(), background=beat) as server:
    print(server.url, flush=True)
    for line in sys.stdin:
        measured = len(gaps) + 2  # the reply is sent before the measurement of its stall ends
        while len(gaps) < measured:
            time.sleep(0.001)
        print(max(gaps), flush=True)
        gaps[:] = [0.0]
"""


class Measured:
    """A server in a process that measures how long its event loop stands still."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._line()
        self.client = httpx.Client(
            base_url=self.url, headers={"authorization": "Bearer k"}, trust_env=False, timeout=110
        )
        assert self.post(f"{{{TWO}}}".encode())[0] == 200  # imports are not measured

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def post(self, body: bytes) -> tuple[int, float]:
        """The status, and the longest stall in seconds."""
        self._gap()
        status = self.client.post(CREATE, content=body).status_code
        return status, self._gap()

    def _gap(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def stop(self) -> None:
        self.client.close()
        self.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def plain() -> Iterator[Measured]:
    server = Measured()
    yield server
    server.stop()


def _legal() -> bytes:
    large = encoded(png(300, 300, 10 * MEGABYTE))
    subjects = [{"subject_image": large}] * 4
    return json.dumps({"subject_image_list": subjects, "scence_image": large, "style_image": large}).encode()


def _fill_bytes() -> bytes:
    subject = {
        "subject_image": base64.b64encode(b"\xff\xd8" + b"\xff" * (10 * MEGABYTE // PART - 2)).decode()
    }
    return json.dumps({"subject_image_list": [subject] * 4}).encode()


def _in_good(text: str) -> bytes:
    return f"{{{TWO},{text}}}".encode()


BODIES: dict[str, tuple[int, Callable[[], bytes]]] = {
    "84 MB, legal": (200, _legal),
    "empty lists": (400, lambda: _in_good(f'"x":[{",".join(["[]"] * (10_000_000 // PART))}]')),
    "unknown fields": (
        400 if PART == 1 else 200,  # the number of fields is limited
        lambda: _in_good(",".join(f'"{at:07}":0' for at in range(2_000_000 // PART))),
    ),
    "80,000 unknown fields": (200, lambda: _in_good(",".join(f'"{at:07}":[]' for at in range(80_000)))),
    "a long URL": (
        400,
        lambda: (
            b'{"subject_image_list":[{"subject_image":"https://%b"},{"subject_image":"https://a.b/c"}]}'
            % (b"@" * (80_000_000 // PART))
        ),
    ),
    "escapes": (400, lambda: _in_good('"prompt":"' + "\\n" * (40_000_000 // PART) + '"')),
    "pictures of fill bytes": (200, _fill_bytes),
    "7 MB of a prompt": (400, lambda: _in_good('"prompt":"' + "é" * 3_500_000 + '"')),
}


USUAL = [BODIES[name] for name in ("84 MB, legal", "empty lists", "80,000 unknown fields", "escapes")]


@some_rows(("status", "make"), BODIES.values(), usual=USUAL, ids=BODIES)
def test_no_body_stalls_the_event_loop(plain: Measured, status: int, make: Callable[[], bytes]) -> None:
    came, gap = plain.post(make())
    assert (came, gap < STALL) == (status, True), f"{gap * 1000:.0f} ms"


def _bomb(side: int) -> bytes:
    """A PNG of `side` x `side` black pixels, in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    pixels = b"".join([packer.compress(b"\0" * (side * 3 + 1)) for _ in range(side)]) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@some_rows("side", [1000, 4000], usual=[4000])
def test_a_decompression_bomb_stalls_nothing(side: int) -> None:
    """With thumbnails a picture is decoded, and a few kilobytes may have millions of pixels."""
    server = Measured("thumbnails")
    try:
        bomb = {"subject_image": encoded(_bomb(side))}
        status, gap = server.post(json.dumps({"subject_image_list": [bomb] * 2}).encode())
    finally:
        server.stop()
    assert (status, gap < STALL) == (200, True), f"{gap * 1000:.0f} ms"


def test_a_stall_is_noticed() -> None:
    """Counterexample: a server that sleeps in its event loop."""
    patch = "handle = Fake.handle\nFake.handle = lambda self, request: (spin(), handle(self, request))[1]\n"
    code = SERVER.replace("with Server(", f"{patch}with Server(")
    spin = "def spin():\n    end = time.process_time() + 0.15\n    while time.process_time() < end: pass\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code.replace("gaps = [0.0]\n", f"gaps = [0.0]\n{spin}", 1)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    httpx.get(f"{url}{CREATE}/1", trust_env=False, timeout=30)
    out, _ = process.communicate("\n", timeout=30)
    assert float(out) > STALL
