"""`kling_server`: one socket for each pytest worker, a new fake and a new key for each test."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

TWO_TESTS = """
import httpx, pytest

def path(server):
    return server.url + "/kling/v1/images/generations/1"

def status(server, key):
    with httpx.Client(verify=False, trust_env=False) as client:
        return client.get(path(server), headers={"Authorization": f"Bearer {key}"}).status_code

seen = []

@pytest.mark.parametrize("number", range(3))
def test_it(kling_server, number):
    assert status(kling_server, kling_server.api_key) == 400
    for _, key in seen:
        assert status(kling_server, key) == 401
    assert len(kling_server.calls) == 1 + len(seen)
    seen.append((kling_server.url, kling_server.api_key))

def test_one_socket_and_three_keys():
    assert len({url for url, _ in seen}) == 1
    assert len({key for _, key in seen}) == 3
"""


def test_one_socket_serves_all_tests_and_late_requests_are_refused(suite: Suite) -> None:
    """A key is valid in one test: a late request of another test gets a 401 and creates no task here."""
    suite(TWO_TESTS).assert_outcomes(passed=4)


def test_between_two_tests_no_key_is_valid(suite: Suite) -> None:
    suite(
        """
        import httpx

        left = []

        def test_first(kling_server):
            left.append((kling_server.url, kling_server.api_key))

        def test_second(_kling_shared_server):
            url, key = left[0]
            for late in (key, "sk-mock", "between-two-tests-"):
                headers = {"Authorization": f"Bearer {late}"}
                with httpx.Client(verify=False, trust_env=False) as client:
                    assert client.get(f"{url}/kling/v1/x", headers=headers).status_code == 401
        """
    ).assert_outcomes(passed=2)


def test_other_http_libraries_and_threads_are_served(suite: Suite) -> None:
    """urllib.request in eight threads at once, with the variables that users' code reads."""
    suite(
        """
        import json, os, threading, urllib.request

        def call(path, body=None):
            request = urllib.request.Request(
                os.environ["KLING_BASE_URL"] + "/kling/v1/images/generations" + path,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": "Bearer " + os.environ["COMETAPI_KEY"]},
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)["data"]

        def test_it(kling_server):
            pictures = [{"subject_image": f"https://h.test/{name}.png"} for name in "ab"]
            ended = []

            def work():
                task = call("", {"subject_image_list": pictures})["task_id"]
                while (data := call("/" + task))["task_status"] == "processing":
                    pass
                url = data["task_result"]["images"][0]["url"]
                assert url.startswith(kling_server.url)
                ended.append(data["task_status"])

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert ended == ["succeed"] * 8
            assert len(kling_server.tasks) == 8
            assert {task.polls for task in kling_server.tasks} == {2}
        """
    ).assert_outcomes(passed=1)


def test_keys_do_not_depend_on_the_machine(suite: Suite) -> None:
    """Equal runs give equal keys, so that a failure can be reproduced."""
    tests = """
    def test_it(kling_server):
        print("key", kling_server.api_key)
    """
    keys = [re.findall(r"^key (\S+)$", suite(tests, "-s", "-q").stdout.str(), re.MULTILINE) for _ in range(2)]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 1


CALLED_BACK = """
import http.server, json, queue, threading
import httpx, pytest
from kling_mock import ManualClock
from poster import make

came = queue.Queue()

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        came.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

@pytest.fixture(scope="module")
def hook():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
        thread.join()

def create(url):
    with httpx.Client(verify=False, trust_env=False) as client:
        return make(client, callback_url=url)

left = []

pytestmark = pytest.mark.kling(pace="seconds:2,30", clock=ManualClock)

def test_first(kling_server, hook):
    task = create(hook)
    assert came.get(timeout=30)["task_status"] == "submitted"
    left.append(kling_server)

def test_second(kling_server, hook):
    left[0].clock.advance(minutes=1)
    task = create(hook)
    kling_server.clock.advance(minutes=1)
    told = [came.get(timeout=30) for _ in range(3)]
    assert [each["task_status"] for each in told] == ["submitted", "processing", "succeed"]
    assert {each["task_id"] for each in told} == {task}

def test_in_process_receivers_go_first(kling, kling_server, hook):
    heard = []
    kling_server.callbacks.deliver_to(lambda callback: heard.append(callback.status.value))
    create(hook)
    kling_server.clock.advance(minutes=1)
    assert heard == ["submitted", "processing", "succeed"]
    assert came.empty()

def test_beside_the_fixture_kling_as_well(kling, kling_server, hook):
    create(hook)
    assert came.get(timeout=30)["task_status"] == "submitted"

@pytest.mark.kling(callbacks="off")
def test_off(kling_server, hook):
    create(hook)
    assert "callbacks are off" in kling_server.callbacks[0].refused
    assert came.empty()
"""


def test_it_sends_callbacks_and_none_arrives_in_another_test(suite: Suite) -> None:
    suite(CALLED_BACK).assert_outcomes(passed=5)
