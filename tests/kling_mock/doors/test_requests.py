"""The adapter for sessions of requests."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from kling_contracts.gateways import COMETAPI
from kling_contracts.image_files import encoded, png
from kling_mock import Fake, NameRefused

URL = COMETAPI.base_url + COMETAPI.create_path
KEY = {"Authorization": "Bearer sk-one"}
BODY = {"subject_image_list": [{"subject_image": encoded(png(300, 300))}] * 2}


@pytest.fixture
def mounted() -> Iterator[tuple[Fake, requests.Session]]:
    fake = Fake()
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", fake.requests_adapter())
        session.headers.update(KEY)
        yield fake, session
    fake.check()


Mounted = tuple[Fake, requests.Session]


def test_a_task_is_created_queried_and_its_picture_downloaded(mounted: Mounted) -> None:
    fake, session = mounted
    created = session.post(URL, json=BODY)
    created.raise_for_status()
    assert created.reason == "OK"
    assert created.headers["Content-Type"] == "application/json"
    task = created.json()["data"]["task_id"]
    while (data := session.get(f"{URL}/{task}").json()["data"])["task_status"] != "succeed":
        pass
    picture = session.get(data["task_result"]["images"][0]["url"])
    assert picture.content.startswith(b"\x89PNG")
    assert fake.task.polls == 2


def test_refusals_are_responses(mounted: Mounted) -> None:
    _, session = mounted
    refused = session.post(URL, json={})
    assert refused.status_code == 400
    with pytest.raises(requests.HTTPError, match="400 Client Error: Bad Request"):
        refused.raise_for_status()
    assert refused.url == URL
    assert refused.request.method == "POST"


SENT = json.dumps(BODY)
BODIES: dict[str, Any] = {
    "bytes": SENT.encode(),
    "text": SENT,
    "bytearray": bytearray(SENT.encode()),
    "file": io.BytesIO(SENT.encode()),
    "text file": io.StringIO(SENT),
    "generator": (piece for piece in (SENT[:100].encode(), b"", SENT[100:].encode())),
    "texts": iter([SENT[:50], SENT[50:]]),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_arrives_however_it_is_sent(mounted: Mounted, body: Any) -> None:
    fake, session = mounted
    assert session.post(URL, data=body).status_code == 200
    assert len(fake.task.request.pictures) == 2


def test_forms_and_files_arrive_as_they_are_sent(mounted: Mounted) -> None:
    fake, session = mounted
    assert session.post(URL, data={"prompt": "a"}).status_code == 400
    assert session.post(URL, files={"image": b"x"}).status_code == 400
    types = [dict(call.headers)["content-type"].partition(";")[0] for call in fake.calls]
    assert types == ["application/x-www-form-urlencoded", "multipart/form-data"]


def test_path_query_and_headers_are_those_that_would_be_sent(mounted: Mounted) -> None:
    fake, session = mounted
    session.get(f"{COMETAPI.base_url}/kling/a%20b", params={"x": "1 2"}, headers={"X-Odd": b"\xe9"})
    call = fake.calls[0]
    headers = dict(call.headers)
    assert call.path == "/kling/a%20b"
    assert headers["host"] == COMETAPI.hosts[0]
    assert headers["x-odd"] == "é"
    session.get("https://me:word@api.cometapi.com:8443/", headers={"Host": "mine.test"})
    session.get("https://me:word@api.cometapi.com:8443/")
    assert [dict(call.headers)["host"] for call in fake.calls][1:] == ["mine.test", "api.cometapi.com:8443"]


def test_responses_are_read_as_from_the_network(mounted: Mounted) -> None:
    _, session = mounted
    with session.get(f"{COMETAPI.base_url}/_mock/health", stream=True) as response:
        assert b"".join(response.iter_content(7)).startswith(b"{")
    assert session.head(f"{COMETAPI.base_url}/_mock/health").content == b""
    assert int(session.head(f"{COMETAPI.base_url}/_mock/health").headers["content-length"]) > 0
    with session.get(f"{COMETAPI.base_url}/_mock/health", stream=True) as response:
        assert response.raw.read().startswith(b"{")


def test_only_its_prefix_is_answered() -> None:
    """Another host has the session's own adapter, and the service without an adapter is refused."""
    fake = Fake()
    with fake.intercept(), requests.Session() as session:
        session.trust_env = False
        session.mount(f"{COMETAPI.base_url}/kling/", fake.requests_adapter())
        assert session.get(URL, headers=KEY).status_code == 405
        with pytest.raises(NameRefused, match="requests_adapter"):
            session.get(f"{COMETAPI.base_url}/other")
    assert len(fake.calls) == 1


def test_hooks_timeouts_proxies_and_certificates_are_accepted(mounted: Mounted) -> None:
    _, session = mounted
    seen: list[requests.Response] = []
    response = session.get(
        URL,
        hooks={"response": lambda response, **_: seen.append(response)},
        timeout=(1, 2),
        proxies={"https": "http://proxy.test:8080"},
        verify=False,
        cert="/nowhere.pem",
        allow_redirects=False,
    )
    assert seen == [response]


def test_one_adapter_serves_several_sessions_and_survives_their_end() -> None:
    fake = Fake()
    adapter = fake.requests_adapter()
    assert isinstance(adapter, HTTPAdapter)
    assert isinstance(adapter, BaseAdapter)
    for _ in range(2):
        with requests.Session() as session:
            session.mount("https://", adapter)
            assert session.get(URL, headers=KEY).status_code == 405
    assert len(fake.calls) == 2
