"""A caller that sends plain requests to a fake, with one account; a folder for state files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self, cast

import pytest

from kling_mock import Fake, ManualClock, Reply, Request, TaskHandle
from kling_mock.timing.clock import Clock

pytest.register_assert_rewrite("tests.kling_mock.life_cycle")  # so that its failed assertions show values

PATH = "/kling/v1/images/generations"
SUBJECTS = [{"subject_image": f"https://pictures.test/{name}.png"} for name in ("a", "b")]


class Caller:
    """A fake, and an account with which it is called."""

    def __init__(self, fake: Fake, key: str = "sk-mock-a") -> None:
        self.fake = fake
        self.key = key

    @property
    def clock(self) -> Clock:
        return self.fake.clock

    def account(self, key: str) -> Self:
        """The same fake, called with another key."""
        return type(self)(self.fake, key)

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: tuple[tuple[str, str], ...] = (),
        **parts: Any,
    ) -> Reply:
        authorization = ("authorization", f"Bearer {self.key}")
        return self.fake.handle(Request(method, path, headers=(authorization, *headers), body=body, **parts))

    def post(self, body: object, path: str = PATH, **parts: Any) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, content, **parts)

    def ask(self, *, path: str = PATH, origin: str | None = None, **fields: object) -> Reply:
        """The reply to a create request with two subjects and these fields."""
        return self.post({"subject_image_list": SUBJECTS, **fields}, path, origin=origin)

    def poll(self, task_id: str) -> Reply:
        """The reply to a query of a task."""
        return self.get(f"{PATH}/{task_id}")

    def create(self, **fields: Any) -> dict[str, Any]:
        """The data of the reply to an accepted create request."""
        return self.data(self.ask(**fields))

    def make(self, **fields: Any) -> TaskHandle:
        """The handle of a new task."""
        task_id = self.create(**fields)["task_id"]
        return next(task for task in self.fake.tasks if task.id == task_id)

    def get(self, path: str, **headers: str) -> Reply:
        given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return self.send("GET", path, headers=given)

    def query(self, task_id: str) -> dict[str, Any]:
        """The data of the reply to a query of an existing task."""
        return self.data(self.get(f"{PATH}/{task_id}"))

    def status(self, task_id: str) -> str:
        return cast("str", self.query(task_id)["task_status"])

    def picture(self, url: str, **headers: str) -> Reply:
        """The reply for a result URL. No key is sent."""
        path = "/" + url.split("/", 3)[3]
        given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return self.fake.handle(Request("GET", path, "", given))

    @staticmethod
    def data(reply: Reply) -> dict[str, Any]:
        body = cast("dict[str, Any]", reply.json())
        assert reply.status == 200, body
        assert body["code"] == 0
        return cast("dict[str, Any]", body["data"])


class Start(Protocol):
    """Makes a caller of a new fake, by default with a manual clock."""

    def __call__(self, *, clock: Clock | None = None, **switches: object) -> Caller: ...


def _start(*, clock: Clock | None = None, **switches: Any) -> Caller:
    return Caller(Fake(clock=clock or ManualClock(), **switches))


# Session scope, as Hypothesis reuses it for all examples; it keeps no state.
@pytest.fixture(scope="session")
def start() -> Start:
    return _start


@pytest.fixture
def caller() -> Caller:
    """A caller of a fake with the default settings: two polls to the end, a manual clock."""
    return _start()


@pytest.fixture(scope="session")
def png_head() -> PngHead:
    """The first bytes of a PNG of this size: validation reads no more than the header."""
    return _png_head


class PngHead(Protocol):
    def __call__(self, width: int, height: int) -> str: ...


def _png_head(width: int, height: int) -> str:
    import base64

    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\2\0\0\0"
    return base64.b64encode(head).decode()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder, in memory if possible: creating a state file on a disk waits for it."""
    from tests.kling_mock.stores.state_files import MEMORY

    with TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)
