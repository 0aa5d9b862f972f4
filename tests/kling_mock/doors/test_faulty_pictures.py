"""Pictures that are cut short or delayed, over each transport: the client gets the error of its library."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import httpx2
import pytest
import requests

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock

URL = COMETAPI.base_url + COMETAPI.create_path
KEY = {"Authorization": "Bearer sk-one"}
BODY = {"subject_image_list": [{"subject_image": "https://example.com/a.png"}] * 2}
CUT = "without sending complete message body"


def faulty(how: Any, **parts: Any) -> tuple[Fake, str]:
    """A fake with one task that has ended, and the URL of its picture, whose first download is wrong."""
    fake = Fake(clock=ManualClock(), pace="instant")
    fake.next.pictures_are(how, polls=1, **parts)
    with httpx.Client(transport=fake.transport()) as client:
        client.post(URL, json=BODY, headers=KEY).raise_for_status()
    return fake, fake.task.images[0]


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("form", ["sync", "async"])
def test_httpx(library: Any, form: str, pauses: list[float]) -> None:
    def get(fake: Fake, url: str, **parts: Any) -> Any:
        if form == "sync":
            with library.Client(transport=fake.transport()) as client:
                return client.get(url, **parts)

        async def run() -> Any:
            async with library.AsyncClient(transport=fake.transport()) as client:
                return await client.get(url, **parts)

        return asyncio.run(run())

    fake, url = faulty("truncated")
    with pytest.raises(library.RemoteProtocolError, match=CUT):
        get(fake, url)
    whole = get(fake, url).content
    assert whole.endswith(b"IEND\xaeB`\x82")

    fake, url = faulty("slow", delay=7)
    assert get(fake, url, timeout=None).content == get(*faulty("slow", delay=1)).content
    assert pauses == [7, 1]
    fake, url = faulty("slow", delay=7)
    with pytest.raises(library.ReadTimeout, match="no response within 3 s"):
        get(fake, url, timeout=3)
    assert pauses == [7, 1]  # a timeout is not waited for


def test_requests(pauses: list[float]) -> None:
    def get(fake: Fake, url: str, **parts: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", fake.requests_adapter())
            return session.get(url, **parts)

    fake, url = faulty("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get(fake, url)
    assert get(fake, url).content.endswith(b"IEND\xaeB`\x82")
    fake, url = faulty("slow", delay=7)
    with pytest.raises(requests.ReadTimeout, match="no response within 3 s"):
        get(fake, url, timeout=(1, 3))
    assert get(*faulty("slow", delay=7)).status_code == 200
    assert pauses == [7]


def test_the_socket_server() -> None:
    """The connection ends within the body, so the next request gets a new one; a delay is real time."""
    fake, url = faulty("truncated")
    with fake.serve() as server, httpx.Client(trust_env=False, verify=False) as client:
        address = server.url + httpx.URL(url).path
        with pytest.raises(httpx.RemoteProtocolError, match=CUT):
            client.get(address)
        assert client.get(address).content.endswith(b"IEND\xaeB`\x82")
    fake, url = faulty("slow", delay=0.2)
    with fake.serve() as server, httpx.Client(trust_env=False, verify=False) as client:
        address = server.url + httpx.URL(url).path
        with pytest.raises(httpx.ReadTimeout):
            client.get(address, timeout=0.05)
        assert client.get(address).status_code == 200


def test_a_delay_takes_place_on_the_server() -> None:
    fake, url = faulty("slow", delay=0.1)
    with fake.serve() as server, httpx.Client(trust_env=False, verify=False) as client:
        begun = time.monotonic()
        assert client.get(server.url + httpx.URL(url).path).status_code == 200
        assert time.monotonic() - begun >= 0.1


def test_the_date_of_a_rate_is_sent_once_by_the_server() -> None:
    """By the clock of the mock, with the date of the reply, so that a client waits for the difference."""
    fake = Fake(clock=ManualClock(), rate="0/60", retry_after="date")
    with fake.serve() as server, httpx.Client(trust_env=False, verify=False) as client:
        reply = client.post(server.url + COMETAPI.create_path, json=BODY, headers=KEY)
    assert reply.headers.get_list("date") == ["Thu, 01 Jan 2026 00:00:00 GMT"]
    assert reply.headers["retry-after"] == "Thu, 01 Jan 2026 00:01:00 GMT"
