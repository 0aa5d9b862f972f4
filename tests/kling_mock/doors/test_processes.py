"""Interception in processes that differ: with one library only, with an alias, after a fork."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kling_contracts.gateways import COMETAPI


def run(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


URL = f"{COMETAPI.base_url}/nothing"

WITHOUT_HTTPX2 = f"""
import sys
sys.modules["httpx2"] = None  # as if it were not installed
import httpx
from kling_mock import Fake
from kling_client import Client
fake = Fake(pace="instant")
with fake.intercept():
    print(httpx.get("{URL}", verify=False).status_code)
with httpx.Client(transport=fake.transport()) as http:
    print(http.get("{URL}").status_code)
    print(Client("sk-1", http_client=http).generate(["https://h/1", "https://h/2"]).wait().status)
try:
    Client("sk-1", http_client=object())
except Exception as error:
    print(type(error).__name__)
"""


def test_without_httpx2_httpx_is_intercepted() -> None:
    assert run(WITHOUT_HTTPX2) == ["401", "401", "succeed", "ConfigError"]


ALIAS = f"""
import httpx2
httpx2.alias_httpx()
import httpx
from kling_mock import Fake
from kling_client import Client
assert httpx is httpx2
fake = Fake(pace="instant")
with fake.intercept():
    print(httpx.get("{URL}", verify=False).status_code, type(httpx.get("{URL}", verify=False)).__module__)
    print(Client("sk-1").generate(["https://h/1", "https://h/2"]).wait().status)
with httpx.Client(transport=fake.transport()) as http:
    print(http.get("{URL}").status_code)
"""


def test_httpx2_in_the_place_of_httpx_is_intercepted_once() -> None:
    assert run(ALIAS) == ["401 httpx2", "succeed", "401"]


FORK = f"""
import os, signal, socket, threading, time, warnings
import httpx, httpx2
from kling_mock import Fake, NameRefused

warnings.simplefilter("ignore", DeprecationWarning)  # of newer Pythons, about forks beside threads
fake = Fake()
held = threading.Event()

def hold():
    with fake.clock.lock:  # that of the store
        held.set()
        time.sleep(0.05)

with fake.intercept(only=True):
    threading.Thread(target=hold).start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # otherwise a lock that is never released would end nothing
        statuses = {{library.get("{URL}", verify=False).status_code for library in (httpx, httpx2)}}
        try:
            socket.getaddrinfo("{COMETAPI.hosts[0]}", 443)
        except NameRefused:
            statuses.add("refused")
        with Fake().intercept():
            statuses.add(httpx.get("{URL}", verify=False).status_code)
        os._exit(0 if statuses == {{401, "refused"}} else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    httpx.get("{URL}", verify=False)
print(len(fake.calls))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_intercepted_and_has_a_fake_of_its_own() -> None:
    """Also if another thread holds the store at the fork."""
    assert run(FORK) == ["0", "1"]


IMPORTED_LATER = f"""
from kling_mock import Fake
with Fake().intercept():
    import httpx, httpx2  # as code imports them that needs them rarely
    print(httpx.get("{URL}", verify=False).status_code, httpx2.get("{URL}", verify=False).status_code)
"""


def test_libraries_that_are_imported_during_an_interception_are_intercepted() -> None:
    assert run(IMPORTED_LATER) == ["401 401"]


SHUTDOWN = """
import atexit, socket, sys
from kling_mock import Fake
fake = Fake()
interception = fake.intercept()
interception.__enter__()  # and never left

class Late:
    def __del__(self):
        open(__file__).close() if "__file__" in globals() else socket.socket().close()

late = Late()
sys.modules["late"] = late
print("end")
"""


def test_a_process_ends_quietly_during_an_interception() -> None:
    """The audit hook is called until the very end."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SHUTDOWN], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("end\n", "")
