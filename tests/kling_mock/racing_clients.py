"""Clients of several worker processes that race for external ids, while workers are killed.

`python -m tests.kling_mock.racing_clients ROUNDS [WORKERS]` (`make races`) prints the figures. In each round
50 clients create a task with one external id: exactly one succeeds, and the others get 400.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.kling_mock import serve_process
from tests.kling_mock.serve_process import CREATE, KEY, ServeProcess, running
from tests.kling_mock.stores.redis_server import redis_server

CLIENTS = 50
BODY = {"subject_image_list": [{"subject_image": "https://example.com/a.png"}] * 2}
# A worker is killed in the pause before each round of this number; none during a round, whose client would
# not know whether its request took effect.
KILLED_EVERY = 100


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _round(clients: list[httpx.AsyncClient], number: int) -> Counter[int]:
    body = {**BODY, "external_task_id": f"round {number}"}
    replies = await asyncio.gather(*(client.post(CREATE, json=body) for client in clients))
    return Counter(reply.status_code for reply in replies)


def _clients(server: ServeProcess) -> list[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=1)
    return [
        httpx.AsyncClient(base_url=server.url, headers=KEY, trust_env=False, timeout=60, limits=limits)
        for _ in range(CLIENTS)
    ]


async def race(server: ServeProcess, rounds: int) -> tuple[float, int]:
    """The duration in seconds, and the number of killed workers. Raises AssertionError."""
    killed = 0
    began = time.monotonic()
    clients = _clients(server)
    for number in range(rounds):
        if number % KILLED_EVERY == KILLED_EVERY - 1:
            os.kill(random.choice(_children(server.process.pid)), signal.SIGKILL)
            killed += 1
            for client in clients:
                await client.aclose()
            clients = _clients(server)
        found = await _round(clients, number)
        assert found == {200: 1, 400: CLIENTS - 1}, f"round {number}: {found}"
    for client in clients:
        await client.aclose()
    return time.monotonic() - began, killed


def main(rounds: int, workers: int) -> None:
    serve_process.PATIENCE = 120
    flags = ("--workers", str(workers), "--state", redis_server().url(), "--pace", "held", "--quiet")
    with TemporaryDirectory() as folder, running(Path(folder), *flags) as server:
        seconds, killed = asyncio.run(race(server, rounds))
        tasks = server.call("GET", "/_mock/accounts")["accounts"][0]
        server.stop()
    sys.stdout.write(
        f"{rounds} rounds of {CLIENTS} clients over {workers} workers: one create accepted in each; "
        f"{killed} workers killed; {rounds * CLIENTS / seconds:.0f} requests/s; {tasks}\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4)
