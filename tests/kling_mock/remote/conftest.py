"""One API for tests over two sources: a fake in process, and the control API of a server of a fake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from kling_mock import Fake, ManualClock, Remote, Reply, Request
from kling_mock.control_api.access import Peer
from kling_mock.control_api.api import ControlAPI
from tests.kling_mock.conftest import Caller

URL = "http://127.0.0.1:8000"
HERE = Peer(is_local=True, host_is_local=True)


def transport_of(fake: Fake, peer: Peer = HERE) -> httpx.MockTransport:
    """A transport whose responses are those of the control API of a fake, without a socket."""
    api = ControlAPI(fake)

    def answer(request: httpx.Request) -> httpx.Response:
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        path, query = request.url.raw_path.decode().partition("?")[::2]
        reply = api.answer(Request(request.method, path, query, headers, request.content), peer)
        assert isinstance(reply, Reply)
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body)

    return httpx.MockTransport(answer)


@dataclass
class Source:
    """A fake with a caller, and the API for tests under test: the fake itself, or a `Remote`."""

    fake: Fake
    view: Any
    caller: Caller


@pytest.fixture(params=["Fake", "Remote"])
def source(request: pytest.FixtureRequest) -> Source:
    fake = Fake(clock=ManualClock(), pace="seconds:1,9", callback_retries=[])
    view = fake if request.param == "Fake" else Remote(URL, transport=transport_of(fake))
    return Source(fake, view, Caller(fake))
