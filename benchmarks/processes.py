"""Cost of the mock in its own process: the CPU of the server, its start, and the import of the plugin."""

from __future__ import annotations

import atexit
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx

from benchmarks.measure import BODY, CREATE, KEY, NUMBERS, PAIRS, ROUNDS, Row, query_path
from kling_contracts.image_files import png

# A time limit that no measured process reaches, even under load.
PATIENCE = 30.0
# The size of a large body in bytes, and the number of requests with it in a round.
LARGE = 8_000_000
LARGE_CREATES = 20


@cache
def environment() -> dict[str, str]:
    """Environment variables that let all processes use cached bytecode."""
    folder = tempfile.TemporaryDirectory(prefix="kling-mock-bench-")
    atexit.register(folder.cleanup)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | {"PYTHONPYCACHEPREFIX": folder.name}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_of(pid: int) -> float:
    """The CPU time of all threads of a process so far, in seconds."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


class Process:
    """A server process, with the CPU time of its threads; it answers creates at `path`.

    `words` are options of Python, or begin with the absolute path of another program.
    """

    def __init__(self, *words: str, path: str = CREATE, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self._path = path
        began = time.perf_counter()
        command = [word.replace("PORT", str(self.port)) for word in words]
        if not Path(words[0]).is_absolute():
            command = [sys.executable, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
        try:
            self.cold = self._wait(began + PATIENCE) - began
        except BaseException:
            self.stop()
            raise

    def _wait(self, deadline: float) -> float:
        transport = httpx.HTTPTransport(verify=False)
        with httpx.Client(headers=KEY, transport=transport, timeout=PATIENCE) as client:
            while True:
                try:
                    client.post(self.url + self._path, json=BODY).raise_for_status()
                except httpx.ConnectError as error:
                    if self.process.poll() is not None or time.perf_counter() > deadline:
                        raise RuntimeError(f"no response from {self.process.args!r}") from error
                    time.sleep(0.002)
                else:
                    return time.perf_counter()

    def cpu(self) -> float:
        """The CPU time of all threads so far, in seconds."""
        return cpu_of(self.process.pid)

    def cpu_of_all(self) -> float:
        """The same with threads and child processes that have ended, in steps of a clock tick (10 ms)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it and its worker processes."""
        self.process.terminate()
        self.process.wait()


FAKE = ("-m", "kling_mock", "serve", "--quiet", "--port", "PORT")
BARE = ("-m", "benchmarks.bare", "PORT")


def on_sockets() -> Iterator[Row]:
    """CPU time of the server for creates and for polls, each beside a bare ASGI callable under uvicorn."""
    if not Path("/proc/self/schedstat").exists():
        return
    mine, other = Process(*FAKE), Process(*BARE)
    try:
        with httpx.Client(headers=KEY, transport=httpx.HTTPTransport(verify=False)) as client:

            def create(server: Process) -> str:
                return query_path(client.post(server.url + CREATE, json=BODY).json())

            def spent(server: Process, path: str | None) -> float:
                began = server.cpu()
                for _ in range(PAIRS * 2):
                    if path is None:
                        create(server)
                    else:
                        client.get(f"{server.url}{path}{next(NUMBERS)}")
                return server.cpu() - began

            ours, theirs = create(mine), create(other)
            for what, budget, paths in (("create", 1.30, (None, None)), ("poll", 1.10, (ours, theirs))):
                spent(mine, paths[0]), spent(other, paths[1])
                taken = [(spent(mine, paths[0]), spent(other, paths[1])) for _ in range(ROUNDS)]
                ratio = statistics.median(mine_spent / floor for mine_spent, floor in taken)
                each, floor = (
                    statistics.median(times) / PAIRS / 2 * 1e6 for times in zip(*taken, strict=True)
                )
                beside = f"{each:.0f} us; {floor:.0f} us"
                yield Row(f"server, its CPU: {what}", "bare ASGI", budget, ratio, "", beside)
    finally:
        mine.stop()
        other.stop()


def large_bodies() -> Iterator[Row]:
    """CPU time of the server for a create of 8 MB, beside the bare callable, which reads the body only."""
    if not Path("/proc/self/schedstat").exists():
        return
    picture = base64.b64encode(png(300, 300, size=LARGE * 3 // 8)).decode()
    body = json.dumps({**BODY, "subject_image_list": [{"subject_image": picture}] * 2}).encode()
    mine, other = Process(*FAKE), Process(*BARE)
    try:
        with httpx.Client(headers=KEY, transport=httpx.HTTPTransport(verify=False)) as client:

            def spent(server: Process) -> float:
                began = server.cpu_of_all()
                for _ in range(LARGE_CREATES):
                    client.post(server.url + CREATE, content=body).raise_for_status()
                return server.cpu_of_all() - began

            spent(mine), spent(other)
            taken = [(spent(mine), spent(other)) for _ in range(ROUNDS)]
    finally:
        mine.stop()
        other.stop()
    ratio = statistics.median(ours / floor for ours, floor in taken)
    each, floor = (statistics.median(times) / LARGE_CREATES * 1e3 for times in zip(*taken, strict=True))
    yield Row(
        "server, its CPU: a create of 8 MB", "bare ASGI", None, ratio, "", f"{each:.1f} ms; {floor:.1f} ms"
    )


def cold_start() -> Iterator[Row]:
    def cold(*words: str) -> float:
        server = Process(*words)
        server.stop()
        return server.cold

    cold(*FAKE), cold(*BARE)  # for the bytecode
    taken = [(cold(*FAKE), cold(*BARE)) for _ in range(ROUNDS)]
    ratio = statistics.median(ours / floor for ours, floor in taken)
    each = statistics.median(ours for ours, _ in taken) * 1000
    yield Row("serve: cold to the first answer", "bare ASGI", 1.50, ratio, "", f"{each:.0f} ms")


def plugin() -> Iterator[Row]:
    """Cost of an installed but unused plugin: the time of its import by pytest.

    The import is timed inside the process, since whole runs of pytest vary by more than the import takes.
    """

    def spent(module: str) -> float:
        timed = f"began = time.process_time(); import {module}; print(time.process_time() - began)"
        code = f"import pytest, time; {timed}"
        command = [sys.executable, "-c", code]
        run = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment(), timeout=PATIENCE
        )
        return float(run.stdout)

    spent("kling_mock.pytest_plugin, respx.plugin")  # for the bytecode
    taken = [(spent("kling_mock.pytest_plugin"), spent("respx.plugin")) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(times) * 1000 for times in zip(*taken, strict=True))
    yield Row("pytest imports our plugin", "-", 10, ours, "ms", f"respx {theirs:.0f} ms")
