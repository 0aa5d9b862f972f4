"""The request of a create in readable form: without the key, and with images as size and digest."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from kling_client.config import Config
from kling_client.credentials import HIDDEN
from kling_client.flows import submit
from kling_client.request import Draft, picture_keys
from kling_client.snapshot import TaskSnapshot
from kling_client.steps import Send
from kling_contracts.web_urls import is_web_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A request that was not sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: object

    def to_json(self) -> dict[str, object]:
        return {"method": self.method, "url": self.url, "headers": dict(self.headers), "body": self.body}

    def __str__(self) -> str:
        head = [f"{self.method} {self.url}", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\n".join([*head, "", json.dumps(self.body, indent=2, ensure_ascii=False)])


def preview(config: Config, draft: Draft) -> Preview:
    """The request that `submit` would send, taken from the first step of its flow."""
    flow = submit(config, draft, TaskSnapshot(id=""))
    step = next(flow)
    flow.close()
    call = cast("Send", step).call
    headers = {**call.headers, "Authorization": f"Bearer {HIDDEN}"}
    body = _shortened(json.loads(draft.content), picture_keys(config.operation))
    return Preview(method=call.method, url=call.url, headers=headers, body=body)


def _shortened(value: object, pictures: frozenset[str], key: str = "") -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: _shortened(inner, pictures, name) for name, inner in members.items()}
    if isinstance(value, list):
        return [_shortened(inner, pictures, key) for inner in cast("list[object]", value)]
    return _picture(value) if key in pictures and isinstance(value, str) else value


def _picture(text: str) -> str:
    if is_web_url(text):
        return text
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return f"<{len(text)} characters, neither base64 nor a URL>"
    return f"<image {len(data)} B sha256:{hashlib.sha256(data).hexdigest()[:16]}>"
