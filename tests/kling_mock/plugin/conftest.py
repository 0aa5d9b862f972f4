"""Test suites of users, written into a folder and run with the installed plugin."""

from __future__ import annotations

from collections.abc import Callable

# pytester removes the modules that a run in this process has imported. It keeps those imported before:
# otherwise each test would import the server, httpx and the package again, and the exception classes of
# a second import of httptools are not those that its parser raises.
import anyio._backends._asyncio
import anyio._backends._trio
import anyio.pytest_plugin
import httpcore
import httpcore2
import pytest
import uvicorn.protocols.http.httptools_impl
import uvloop

import kling_mock.callbacks.applications
import kling_mock.callbacks.receiver_loop
import kling_mock.callbacks.receivers
import kling_mock.doors.httpx_interception
import kling_mock.doors.webhook_sender
import kling_mock.shared_server
import kling_mock.timing.time_skipping
from kling_client import AsyncClient, Client

LOADED = (anyio, httpcore, httpcore2, uvicorn, uvloop, kling_mock, AsyncClient, Client)

# A user's module: code that uses the service and does not import our packages.
POSTER = """
import asyncio, os, time
import httpx

KEY = {"Authorization": "Bearer " + os.environ.get("COMETAPI_KEY", "sk-real")}
PATH = "/kling/v1/images/generations"
PICTURES = [{"subject_image": "https://h.test/a.png"}, {"subject_image": "https://h.test/b.png"}]

def address():
    return os.environ.get("KLING_BASE_URL", "https://api.cometapi.com") + PATH

def headers():
    return {"Authorization": "Bearer " + os.environ["COMETAPI_KEY"]}

def make(client, **fields):
    body = {"subject_image_list": PICTURES, **fields}
    answer = client.post(address(), json=body, headers=headers())
    answer.raise_for_status()
    return answer.json()["data"]["task_id"]

def look(client, task):
    answer = client.get(f"{address()}/{task}", headers=headers())
    answer.raise_for_status()
    return answer.json()["data"]

def poster(**fields):
    with httpx.Client(verify=False, trust_env=False) as client:
        task = make(client, **fields)
        while (data := look(client, task))["task_status"] not in ("succeed", "failed"):
            time.sleep(3)
    if data["task_status"] == "failed":
        raise RuntimeError(data["task_status_msg"])
    return data["task_result"]["images"]
"""

# Loading other installed plugins takes longer than most of these tests, and to find all of them, pytest reads
# the lists of files of all distributions. Where ours must be found this way, the others are switched off.
OURS = "--disable-plugin-autoload -p kling_mock -p no:cacheprovider"
OTHERS_OFF = (
    "-p no:hypothesispytest -p no:faker -p no:anyio -p no:cacheprovider -p no:schemathesis -p no:respx "
    "-p no:pytest_httpx -p no:socket -p no:time_machine -p no:xdist -p no:xdist.looponfail"
)

Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """Run a test suite: `suite(tests, *arguments, ini=..., apart=...)`; apart: in a separate process."""

    def run(tests: str, *arguments: str, ini: str = "", apart: bool = False) -> pytest.RunResult:
        pytester.makepyfile(poster=POSTER, test_users=tests)
        pytester.makeini(f"[pytest]\naddopts = {OURS}\n{ini}")
        pytester.syspathinsert()
        launch = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return launch("-W", "error", *arguments)

    return run
