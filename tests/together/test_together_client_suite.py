"""Our own two clients pass the suite that we offer for everybody's, at both gateways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpx

from contracts.client_suite import ClientAdapter, Outcome, Service, client_suite
from contracts.gateways import KLING
from kling_client import AsyncClient, Client, DownloadError, TaskFailed
from kling_client.snapshot import TaskSnapshot

# The arguments of `generate`, by the fields they become.
ARGUMENTS = {
    "model_name": "model",
    "scence_image": "scene",
    "scene_image": "scene",
    "style_image": "style",
    **{name: name for name in ("prompt", "n", "aspect_ratio", "callback_url", "external_task_id")},
}


def arguments(service: Service, request: Mapping[str, object]) -> dict[str, Any]:
    """The call of `generate` that means a body; what no argument is for goes into `extra`."""
    scene = service.gateway.routes[0].operations[0].fields[3].name
    names = {name: word for name, word in ARGUMENTS.items() if word != "scene" or name == scene}
    extra = {name: value for name, value in request.items() if name not in names}
    items = cast("Any", extra.get("subject_image_list"))
    plain = isinstance(items, list) and all(
        isinstance(item, dict) and list(item) == ["subject_image"] and isinstance(item["subject_image"], str)
        for item in items
    )
    images = [item["subject_image"] for item in extra.pop("subject_image_list")] if plain else []  # type: ignore[attr-defined]
    return {
        "images": images,
        "extra": extra,
        **{
            name: request[field]
            for field, name in names.items()
            if field in request
        },
    }


def outcome(task: TaskSnapshot) -> Outcome:
    return Outcome(str(task.status), [image.url for image in task.images], task.failure)


class Blocking(ClientAdapter):
    """`Client`, whose `generate` has arguments for the fields of the contract."""

    def _client(self, service: Service, http: httpx.Client) -> Client:
        return Client(
            service.api_key,
            gateway=service.gateway.name,
            base_url=service.base_url,
            timeout=service.timeout,
            http_client=http,
        )

    def submit(self, service: Service, request: dict[str, object]) -> str:
        with http() as opened:
            return self._client(service, opened).generate(**arguments(service, request)).id

    def query(self, service: Service, task_id: str) -> Outcome:
        with http() as opened:
            return outcome(self._client(service, opened).get(task_id))

    def wait(self, service: Service, task_id: str, timeout: float) -> Outcome:
        with http() as opened:
            return outcome(self._client(service, opened).task(task_id).wait(deadline=timeout))


def http() -> httpx.Client:
    # verify=False: loading certificates takes 30 ms, and nothing here is encrypted.
    return httpx.Client(transport=httpx.HTTPTransport(verify=False))


test_client = client_suite(Blocking())
test_client_at_kling = client_suite(Blocking(), gateway=KLING)
