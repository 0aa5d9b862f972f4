"""Receivers of callbacks under the fixtures: they end with the test, and their failures are reported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.kling_mock.plugin.conftest import Suite

# Of those that the fixtures set.
VARIABLES = ("COMETAPI_KEY", "KLING_BASE_URL", "NO_PROXY")

APP = """
import json

events = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            events.append(event)
            await send({"type": f"lifespan.{event}.complete"})
    else:
        events.append(json.loads((await receive())["body"])["task_status"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
"""


@pytest.mark.parametrize("fixture", ["kling", "kling_module", "kling_server"])
def test_an_application_ends_with_its_fixture(suite: Suite, fixture: str) -> None:
    """Its shutdown runs, and its thread and event loop are gone."""
    result = suite(
        f"""
        import threading, httpx, pytest
        from poster import make
        {APP.replace(chr(10), chr(10) + " " * 8)}
        threads = set(threading.enumerate())

        @pytest.fixture(scope="module", autouse=True)
        def last():
            yield
            assert events == ["startup", "submitted", "shutdown"]
            assert not [each for each in threading.enumerate() if each.name == "kling-mock receiver"]

        def test_it({fixture}):
            {fixture}.callbacks.deliver_to(app)
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client, callback_url="https://me.test/hook")
            assert events == ["startup", "submitted"]
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
@pytest.mark.parametrize("prefix", ["", "async "])
@pytest.mark.parametrize("line", ['pytest.fail("not this one")', 'sys.exit("not this one")'])
def test_a_receiver_that_ends_the_test_fails_it_at_its_end(
    suite: Suite, fixture: str, prefix: str, line: str
) -> None:
    """Neither the client, the server, nor another fixture is affected."""
    before = [os.environ.get(name) for name in VARIABLES]
    result = suite(
        f"""
        import httpx, pytest, sys
        from poster import make

        @pytest.fixture
        def other():
            yield
            print("the other fixture was torn down")

        {prefix}def receiver_of_mine(callback):
            {line}

        def test_it(other, {fixture}):
            {fixture}.callbacks.deliver_to(receiver_of_mine)
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client, callback_url="https://me.test/hook")
                make(client)
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*in receiver_of_mine*",
            "*not this one*",
            "*raised by the callback receiver receiver_of_mine for submitted of task*",
            "the other fixture was torn down",
        ]
    )
    assert [os.environ.get(name) for name in VARIABLES] == before


def test_an_async_receiver_skips_its_sleeps_and_a_url_does_not_time_out(suite: Suite) -> None:
    """With `sleep="advance"`, timeouts of requests to a URL are in real time."""
    result = suite(
        """
        import asyncio, http.server, threading, httpx, pytest
        from poster import make

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                threading.Event().wait(0.05)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_): ...

        @pytest.mark.kling(sleep="advance", pace="held:submitted")
        def test_it(kling):
            async def receive(callback):
                await asyncio.sleep(3600)
                return 201

            began = kling.clock.now()
            with httpx.Client(verify=False, trust_env=False) as client:
                kling.callbacks.deliver_to(receive)
                make(client, callback_url="https://me.test/hook")
                assert kling.clock.now() >= began + 3600
                with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
                    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
                    kling.callbacks.deliver_to(f"http://127.0.0.1:{server.server_port}/hook")
                    make(client, callback_url="https://me.test/hook")
                    server.shutdown()
            assert [each.attempts[0].status for each in kling.callbacks] == [201, 204]
        """
    )
    result.assert_outcomes(passed=1)
