"""Every door as one function: `with door(fake) as send`, then `send(request)` gives a response, read.

Async doors run on an event loop of their own, one call at a time, so that a test reads the same for all.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import Queue
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from kling_contracts.gateways import COMETAPI
from kling_contracts.image_files import encoded, png
from kling_mock import Clock, ManualClock
from kling_mock.callbacks.model import Callback
from kling_mock.doors.asgi import ASGIApp
from kling_mock.doors.server import Server
from kling_mock.fake import Fake
from kling_mock.http import Request
from kling_mock.records import AttemptRecord
from tests.kling_mock.doors.callback_scene import Hook, MakeHook, Scene, Serve
from tests.kling_mock.doors.http_libraries import WAYS, Way
from tests.kling_mock.doors.served_fakes import RawServer, serving
from tests.rows import exhaustive

Send = Callable[[httpx.Request], httpx.Response]
Door = Callable[[Fake], AbstractContextManager[Send]]
Build = Callable[..., httpx.Request]


@contextmanager
def _core(fake: Fake) -> Generator[Send]:
    """Without a transport: the reference for the responses of every transport."""

    def send(request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.decode().partition("?")
        headers = tuple(
            (name.decode().lower(), value.decode("latin-1")) for name, value in request.headers.raw
        )
        reply = fake.handle(Request(request.method, path, query, headers, request.read()))
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body)

    yield send


@contextmanager
def _sync(client: httpx.Client, address: str | None = None) -> Generator[Send]:
    with client:
        yield lambda request: client.send(_addressed(request, address))


@contextmanager
def _async(client: httpx.AsyncClient, address: str | None = None) -> Generator[Send]:
    with asyncio.Runner() as runner:

        def send(request: httpx.Request) -> httpx.Response:
            return runner.run(client.send(_addressed(request, address)))

        try:
            yield send
        finally:
            runner.run(client.aclose())


def _addressed(request: httpx.Request, address: str | None) -> httpx.Request:
    """The request as it stands, sent to another address."""
    if address is None:
        return request
    url = httpx.URL(address).copy_with(raw_path=request.url.raw_path)
    others = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    headers = [(b"Host", url.netloc), *others]
    return httpx.Request(request.method, url, headers=headers, stream=request.stream)


@contextmanager
def _intercepted(fake: Fake, sends: AbstractContextManager[Send]) -> Generator[Send]:
    with fake.intercept(only=True), sends as send:
        yield send


# verify=False: nothing of these goes over a wire, and loading certificates takes longer than the test.
_DOORS: dict[str, Door] = {
    "transport sync": lambda fake: _sync(httpx.Client(transport=fake.transport())),
    "transport async": lambda fake: _async(httpx.AsyncClient(transport=fake.transport())),
    "intercept sync": lambda fake: _intercepted(fake, _sync(httpx.Client(verify=False))),
    "intercept async": lambda fake: _intercepted(fake, _async(httpx.AsyncClient(verify=False))),
    "asgi async": lambda fake: _async(httpx.AsyncClient(transport=httpx.ASGITransport(fake.asgi()))),
}
_SERVED: dict[str, Callable[[str], AbstractContextManager[Send]]] = {
    "serve sync": lambda url: _sync(httpx.Client(verify=False, timeout=60), url),
    "serve async": lambda url: _async(httpx.AsyncClient(verify=False, timeout=60), url),
}


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[ASGIApp, str]]:
    """One server for all tests that do not care about starting and stopping; they put their fake in."""
    app = ASGIApp(Fake())
    with Server(app) as server:
        yield app, server.url


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    """A server of a test's own, for requests in bytes."""
    with serving() as server:
        yield server


# Each of the others differs from one of these by its client only, or by the kind of its client.
_USUAL = ("transport async", "intercept sync", "asgi async", "serve sync")


@pytest.fixture(
    params=[pytest.param(name, marks=() if name in _USUAL else exhaustive) for name in (*_DOORS, *_SERVED)]
)
def door(request: pytest.FixtureRequest) -> Door:
    """Every door in turn."""
    name: str = request.param  # a test that wants few doors names them, with indirect=True
    if name in _DOORS:
        return _DOORS[name]
    app, url = request.getfixturevalue("served")

    @contextmanager
    def through_socket(fake: Fake) -> Generator[Send]:
        app.fake = fake
        with _SERVED[name](url) as send:
            yield send

    return through_socket


@pytest.fixture(
    params=[
        pytest.param(name, marks=exhaustive if name in ("httpx trio", "httpx2 asyncio") else ())
        for name in WAYS
    ]
)
def way(request: pytest.FixtureRequest) -> Way:
    """Each library with each kind of client, in turn."""
    name: str = request.param
    return WAYS[name]


@pytest.fixture
def pristine_transports() -> Iterator[None]:
    """Fails a test after which the transports of httpx and httpx2 have other functions than before."""
    transports = [(library.HTTPTransport, library.AsyncHTTPTransport) for library in (httpx, httpx2)]

    def functions() -> list[object]:
        return [
            function
            for blocking, asynchronous in transports
            for function in (vars(blocking)["handle_request"], vars(asynchronous)["handle_async_request"])
        ]

    before = functions()
    yield
    assert functions() == before


@pytest.fixture
def core() -> Door:
    """`Fake.handle` itself, the reference for the responses of every transport."""
    return _core


@pytest.fixture(scope="session")
def good_body() -> bytes:
    """A create request that nothing is wrong with."""
    return json.dumps({"subject_image_list": [{"subject_image": encoded(png(300, 300))}] * 2}).encode()


@pytest.fixture
def post() -> Build:
    """Build a create request: `post(body, *headers, path=...)`."""

    def build(
        body: bytes, *headers: tuple[str, str], key: str = "sk-door", path: str = COMETAPI.create_path
    ) -> httpx.Request:
        always = [("authorization", f"Bearer {key}"), ("content-type", "application/json")]
        return httpx.Request(
            "POST", f"{COMETAPI.base_url}{path}", headers=list(headers) or always, content=body
        )

    return build


@pytest.fixture
def get() -> Build:
    """Build any request without a body: `get(path, *headers, method=...)`."""

    def build(
        path: str, *headers: tuple[str, str], method: str = "GET", key: str = "sk-door"
    ) -> httpx.Request:
        return httpx.Request(
            method,
            f"{COMETAPI.base_url}{path}",
            headers=list(headers) or [("authorization", f"Bearer {key}")],
        )

    return build


# -- callbacks


@pytest.fixture
def hook() -> Iterator[MakeHook]:
    made: list[Hook] = []

    def make(*answers: int | tuple[int, dict[str, str]], port: int = 0) -> Hook:
        made.append(Hook(*answers, port=port))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def serve() -> Iterator[Serve]:
    scenes: list[Scene] = []

    def start(clock: Clock | None = None, **switches: Any) -> Scene:
        fake = Fake(clock=clock or ManualClock(), **switches)
        reported: Queue[tuple[Callback, AttemptRecord | None]] = Queue()
        sender = fake.sender(lambda callback, attempt: reported.put((callback, attempt)))
        scenes.append(Scene(Server(fake.asgi(), background=sender.run).start(), fake, reported))
        return scenes[-1]

    yield start
    for scene in scenes:
        scene.close()
        scene.server.stop()
        scene.fake.check()
    gc.collect()  # unclosed resources warn here, and warnings are errors


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The sleeps of the transports, which do not take time."""
    slept: list[float] = []

    async def no_sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(anyio, "sleep", no_sleep)
    return slept
