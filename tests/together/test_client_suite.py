"""`Client` and `AsyncClient` pass the client suite with both gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from kling_client import AsyncClient, Client
from kling_client.snapshot import TaskSnapshot
from kling_contracts import MULTI_IMAGE, ResultImage, TaskStatus
from kling_contracts.client_suite import ClientAdapter, Outcome, Service, client_suite
from kling_contracts.gateways import KLING
from tests.profiles import FULL
from tests.rows import thinned

SCENES = ("scence_image", "scene_image")


def arguments(service: Service, request: Mapping[str, object]) -> dict[str, Any]:
    """The arguments of `generate` for a body; fields without an argument are in `extra`."""
    scene = SCENES[0] if service.gateway.main is MULTI_IMAGE else SCENES[1]
    names = {"model_name": "model", scene: "scene", "style_image": "style"}
    names |= {each: each for each in ("prompt", "n", "aspect_ratio", "callback_url", "external_task_id")}
    extra = {name: value for name, value in request.items() if name not in names}
    given = {names[name]: value for name, value in request.items() if name in names}
    images = plain_pictures(extra.get("subject_image_list"))
    if images is not None:
        del extra["subject_image_list"]
    return {"images": images or [], "extra": extra, **given}


def plain_pictures(items: object) -> list[str] | None:
    """The images of a list, as strings for `images`; None if the list needs `extra`."""
    if not isinstance(items, list) or any(list(item) != ["subject_image"] for item in map(keys, items)):
        return None
    pictures = [item["subject_image"] for item in items]
    return pictures if all(isinstance(picture, str) for picture in pictures) else None


def keys(item: object) -> list[object]:
    return list(item) if isinstance(item, dict) else []


def outcome(task: TaskSnapshot) -> Outcome:
    return Outcome(str(task.status), [image.url for image in task.images], task.failure)


def options(service: Service) -> dict[str, Any]:
    return {
        "api_key": service.api_key,
        "gateway": service.gateway.name,
        "base_url": service.base_url,
        "timeout": service.timeout,
    }


class Blocking(ClientAdapter):
    """`Client`, a new one for every call."""

    def submit(self, service: Service, request: dict[str, object]) -> str:
        with opened() as http, Client(**options(service), http_client=http) as client:
            return client.generate(**arguments(service, request)).id

    def query(self, service: Service, task_id: str) -> Outcome:
        with opened() as http, Client(**options(service), http_client=http) as client:
            return outcome(client.get(task_id))

    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        with opened() as http, Client(**options(service), http_client=http) as client:
            return outcome(client.task(task_id).wait(deadline=deadline))

    def fetch(self, service: Service, url: str) -> bytes:
        image = ResultImage(index=0, url=url)
        with opened() as http, Client(**options(service), http_client=http) as client, folder() as into:
            task = replace(client.task("1"), status=TaskStatus.SUCCEED, images=(image,))
            return task.save(into)[0].read_bytes()


class Awaited(ClientAdapter):
    """`AsyncClient`, whose methods the suite awaits."""

    async def submit(self, service: Service, request: dict[str, object]) -> str:
        async with opened_async() as http, AsyncClient(**options(service), http_client=http) as client:
            return (await client.generate(**arguments(service, request))).id

    async def query(self, service: Service, task_id: str) -> Outcome:
        async with opened_async() as http, AsyncClient(**options(service), http_client=http) as client:
            return outcome(await client.get(task_id))

    async def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        async with opened_async() as http, AsyncClient(**options(service), http_client=http) as client:
            return outcome(await client.task(task_id).wait(deadline=deadline))

    async def fetch(self, service: Service, url: str) -> bytes:
        image = ResultImage(index=0, url=url)
        async with opened_async() as http, AsyncClient(**options(service), http_client=http) as client:
            task = replace(client.task("1"), status=TaskStatus.SUCCEED, images=(image,))
            with folder() as into:
                (path,) = await task.save(into)
                return await asyncio.to_thread(path.read_bytes)


def folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="client-suite-")


# verify=False, because loading certificates takes 30 ms and no connection is encrypted.


def opened() -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(verify=False))


def opened_async() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(verify=False))


test_client = thinned(client_suite(Blocking(), examples=20 if FULL else 2), 2)
test_async_client_at_kling = thinned(client_suite(Awaited(), gateway=KLING, examples=5 if FULL else 2), 4)
if FULL:  # both clients run the same flows: in `make test` each is judged at one gateway
    test_client_at_kling = client_suite(Blocking(), gateway=KLING, examples=5)
    test_async_client = client_suite(Awaited(), examples=20)
