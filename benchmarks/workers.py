"""Creates and queries of 64 accounts by `wrk`, on one process and on several with one state in Redis.

`python -m benchmarks.workers` prints the figures: medians, all servers in turn in one run. CPU times are
those of the processes of a server, and that of Redis.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import httpx
import redis

from benchmarks.alternatives import CONNECTIONS
from benchmarks.measure import BODY, CREATE
from benchmarks.processes import FAKE, Process, cpu_of
from tests.kling_mock.stores.redis_server import redis_server

ACCOUNTS: Final = 64
WORKERS: Final = (1, 2, 4)
ROUNDS: Final = 5
SECONDS: Final = 3


class Server(NamedTuple):
    """A server; `tasks` has one of each account, `redis` is the process of its Redis server or None."""

    name: str
    process: Process
    tasks: list[str]
    redis: int | None

    def cpu(self) -> tuple[float, float]:
        """CPU seconds of the server's processes, and of Redis."""
        pid = self.process.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        own = sum(cpu_of(each) for each in (pid, *map(int, children)))
        return own, 0 if self.redis is None else cpu_of(self.redis)


class Figures(NamedTuple):
    """Requests a second, and CPU microseconds of a request: of the server, of Redis."""

    rate: float
    own: float
    redis: float


def start(stack: ExitStack, workers: int | None) -> Server:
    """A server with a state in memory, or with this number of workers and a state in Redis."""
    words: tuple[str, ...] = FAKE
    pid: int | None = None
    if workers is not None:
        client = redis.Redis(unix_socket_path=redis_server().socket)
        pid = client.info("server")["process_id"]
        words = (*FAKE, "--state", redis_server().url(), "--workers", str(workers))
    process = Process(*words)
    stack.callback(process.end)
    tasks: list[str] = []
    with httpx.Client(transport=httpx.HTTPTransport(), timeout=60) as sender:
        for number in range(ACCOUNTS):
            key = {"authorization": f"Bearer sk-mock-{number}"}
            created = sender.post(process.url + CREATE, json=BODY, headers=key).json()
            tasks.append(created["data"]["task_id"])
    name = "memory, one process" if workers is None else f"Redis, workers: {workers}"
    return Server(name, process, tasks, pid)


def scripts(folder: Path, server: Server) -> dict[str, Path]:
    """Scripts of wrk for creates and queries, each by the next account."""
    tasks = ", ".join(f'"{each}"' for each in server.tasks)
    body = json.dumps(json.dumps(BODY))
    next_account = (
        f'number = (number + 1) % {ACCOUNTS}\n  local key = {{authorization = "Bearer sk-mock-" .. number}}'
    )
    sent = {
        "create": f'wrk.format("POST", "{CREATE}", key, {body})',
        "query": f'wrk.format("GET", "{CREATE}/" .. tasks[number + 1], key)',
    }
    found: dict[str, Path] = {}
    for kind, request in sent.items():
        found[kind] = folder / f"{server.process.port} {kind}.lua"
        function = f"function request()\n  {next_account}\n  return {request}\nend\n"
        found[kind].write_text(f"local number, tasks = 0, {{{tasks}}}\n{function}")
    return found


def measure(server: Server, script: Path) -> Figures:
    before = server.cpu()
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script)]
    command = ["wrk", *options, server.process.url]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)s", shown)
    if found is None or "Non-2xx" in shown:
        raise RuntimeError(f"{server.name} refused requests: {shown}")
    number = int(found[1])
    own, of_redis = (after - began for after, began in zip(server.cpu(), before, strict=True))
    return Figures(number / float(found[2]), own / number * 1e6, of_redis / number * 1e6)


def main() -> None:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        servers = [start(stack, workers) for workers in (None, *WORKERS)]
        taken: dict[tuple[str, str], list[Figures]] = {}
        for _ in range(ROUNDS):
            for each in servers:
                for kind, script in scripts(Path(folder), each).items():
                    taken.setdefault((each.name, kind), []).append(measure(each, script))
    for (name, kind), rows in taken.items():
        rate, own, of_redis = (statistics.median(column) for column in zip(*rows, strict=True))
        sys.stdout.write(
            f"{name:20} {kind:7} {rate:7.0f} requests/s   CPU {own:5.0f} us, of Redis {of_redis:4.0f} us\n"
        )


if __name__ == "__main__":
    main()
