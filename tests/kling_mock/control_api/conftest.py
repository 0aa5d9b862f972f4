"""A client of the control API in process: no ASGI, no socket."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from kling_mock import Fake, ManualClock, Reply, Request, TaskHandle
from kling_mock.control_api.access import Peer
from kling_mock.control_api.api import ControlAPI
from tests.kling_mock.conftest import Caller

HERE = Peer(is_local=True, host_is_local=True)


class Control:
    """A fake with a caller of its service, and a client of its control API."""

    def __init__(self, **switches: Any) -> None:
        self.fake = Fake(clock=switches.pop("clock", None) or ManualClock(), **switches)
        self.caller = Caller(self.fake)
        self.api = ControlAPI(self.fake)

    def send(
        self, method: str, path: str, body: object = None, *, peer: Peer = HERE, **headers: str
    ) -> Reply:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        given = {"host": "127.0.0.1:8000"} | {name.replace("_", "-"): text for name, text in headers.items()}
        request = Request(method, f"/_mock{path}", query, tuple(given.items()), content)
        reply = self.api.answer(request, peer)
        assert isinstance(reply, Reply)
        return reply

    def ok(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The result of an accepted call."""
        reply = self.send(method, path, body, peer=HERE, **headers)
        assert reply.status == 200, reply.body
        return reply.json()

    def refused(self, status: int, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The error of a refused call."""
        reply = self.send(method, path, body)
        assert reply.status == status, reply.body
        return cast("dict[str, dict[str, Any]]", reply.json())["error"]

    def make(self, **fields: object) -> TaskHandle:
        return self.caller.make(**fields)


@pytest.fixture
def control() -> Control:
    return Control(pace="seconds:1,9", clock=ManualClock())
