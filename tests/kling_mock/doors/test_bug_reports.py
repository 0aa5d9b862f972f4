"""Bug reports about other mocks and clients, each tried with this one. The docstrings name the reports."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from http import HTTPMethod
from typing import Any
from unittest.mock import Mock

import httpx
import httpx2
import pytest
import requests
from urllib3 import Retry

from kling_client import Client, TaskFailed
from kling_mock import Fake
from tests.kling_mock.doors.http_libraries import BASE, BODY, CREATE, KEY, QUICK, Way
from tests.kling_mock.doors.raw_client import connected

URL = f"{BASE}{CREATE}"
KLING = "https://api.klingai.com/v1/images/multi-image2image"
COOKIES = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")]


def mounted(fake: Fake, max_retries: Retry | int = 0) -> requests.Session:
    """A session of requests that the fake answers."""
    session = requests.Session()
    session.trust_env = False
    session.headers.update(KEY)
    session.mount("https://", fake.requests_adapter(max_retries))
    return session


def test_a_scripted_reply_has_several_fields_of_one_name(way: Way) -> None:
    """getsentry/responses#200, mswjs/msw#1290, mockoon/mockoon#318: only the last `Set-Cookie` arrived."""
    fake = Fake()
    fake.when_request().answers(200, body="", headers=COOKIES)
    with fake.intercept():
        assert way.fetch(URL).headers.get_list("set-cookie") == [value for _, value in COOKIES]


def test_cookies_reach_the_session_of_requests() -> None:
    """getsentry/responses#200: cookies were not handled."""
    fake = Fake()
    fake.next_request.answers(200, body="", headers=COOKIES)
    with mounted(fake) as session:
        session.get(URL)
        assert session.cookies.get_dict() == {"a": "1", "b": "2"}
        session.get(URL)
    assert "cookie" not in dict(fake.calls[1].headers)  # sent, and not kept in the journal


RETRY = Retry(3, status_forcelist=(502, 503), allowed_methods=None, backoff_factor=0)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (lambda script: script.answers(502).times(2), 200),
        (lambda script: script.answers(429, headers={"Retry-After": "0"}), 200),
        (lambda script: script.refuses_connections().times(3), 200),
        (lambda script: script.resets(), 200),
        (lambda script: script.times_out(), 200),
        (lambda script: script.answers(502).times(4), requests.exceptions.RetryError),
        (lambda script: script.refuses_connections().times(4), requests.ConnectionError),
        (lambda script: script.answers(500), 500),
    ],
)
def test_requests_retries_as_the_adapter_says(script: Callable[[Any], object], expected: object) -> None:
    """jamielennox/requests-mock#83, getsentry/responses#135 and #768: `max_retries` was without effect."""
    fake = Fake()
    script(fake.next_request)
    outcome: object
    with mounted(fake, RETRY) as session:
        try:
            outcome = session.post(URL, json=BODY, timeout=1).status_code
        except requests.RequestException as error:
            outcome = type(error)
    assert outcome == expected
    fake.check()
    assert len(fake.tasks) == (1 if expected == 200 else 0)


def test_requests_retries_nothing_by_default() -> None:
    fake = Fake()
    with mounted(fake) as session:
        for script in (fake.next_request.answers(503), fake.next_request.resets()):
            script.optional()
        assert session.get(URL).status_code == 503
        with pytest.raises(requests.ConnectionError, match="Connection aborted"):
            session.get(URL)
    assert len(fake.calls) == 2


def test_an_exhausted_retry_may_return_the_last_response() -> None:
    fake = Fake()
    fake.when_request().answers(503)
    with mounted(fake, Retry(1, status_forcelist=[503], raise_on_status=False, backoff_factor=0)) as session:
        assert session.get(URL).status_code == 503
    assert len(fake.calls) == 2


def test_a_given_body_is_sent_as_it_is_whatever_its_content_encoding(way: Way) -> None:
    """mock-server/mockserver-monorepo#2375, getsentry/responses#812: it was encoded again, or not decoded."""
    fake = Fake()
    sent = gzip.compress(b"{}", mtime=0)
    fake.when_request().answers(200, body=sent, headers={"Content-Encoding": "gzip"})
    with fake.intercept(), mounted(fake) as session:
        assert way.fetch(URL).content == session.get(URL).content == b"{}"
        assert session.get(URL, stream=True).raw.read() == sent


