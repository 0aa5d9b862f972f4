"""Nothing that a server acknowledged is lost or doubled when it is killed under load."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

import pytest

from tests.kling_mock.killed_servers import KilledServers
from tests.kling_mock.stores.state_files import MEMORY

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="needs Linux: waits for the end of all threads of a process"
)


def test_servers_that_are_killed_lose_and_double_nothing() -> None:
    """Five times; `make kills` kills two hundred."""
    with TemporaryDirectory(dir=MEMORY) as folder, KilledServers(folder, seed=7) as servers:
        for _ in range(5):
            servers.round(0.3)
        servers.wait_for_callbacks()
        known = servers.known
        assert len(known.tasks) > 0
        # Counterexamples: a create that was lost, a poll that was lost, a request id that occurs twice.
        servers.compare([])
        known.tasks["never sent"] = "1"
        with pytest.raises(AssertionError, match="never sent"):
            servers.compare([])
        del known.tasks["never sent"]
        known.polls[next(iter(known.tasks.values()))] += 2
        with pytest.raises(AssertionError):
            servers.compare([])
        known.polls[next(iter(known.tasks.values()))] -= 2
        with pytest.raises(AssertionError):
            servers.compare(["never answered"])
        known.requests.append(known.requests[0])
        with pytest.raises(AssertionError):
            servers.compare([])
