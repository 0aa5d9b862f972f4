"""Callbacks into a web application, by its test client: its requests are not those of the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock
from kling_mock.callbacks.model import Callback

URL = COMETAPI.base_url + COMETAPI.create_path
KEY = {"authorization": "Bearer sk-one"}
BODY = {
    "subject_image_list": [{"subject_image": "https://h.test/a"}, {"subject_image": "https://h.test/b"}],
    "callback_url": "https://testserver/hook",
}


def wsgi_client(library: Any, seen: list[str]) -> Any:
    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        seen.append(json.loads(environ["wsgi.input"].read())["task_status"])
        start_response("204 No Content", [])
        return [b""]

    return library.Client(transport=library.WSGITransport(app), base_url="https://testserver")


def starlette_client(_: Any, seen: list[str]) -> Any:
    async def hook(request: Request) -> Response:
        seen.append((await request.json())["task_status"])
        return Response(status_code=204)

    return TestClient(Starlette(routes=[Route("/hook", hook, methods=["POST"])]))


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("make", [wsgi_client, starlette_client])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_test_client_receives_callbacks_during_an_interception(
    library: Any, make: Callable[[Any, list[str]], Any], *, asynchronous: bool
) -> None:
    """Also while an asynchronous request is answered, in the midst of its event loop."""
    seen: list[str] = []
    client = make(library, seen)
    fake = Fake(pace="seconds:1,1", clock=ManualClock())

    def receive(callback: Callback) -> int:
        status: int = client.post("/hook", content=callback.content, headers=callback.headers).status_code
        return status

    fake.callbacks.deliver_to(receive)
    with fake.intercept(only=True):
        if asynchronous:

            async def create() -> None:
                async with library.AsyncClient(verify=False, headers=KEY) as http:
                    (await http.post(URL, json=BODY)).raise_for_status()

            asyncio.run(create())
        else:
            library.post(URL, json=BODY, headers=KEY, verify=False).raise_for_status()
        fake.clock.advance(seconds=5)
    assert seen == ["submitted", "processing", "succeed"]
    assert all(callback.delivered for callback in fake.callbacks)
    client.close()
    fake.check()
