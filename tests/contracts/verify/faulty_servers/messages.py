"""Requests, responses and callbacks that a faulty server may change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl, unquote, urlencode

from kling_contracts.gateways import Gateway
from kling_contracts.vocabulary import ResultKind

Object = dict[str, object]
_UNREAD = object()


def _no_json(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def as_object(value: object) -> Object:
    """The value if it is a JSON object, else a new empty one."""
    return cast("Object", value) if isinstance(value, dict) else {}


@dataclass(kw_only=True)
class Content:
    """Bytes that may be JSON. After a change of the decoded `json`, `content` is its encoding."""

    raw: bytes = b""
    _json: object = field(default=_UNREAD, repr=False)
    _changed: bool = field(default=False, repr=False)

    @property
    def json(self) -> object:
        """The decoded JSON, or None. Use `body` for changes."""
        if self._json is _UNREAD:
            try:
                self._json = cast("object", json.loads(self.raw.decode(), parse_constant=_no_json))
            except (ValueError, RecursionError):
                self._json = None
        return self._json

    @json.setter
    def json(self, value: object) -> None:
        self._json, self._changed = value, True

    @property
    def body(self) -> Object:
        """The JSON object, for changes in place."""
        found = as_object(self.json)
        self._changed = self._changed or bool(found)
        return found

    @property
    def peek(self) -> Object:
        """The JSON object, for reading only."""
        return as_object(self.json)

    @property
    def content(self) -> bytes:
        return json.dumps(self._json).encode() if self._changed else self.raw

    @content.setter
    def content(self, value: bytes) -> None:
        self.raw, self._json, self._changed = value, _UNREAD, False


@dataclass(kw_only=True)
class Request(Content):
    """A request. `path` is as sent, percent-encoded, without the query."""

    gateway: Gateway
    method: str
    path: str
    query: str = ""
    host: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def creates(self) -> bool:
        """Whether it is a create request."""
        return self.method == "POST" and self.path == self.gateway.create_path

    @property
    def lists(self) -> bool:
        return self.method == "GET" and self.path == self.gateway.create_path

    @property
    def task_id(self) -> str:
        """The id in the path of a query; empty for other requests."""
        head = self.gateway.create_path + "/"
        return unquote(self.path[len(head) :]) if self.method == "GET" and self.path.startswith(head) else ""

    @property
    def is_api(self) -> bool:
        return f"{self.gateway.prefix}/v1/" in self.path

    @property
    def fetches(self) -> bool:
        """Whether it is a request for a result image."""
        return self.method == "GET" and not self.is_api and not self.path.startswith("/_mock")

    @property
    def key(self) -> str:
        """The credential without its scheme."""
        return self.headers.get("authorization", "").partition(" ")[2]

    @property
    def page(self) -> dict[str, str]:
        """The parameters of the query string."""
        return dict(parse_qsl(self.query))

    def turn_page(self, **parameters: object) -> None:
        self.query = urlencode(self.page | {name: str(value) for name, value in parameters.items()})


@dataclass(kw_only=True)
class Response(Content):
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def task(self) -> Object:
        """The single task in the response, for changes; else a new empty object."""
        data = as_object(self.peek.get("data"))
        return as_object(self.body.get("data")) if "task_id" in data else {}

    @property
    def entries(self) -> list[Object]:
        """The tasks of a list, for changes."""
        data = self.peek.get("data")
        return cast("list[Object]", self.body["data"]) if isinstance(data, list) else []

    @property
    def tasks(self) -> Iterator[Object]:
        """Every task in the response, single or in a list."""
        if self.task:
            yield self.task
        yield from self.entries


@dataclass(kw_only=True)
class Callback(Content):
    """A callback on its way to `url`."""

    url: str
    headers: dict[str, str]

    @property
    def task(self) -> Object:
        return self.body


def as_list(value: object) -> list[object]:
    """The value if it is a JSON array, else a new empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text_in(request: Request, name: str) -> str:
    """The string in a field of a create, or an empty string."""
    value = request.peek.get(name) if request.creates else None
    return value if isinstance(value, str) else ""


def subjects_in(request: Request) -> list[object]:
    """The subjects of a create as sent; empty if they are not an array."""
    return as_list(request.peek.get("subject_image_list") if request.creates else None)


def images_of(task: Object) -> list[Object]:
    """The results of a task object of any kind, for changes."""
    result = as_object(task.get("task_result"))
    for kind in ResultKind:
        if isinstance(result.get(kind), list):
            return cast("list[Object]", result[kind])
    return []
