"""The client as an object: its HTTP client, closing, repr and pickling."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import httpx
import pytest

from kling_client import (
    AsyncClient,
    Client,
    ConfigError,
)
from tests.kling_client.conftest import KEY, TASK_ID, Blocking, Service, shown


def test_an_injected_http_client_keeps_its_headers_but_not_its_auth(service: Service) -> None:
    """The credentials of the HTTP client would replace the key."""
    service.will(shown())
    http = service.http(headers={"X-Org": "o", "Authorization": "Bearer other"}, auth=("user", "pass"))
    service.client(http_client=http).get(TASK_ID)
    (request,) = service.requests
    assert request.headers["x-org"] == "o"
    assert request.headers.get_list("authorization") == [f"Bearer {KEY}"]


def test_closing_leaves_an_injected_http_client_open(service: Service) -> None:
    http = service.http()
    kling = service.client(http_client=http)
    kling.close()
    kling.close()
    assert not http.is_closed
    service.will(shown())
    assert kling.get(TASK_ID).id == TASK_ID


def test_an_own_http_client_is_closed_with_the_client_and_closing_twice_is_harmless() -> None:
    with Client(KEY) as kling:
        pass
    kling.close()
    with pytest.raises(ConfigError, match="closed"):
        kling.get(TASK_ID)

    async def session() -> None:
        async with AsyncClient(KEY) as kling:
            pass
        await kling.close()
        with pytest.raises(ConfigError, match="closed"):
            await kling.get(TASK_ID)

    asyncio.run(session())


def test_an_http_client_of_the_wrong_kind_is_refused() -> None:
    asynchronous: Any = httpx.AsyncClient()
    with pytest.raises(ConfigError, match=r"httpx\.Client"):
        Client(KEY, http_client=asynchronous)
    with httpx.Client() as blocking, pytest.raises(ConfigError, match=r"httpx\.AsyncClient"):
        AsyncClient(KEY, http_client=blocking)  # type: ignore[arg-type]  # the point


def test_a_client_is_shown_without_its_key_and_cannot_be_pickled(service: Service) -> None:
    kling = service.client()
    assert KEY not in repr(kling)
    assert "base_url='https://api.cometapi.com'" in repr(kling)
    with pytest.raises(TypeError, match="key"):
        pickle.dumps(kling.inner if isinstance(kling, Blocking) else kling)
