"""`asgi()` under other servers and libraries: mounted, under a root path, on trio, under hypercorn."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, MutableMapping
from contextlib import closing
from typing import Any

import httpx
import hypercorn.asyncio
import hypercorn.trio
import pytest
import trio
from hypercorn.config import Config

from kling_mock import Fake
from kling_mock.doors.asgi import INLINE_BYTES
from kling_mock.doors.listening import bind
from tests.kling_mock.doors.raw_client import CREATE

KEY = {"authorization": "Bearer sk-asgi"}
Scope = MutableMapping[str, Any]


class Mounting:
    """A framework that mounts `app` at a prefix, with the prefix in `root_path`, and in `path` or not."""

    def __init__(self, app: Any, prefix: str, *, strips: bool) -> None:
        self.app, self.prefix, self.strips = app, prefix, strips

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        child = dict(scope)
        assert scope["path"].startswith(self.prefix)
        child["root_path"] = scope.get("root_path", "") + self.prefix
        if self.strips:
            child["path"] = scope["path"].removeprefix(self.prefix)
            child["raw_path"] = scope["raw_path"].removeprefix(self.prefix.encode())
        await self.app(child, receive, send)


@pytest.mark.parametrize(
    ("prefix", "strips"), [("/fakes/kling", False), ("/fakes", True), ("/kling", False), ("/f", True)]
)
def test_mounted_under_a_prefix(good_body: bytes, prefix: str, *, strips: bool) -> None:
    """Result URLs have the prefix, and lead back; paths are those below it."""
    fake = Fake(pace="instant")
    app = Mounting(fake.asgi(), prefix, strips=strips)

    async def script() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://site.test", headers=KEY) as client:
            created = await client.post(prefix + CREATE, content=good_body)
            assert created.status_code == 200
            url = fake.task.images[0]
            assert url.startswith(f"http://site.test{prefix}/bs2/")
            assert (await client.get(url)).content.startswith(b"\x89PNG")
            polled = await client.get(f"{prefix}{CREATE}/{fake.task.id}")
            assert polled.json()["data"]["task_result"]["images"][0]["url"] == url
            assert (await client.get(f"{prefix}/_mock/health")).status_code == 200

    asyncio.run(script())
    assert {call.path for call in fake.calls} >= {CREATE, "/_mock/health"}
    fake.check()


def test_a_root_path_of_the_server(good_body: bytes) -> None:
    """With characters that are escaped, and a slash at its end."""
    fake = Fake(pace="instant")

    async def script() -> None:
        transport = httpx.ASGITransport(fake.asgi(), root_path="/große/")
        async with httpx.AsyncClient(transport=transport, base_url="http://site.test", headers=KEY) as client:
            assert (await client.post(f"/große{CREATE}", content=good_body)).status_code == 200
            assert fake.task.images[0].startswith("http://site.test/gro%C3%9Fe/bs2/")
            assert (await client.get(fake.task.images[0])).content.startswith(b"\x89PNG")

    asyncio.run(script())
    fake.check()


def test_on_trio(good_body: bytes) -> None:
    """Small requests, pictures and large bodies, which are answered by threads."""
    fake = Fake(pace="instant")
    app = fake.asgi()

    async def script() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://site.test", headers=KEY) as client:
            assert (await client.post(CREATE, content=good_body)).status_code == 200
            assert (await client.get(fake.task.images[0])).content.startswith(b"\x89PNG")
            large = good_body[:-1] + b" " * INLINE_BYTES + b"}"

            async def create() -> None:
                assert (await client.post(CREATE, content=large)).status_code == 200

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(create)

    trio.run(script)
    assert len(fake.tasks) == 6
    fake.check()


def _on_asyncio(fake: Fake, config: Config, stop: threading.Event) -> None:
    async def stopped() -> None:
        while not stop.is_set():  # noqa: ASYNC110 -- it is set by another thread
            await asyncio.sleep(0.01)

    asyncio.run(hypercorn.asyncio.serve(fake.asgi(), config, shutdown_trigger=stopped))  # type: ignore[arg-type]  # hypercorn has types of its own


def _on_trio(fake: Fake, config: Config, stop: threading.Event) -> None:
    async def stopped() -> None:
        while not stop.is_set():  # noqa: ASYNC110 -- it is set by another thread
            await trio.sleep(0.01)

    async def serve() -> None:
        await hypercorn.trio.serve(fake.asgi(), config, shutdown_trigger=stopped)  # type: ignore[arg-type]  # hypercorn has types of its own

    trio.run(serve)


@pytest.mark.parametrize("serve", [_on_asyncio, _on_trio])
@pytest.mark.parametrize("root", ["", "/fakes"])
def test_under_hypercorn(
    good_body: bytes, serve: Callable[[Fake, Config, threading.Event], None], root: str
) -> None:
    fake = Fake(pace="instant")
    with closing(bind("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.root_path = root
    config.errorlog = None
    config.graceful_timeout = 0.1
    stop = threading.Event()
    serving = threading.Thread(target=serve, args=(fake, config, stop))
    serving.start()
    url = f"http://127.0.0.1:{port}"
    retries = httpx.HTTPTransport(retries=8)  # until it listens
    with httpx.Client(transport=retries, headers=KEY, base_url=url, timeout=30) as client:
        created = client.post(root + CREATE, content=good_body)
        assert json.loads(created.content)["code"] == 0
        assert fake.task.images[0].startswith(f"{url}{root}/bs2/")
        assert client.get(fake.task.images[0]).content.startswith(b"\x89PNG")
        assert client.get(f"{root}{CREATE}/unknown?x=1").status_code == 400
    stop.set()
    serving.join(20)
    assert not serving.is_alive()
    assert [call.path for call in fake.calls][-1] == f"{CREATE}/unknown"
    fake.check()
