"""An adapter for `requests.Session.mount`: requests are answered in process, without sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from http.client import responses
from io import BytesIO
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from kling_mock.http import Reply, Request


class FakeAdapter(HTTPAdapter):
    """Answers every request to the prefix for which it is mounted."""

    def __init__(self, handle: Callable[[Request], Reply]) -> None:
        super().__init__()
        self._handle = handle

    def send(  # noqa: PLR0913, PLR0917 -- the signature of the base class
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002
        timeout: object = None,
        verify: object = True,  # noqa: ARG002, FBT002
        cert: object = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        reply = self._handle(_request(request))
        limit = cast("float | None", timeout[1] if isinstance(timeout, tuple) else timeout)
        delay = 0.0 if reply.delivery is None else reply.delivery.delay
        if delay:
            time.sleep(delay if limit is None else min(delay, limit))
            if limit is not None and limit < delay:
                raise requests.ReadTimeout(f"no response within {limit:g} s", request=request)
        body = b"" if request.method == "HEAD" else reply.body
        if reply.delivery is not None:
            body = b"".join(reply.delivery.pieces(body))
        raw = HTTPResponse(
            body=BytesIO(body),
            headers=HTTPHeaderDict(reply.framed_headers),
            status=reply.status,
            reason=responses.get(reply.status, ""),
            version=11,
            preload_content=False,
            decode_content=False,
            request_method=request.method,
        )
        return self.build_response(request, raw)


def _request(request: requests.PreparedRequest) -> Request:
    path, _, query = request.path_url.partition("?")
    headers = [(_text(name).lower(), _text(value)) for name, value in request.headers.items()]
    if "host" not in request.headers:
        headers.insert(0, ("host", urlsplit(request.url or "").netloc.rpartition("@")[2]))
    return Request(request.method or "GET", path, query, tuple(headers), _body(request.body))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _body(body: object) -> bytes:
    """The bytes that urllib3 sends for a body of bytes, text, a file, or an iterable of bytes and text."""
    match body:
        case None:
            return b""
        case bytes() | bytearray():
            return bytes(body)
        case str():
            return body.encode()
        case _ if callable(read := getattr(body, "read", None)):
            return _body(read())
        case _:
            chunks = cast("Iterable[Any]", body)
            return b"".join(chunk.encode() if isinstance(chunk, str) else chunk for chunk in chunks)
