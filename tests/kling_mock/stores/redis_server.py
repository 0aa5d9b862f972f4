"""A Redis server for tests, one for each pytest process, and stores in new namespaces of it."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import time
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import ManualClock
from kling_mock.stores.redis.store import RedisStore

if TYPE_CHECKING:
    from kling_mock.timing.clock import Clock

REQUIRED = "KLING_MOCK_REQUIRE_REDIS"
PATIENCE = 10.0

_numbers = count()


class RedisServer:
    """A redis-server with its socket in a folder of its own; `options` are further arguments of it."""

    def __init__(self, *options: str) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            reason = "redis-server is not installed: apt-get install redis-server"
            if os.environ.get(REQUIRED) == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        self._folder = mkdtemp(prefix="redis")
        self.socket = f"{self._folder}/socket"
        self._command = [
            program,
            "--port",
            "0",
            "--unixsocket",
            self.socket,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._command += ["--dir", self._folder, *options]
        self.start()

    def start(self) -> None:
        """Start it, with no data."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_UNIX) as probe:  # the file exists before the server listens
            while probe.connect_ex(self.socket) and time.monotonic() < deadline:
                time.sleep(0.005)

    def kill(self) -> None:
        """End it at once; all data is lost."""
        self._process.kill()
        self._process.wait()
        Path(self.socket).unlink(missing_ok=True)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, namespace: str | None = None) -> str:
        """The URL of a namespace, by default of a new one."""
        return f"unix://{self.socket}?namespace={namespace or f'test{next(_numbers)}'}"


@cache
def redis_server() -> RedisServer:
    """The server of this process. Skips the test without the program."""
    server = RedisServer()
    atexit.register(server.close)
    return server


def redis_store(
    retention: float = 30 * 86_400, journal_bytes: int = 2**24, url: str | None = None
) -> RedisStore:
    return RedisStore(url or redis_server().url(), retention=retention, journal_bytes=journal_bytes)


def second_handle(store: Any) -> RedisStore:
    """Another handle on the data of a store, with its own connections and caches."""
    url = redis_server().url(store.session.address.namespace)
    return RedisStore(url, retention=store.session.limits.retention, journal_bytes=2**24)


def count_round_trips(store: RedisStore) -> list[str]:
    """The names of the commands of a store from now on, as they are sent."""
    sent: list[str] = []
    client = store._client
    execute = client.execute_command

    def counted(*arguments: Any, **options: Any) -> Any:
        sent.append(arguments[0])
        return execute(*arguments, **options)

    client.execute_command = counted
    return sent


class StoppedRedisStore(RedisStore):
    """A store in a new namespace with the signature of the memory store; its clock stands at this one."""

    def __init__(self, clock: Clock | None = None, *, retention: float, journal_bytes: int) -> None:
        super().__init__(redis_server().url(), retention=retention, journal_bytes=journal_bytes)
        reading = (clock or ManualClock()).now()
        # Written by itself, as the clock of a store never goes back.
        record: dict[Any, Any] = {
            "since": "0.0",
            "reading": repr(reading),
            "speed": "0.0",
            "latest": repr(reading),
        }
        self._client.hset(f"{self.session.address.prefix}state", mapping=record)
        self.read(())
