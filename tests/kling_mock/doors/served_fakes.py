"""Fakes and applications behind a socket server whose replies a test can hold back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from kling_mock import Fake, Reply, Request
from kling_mock.doors.asgi import INLINE_BYTES, ASGIApp
from kling_mock.doors.limits import Limits
from kling_mock.doors.server import Server
from tests.kling_mock.doors.raw_client import RawClient, connected

QUICK = Limits(keep_alive=0.3, header_seconds=0.3, body_seconds=0.3, write_seconds=0.3, linger_seconds=0.3)


class Control:
    """An application for `/_mock/`: the path selects its behaviour; slow ones wait for `go_on`."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.disconnected = threading.Event()
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/_mock/")
        self.seen.append(path)
        body = (await receive())["body"]
        if path == "fails":
            raise ZeroDivisionError
        if path.startswith("slow"):
            while not self.go_on.is_set():  # noqa: ASYNC110 -- it is set by another thread
                await asyncio.sleep(0.005)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", path.encode())]})
        if path == "cut":
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise ZeroDivisionError
        if path == "events":
            await send({"type": "http.response.body", "body": b"event", "more_body": True})
            assert (await receive())["type"] == "http.disconnect"
            self.disconnected.set()
        await send({"type": "http.response.body", "body": path.encode() + body})


class RawServer(NamedTuple):
    """A fake behind a server, the application for `/_mock/`, and a function that opens a connection."""

    fake: Fake
    control: Control
    connect: Callable[[], AbstractContextManager[RawClient]]


@contextmanager
def serving(limits: Limits | None = None, **switches: Any) -> Generator[RawServer]:
    fake, control = Fake(keys=["sk-raw"], pace="instant", **switches), Control()
    with Server(ASGIApp(fake, control), limits=limits or Limits()) as server:
        yield RawServer(fake, control, lambda: connected(server.url))
        control.go_on.set()
    fake.check()


class HeldFake(Fake):
    """A fake whose heavy requests wait for `go_on`. `threads` are the names of the answering threads."""

    def __init__(self, **switches: Any) -> None:
        super().__init__(**switches)
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.threads: list[str] = []

    def handle(self, request: Request) -> Reply:
        if request.size > INLINE_BYTES:
            self.entered.set()
            assert self.go_on.wait(30)
        self.threads.append(threading.current_thread().name)
        return super().handle(request)