def test_a_delayed_reply_ends_with_its_request() -> None:
    """nock/nock#1118, #867 and #2478: the delay went on after the client had given up."""
    fake = Fake()
    fake.when_request(method="POST").delays(60)

    async def main() -> None:
        async with httpx.AsyncClient(transport=fake.transport(), headers=KEY) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await client.post(URL, json=BODY, timeout=None)
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert len(fake.tasks) == 1  # the request took effect


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_every_concurrent_request_is_answered(library: Any) -> None:
    """lundberg/respx#56: of concurrent requests, only the first was mocked."""
    fake = Fake()

    async def main() -> None:
        async with library.AsyncClient(**QUICK, headers=KEY) as client:
            jobs = asyncio.as_completed([client.post(URL, json=BODY) for _ in range(20)])
            ids = {(await job).json()["data"]["task_id"] for job in jobs}
        assert ids == {task.id for task in fake.tasks}

    with fake.intercept():
        asyncio.run(main())
    assert len(fake.tasks) == 20


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_client_of_a_module_is_used_in_several_event_loops(library: Any) -> None:
    """vstorm-co/agenticos#1381: closing it in a later loop failed with `Event loop is closed`."""
    fake = Fake()
    client = library.AsyncClient(**QUICK, headers=KEY)
    with fake.intercept():
        for _ in range(2):
            assert asyncio.run(client.get(URL)).status_code == 405
    asyncio.run(client.aclose())
    assert len(fake.calls) == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("pageSize=%31&pageNum=1", 200),
        ("pageSize=1+1", 400),
        ("pageSize=%2B1", 400),
        ("pageNum=1&a=%2F+b", 200),
    ],
)
def test_queries_are_decoded_once(query: str, status: int) -> None:
    """wiremock/wiremock#1128 and #3067: encoded characters did not match, and a plus sign led to a 500."""
    fake = Fake()
    with httpx.Client(transport=fake.transport(), headers=KEY) as client:
        assert client.get(f"{KLING}?{query}").status_code == status
    fake.check()


def test_a_delay_applies_to_an_open_connection() -> None:
    """wiremock/wiremock#240: only new connections were delayed."""
    fake = Fake()
    with fake.serve() as server, connected(server.url) as client:
        for delay in (0.0, 0.05):
            if delay:
                fake.next_request.delays(delay)
            begun = time.monotonic()
            client.request("GET", f"{CREATE}/1")
            assert client.read().status == 400
            assert time.monotonic() - begun >= delay


def test_a_head_has_the_length_of_the_body(way: Way) -> None:
    """wiremock/WireMock.Net#126 and #720, dreamhead/moco#126: its length was 0, or it had a body."""
    fake = Fake()
    fake.when_request().answers(200, body="x" * 1024)
    with fake.intercept():
        head = way.fetch(URL, HTTPMethod.HEAD)
    assert (head.headers["content-length"], head.content) == ("1024", b"")


def test_preconditions_in_any_bytes_are_compared() -> None:
    """Kinto/kinto#984: a header that is not valid Unicode led to a crash."""
    fake = Fake(pace="instant")
    with httpx.Client(transport=fake.transport(), headers=KEY) as client:
        client.post(URL, json=BODY)
        odd = {b"If-None-Match": b'"\xff\xfe"', b"If-Range": b"\xe9", b"Range": b"bytes=\xb2-"}
        assert client.get(fake.task.images[0], headers=odd).status_code == 200
    fake.check()


def test_a_failed_task_is_polled_once() -> None:
    """Comfy-Org/ComfyUI#8111: a client took the failure of a task for one of the connection, and retried."""
    fake = Fake(pace="instant")
    fake.next.fails("Image pixel is invalid")
    sleep = Mock()
    with (
        httpx.Client(transport=fake.transport()) as http,
        Client(api_key="sk-one", http_client=http, sleep=sleep) as client,
    ):
        task = client.generate(["https://h.test/a.png", "https://h.test/b.png"], "at sea")
        with pytest.raises(TaskFailed, match="Image pixel is invalid"):
            task.wait()
    fake.task.assert_polled(times=1)
    sleep.assert_not_called()
