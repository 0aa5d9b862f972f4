"""One script through every door, sync and async: the same statuses, headers and bodies as from the core."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kling_contracts.gateways import COMETAPI, INTERCEPTED_HOSTS
from kling_mock import Fake, ManualClock

if TYPE_CHECKING:
    from tests.kling_mock.doors.conftest import Build, Door, Send

CREATE = COMETAPI.create_path
TAIL = f"{COMETAPI.prefix}/v1/images/multi-image2image"


def script(
    send: Send, post: Build, get: Build, good_body: bytes
) -> list[tuple[httpx.Request, httpx.Response]]:
    """A life of a few tasks, and every kind of refusal."""
    log: list[tuple[httpx.Request, httpx.Response]] = []

    def call(request: httpx.Request) -> Any:
        response = send(request)
        response.read()
        log.append((request, response))
        return response.json() if response.content.startswith(b"{") else None

    good: dict[str, object] = json.loads(good_body)
    named = json.dumps({**good, "external_task_id": "größe 7"}).encode()
    task = call(post(good_body))["data"]["task_id"]
    call(get(f"{CREATE}/{task}"))
    url = call(get(f"{CREATE}/{task}"))["data"]["task_result"]["images"][0]["url"]
    call(get(f"{TAIL}/{task}"))
    picture = httpx.URL(url).path
    call(get(picture))
    call(get(picture, method="HEAD"))
    etag = log[-1][1].headers["etag"]
    call(get(picture, ("if-none-match", etag)))
    call(get(picture, ("range", "bytes=10-19")))
    call(get(picture, ("range", "bytes=999999999-")))
    call(get(picture.replace("-0_raw", "-8_raw")))

    call(post(named))
    call(post(named))
    call(post(json.dumps({**good, "n": 10}).encode()))
    call(post(json.dumps({**good, "model_name": "kling-v9"}).encode()))
    call(post(json.dumps({**good, "aspect_ratio": "5:4", "prompt": "猫" * 2501}).encode()))
    call(post(json.dumps({"subject_image_list": []}).encode()))
    call(post(json.dumps({"subject_image_list": good["subject_image_list"]}).encode(), path=TAIL))
    call(post(b"{"))
    call(post(b""))
    call(post(b"[]"))
    call(post(good_body, ("authorization", "Basic c2s=")))
    call(post(good_body, ("x-no", "key")))
    call(post(good_body, key="sk-broke"))

    call(get(f"{CREATE}/1"))
    call(get(f"{CREATE}/{task}", key="sk-other"))
    call(get(f"{CREATE}/a%20b%2Fc?x=1&y=%00"))
    call(get(CREATE))
    call(get(f"{CREATE}/"))
    call(get("/kling/"))
    call(get("/kling/v1/images/nothing"))
    call(get("/_mock/health"))
    for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        call(get(CREATE, method=method))
        call(get(f"{CREATE}/{task}", method=method))
    return log


def essence(response: httpx.Response) -> tuple[object, ...]:
    """Everything that the fake decides on, but for the origin of result URLs."""
    headers = {
        name: response.headers.get(name)
        for name in (
            "content-type",
            "allow",
            "x-kling-mock-rule",
            "etag",
            "content-range",
            "accept-ranges",
            "cache-control",
        )
    }
    body = re.sub(rb'https?://[^/"]+(?=/bs2/)', b"ORIGIN", response.content)
    return response.status_code, headers, body


def a_fake() -> Fake:
    fake = Fake(seed=7, clock=ManualClock(), keys=["sk-door", "sk-other"])
    fake.when(prompt="*never*").refuses(1303).optional()
    return fake


def test_one_script_gives_the_same_answers_through_every_door(
    door: Door, core: Door, post: Build, get: Build, good_body: bytes
) -> None:
    """Status, content type, body and the headers of the fake are those of `Fake.handle`."""
    with core(a_fake()) as send:
        expected = script(send, post, get, good_body)
    fake = a_fake()
    with door(fake) as send:
        came = script(send, post, get, good_body)
    fake.check()
    assert {200, 304, 206, 416, 400, 401, 404, 405, 503} == {response.status_code for _, response in expected}
    for (request, complete), (_, response) in zip(expected, came, strict=True):
        wanted = complete
        if request.method == "HEAD":
            # Transports omit the body, and keep its length.
            assert response.content == b""
            assert response.headers["content-length"] == str(len(wanted.content))
            wanted = httpx.Response(wanted.status_code, headers=wanted.headers)
        assert essence(response) == essence(wanted), request
    assert [call.path for call in fake.calls] == [
        request.url.raw_path.decode().partition("?")[0] for request, _ in came
    ]
    assert len(fake.tasks) == 3


def test_a_304_carries_no_length_of_a_body(door: Door, post: Build, get: Build, good_body: bytes) -> None:
    """RFC 9110: it would have to be the length of the picture, which is not sent."""
    fake = Fake(pace="instant")
    with door(fake) as send:
        send(post(good_body))
        path = httpx.URL(fake.task.images[0]).path
        etag = send(get(path)).headers["etag"]
        unchanged = send(get(path, ("if-none-match", etag)))
    assert unchanged.status_code == 304
    assert "content-length" not in unchanged.headers


def test_result_urls_lead_back_through_the_door_they_came_from(
    door: Door, post: Build, get: Build, good_body: bytes
) -> None:
    """In process they are the service's own; over a socket they begin with the address of the request."""
    fake = Fake(pace="instant")
    with door(fake) as send:
        created = send(post(good_body))
        task = created.json()["data"]["task_id"]
        polled = send(get(f"{CREATE}/{task}"))
        url = httpx.URL(polled.json()["data"]["task_result"]["images"][0]["url"])
    asked = polled.request.url
    over_socket = asked.host == "127.0.0.1"
    assert (url.scheme, url.host) in {(asked.scheme, asked.host), ("https", "cdn.klingai.com")}
    assert over_socket == (url.port is not None)
    assert over_socket or url.host in INTERCEPTED_HOSTS


def test_a_bug_of_ours_is_a_500_and_raised_by_check_with_its_traceback(
    door: Door, post: Build, good_body: bytes
) -> None:
    """The transport gets a reply, and the test gets the exception."""

    class Broken(Fake):
        def _answer(self, request: object) -> Any:
            raise ZeroDivisionError("a bug of ours")

    fake = Broken()
    with door(fake) as send:
        response = send(post(good_body))
    assert response.status_code == 500
    assert response.json()["code"] == 5000
    with pytest.raises(ExceptionGroup) as raised:
        fake.check()
    (bug,) = raised.value.exceptions
    assert isinstance(bug, ZeroDivisionError)
    assert bug.__traceback__ is not None
    fake.check()  # each is raised once
