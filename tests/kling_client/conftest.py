"""A scripted service behind `httpx.MockTransport`, virtual time, and fixtures to test both clients."""

from __future__ import annotations

import asyncio
import inspect
import json
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from kling_client import AsyncClient, AsyncTask, Client
from kling_contracts.image_files import png
from kling_mock import Fake
from tests.kling_client import command

KEY = "sk-secret-0123456789"
TASK_ID = "867283741759111202"
CREATED = 1774805076166

Answer: TypeAlias = "httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]"


class FakeTime:
    """A clock that advances only by sleeping, or when a test sets it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A streamed body in chunks, which may end with `error`. Counts the bytes sent and records `close`."""

    def __init__(self, *chunks: bytes, error: BaseException | None = None) -> None:
        self.chunks, self.error = chunks, error
        self.sent, self.closed = 0, False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.sent += len(chunk)
            yield chunk
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


class Service:
    """Answers requests from a list; the last answer repeats. Records the requests and their times."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.time = FakeTime()
        self.answers: list[Answer] = []
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(self.time.now)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, httpx.Response):
            return answer(request)
        if not answer.is_stream_consumed or isinstance(answer.stream, Body):
            return answer
        # A copy, because an answer with content may be used several times and by both kinds of client.
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def will(self, *answers: Answer) -> None:
        self.answers = list(answers)

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def client(self, **options: Any) -> Any:
        """A client of the kind under test; an AsyncClient is wrapped so that its methods block."""
        options = {"api_key": KEY, "clock": self.time.clock, **options}
        transport = httpx.MockTransport(self)
        if self.kind == "sync":
            http = options.pop("http_client", None) or httpx.Client(transport=transport)
            options = {"sleep": self.time.sleep, "http_client": http, **options}
            return Client(**options)
        ahttp = options.pop("http_client", None) or httpx.AsyncClient(transport=transport)
        options = {"sleep": self.time.asleep, "http_client": ahttp, **options}
        return Blocking(AsyncClient(**options))

    def http(self, **options: Any) -> Any:
        """An HTTP client to inject."""
        transport = httpx.MockTransport(self)
        if self.kind == "sync":
            return httpx.Client(transport=transport, **options)
        return httpx.AsyncClient(transport=transport, **options)


class Blocking:
    """Blocking wrapper of an AsyncClient or AsyncTask."""

    def __init__(self, inner: AsyncClient | AsyncTask) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return repr(self.inner)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if not callable(value):
            return value

        def call(*args: Any, **named: Any) -> Any:
            result = value(*args, **named)
            if inspect.iscoroutine(result):
                result = asyncio.run(result)
            if inspect.isasyncgen(result):
                return _drained(result)
            return Blocking(result) if isinstance(result, AsyncTask) else result

        return call


def _drained(results: AsyncIterator[Any]) -> Iterator[Any]:
    """Iterate over an asynchronous iterator; an error is raised after the values before it."""
    found: list[Any] = []

    async def drain() -> None:
        async for result in results:
            found.append(result)  # noqa: PERF401 -- values before an error must be kept

    try:
        asyncio.run(drain())
    finally:
        yield from found


def picture(width: int = 300, height: int = 300, size: int = 100) -> bytes:
    """The header of a PNG, padded to `size` bytes; the client reads nothing else of an image."""
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return header.ljust(size, b"\0")


def task(status: str = "submitted", *, urls: Sequence[str] = (), **fields: Any) -> dict[str, object]:
    wire: dict[str, object] = {
        "task_id": TASK_ID,
        "task_status": status,
        "task_info": {},
        "created_at": CREATED,
        "updated_at": CREATED,
    }
    if urls:
        wire["task_result"] = {"images": [{"index": at, "url": url} for at, url in enumerate(urls)]}
    return wire | fields


def shown(status: str = "submitted", *, urls: Sequence[str] = (), **fields: Any) -> httpx.Response:
    """A success response with a task."""
    envelope = {
        "code": 0,
        "message": "SUCCEED",
        "request_id": "c0656403-1e6e-4b7e-b8f8-2cdd2595f2b9",
        "data": task(status, urls=urls, **fields),
    }
    return httpx.Response(200, content=json.dumps(envelope))


VARIABLES = ("COMETAPI_KEY", "KLING_BASE_URL", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_API_KEY")


def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that the client reads, so that the tests do not depend on the environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["sync", "async"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The scripted service, once for `Client` and once for `AsyncClient`."""
    no_environment(monkeypatch)
    return Service(request.param)


@pytest.fixture
def workdir(kling: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the command: a current directory with two images, and a mock that answers in process."""
    del kling
    no_environment(monkeypatch)
    monkeypatch.setenv("COMETAPI_KEY", command.KEY)
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(png(400, 400))
