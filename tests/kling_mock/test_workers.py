"""`kling-mock serve --workers N`: processes on one socket, of which one is killed, and their end."""

from __future__ import annotations

import os
import re
import signal
import time
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kling_mock.cli import main
from kling_mock.worker_processes import WorkerProcesses, WorkersFailed
from tests.kling_mock.serve_process import CREATE, PATIENCE, ServeProcess
from tests.kling_mock.stores.redis_server import redis_server


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the processes are found by /proc")
def test_a_worker_that_is_killed_is_replaced(folder: Path) -> None:
    """No task is lost, each request is logged once, and all workers end with the supervisor."""
    server = ServeProcess(folder, "--workers", "2", "--state", redis_server().url(), "--pace", "held")
    try:
        first = children(server.process.pid)
        assert len(first) == 2
        server.create(3)
        server.client.close()  # its connection may be one to the process that is killed
        os.kill(first[0], signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while len(children(server.process.pid)) < 2 or runs(first[0]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.client = server.client_of()
        server.create(3)
        assert len(server.call("GET", "/_mock/tasks")["tasks"]) == 6
        refused = server.call("PATCH", "/_mock/settings", {"pace": "instant"})
        assert "other processes serve with them (--workers)" in refused["error"]["message"]
        present = children(server.process.pid)
        _, out, errors = server.stop()
    finally:
        server.kill()
    assert errors == ""
    logged = re.findall(rf"POST {CREATE} 200 .*task (\d+)", out)
    assert len(set(logged)) == len(logged)
    assert len(logged) >= 3, "only the killed process may have lost lines"
    assert re.search(r"^  workers +2 +\(processes; ", out, re.MULTILINE)
    assert f"worker process {first[0]} ended with status -9; it is replaced" in out
    assert not any(map(runs, {*first, *present}))


def test_workers_that_are_killed_at_their_start_are_replaced_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers that end by themselves before they are ready end the command, at the third."""
    monkeypatch.setattr("kling_mock.worker_processes.FAILED_PAUSE", 0)
    statuses = [-signal.SIGKILL] * 5 + [2, 2, 2]
    started: list[None] = []
    reports: list[str] = []
    workers: Any = WorkerProcesses(Namespace(), cast("Any", None), 1, reports.append)
    monkeypatch.setattr(workers, "_end", lambda _: statuses.pop(0))
    monkeypatch.setattr(workers, "_start", lambda: started.append(None))
    worker = SimpleNamespace(is_ready=False, process=SimpleNamespace(pid=1))
    for _ in range(7):
        workers._replace(worker)
    with pytest.raises(WorkersFailed, match=r"^3 worker processes ended before they were ready$"):
        workers._replace(worker)
    assert len(started) == len(reports) == 7


def test_workers_that_cannot_share_a_state_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    redis = ["--state", "redis://localhost/0"]
    for flags, message in (
        (["0"], "--workers: must be at least 1; got 0"),
        (["2"], "--workers 2: processes cannot share a state in memory; use --state redis://HOST:PORT/0"),
        (
            ["2", "--state", "F.db"],
            "--workers 2: processes cannot share a state in a file",
        ),
        (["2", *redis, "--scenario", "F.toml"], "--workers 2: not accepted together with --scenario"),
    ):
        assert main(["serve", "--port", "0", "--workers", *flags]) == 2
        assert f"kling-mock: {message}" in capsys.readouterr().err
