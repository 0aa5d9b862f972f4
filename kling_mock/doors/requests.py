"""An adapter for `requests.Session.mount`: requests are answered in process, without sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from http.client import RemoteDisconnected, responses
from io import BytesIO, RawIOBase
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse, Timeout
from urllib3.exceptions import ProtocolError

from kling_mock.delivery import Delivery
from kling_mock.doors.arrivals import Arrival, Failure, body_arrivals, head_arrival
from kling_mock.http import Reply, Request

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class FakeAdapter(HTTPAdapter):
    """Answers every request to the prefix for which it is mounted."""

    def __init__(self, handle: Callable[[Request], Reply]) -> None:
        super().__init__()
        self._handle = handle

    def send(  # noqa: PLR0913, PLR0917 -- the signature of the base class
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 -- as above
        timeout: object = None,
        verify: object = True,  # noqa: ARG002, FBT002 -- as above
        cert: object = None,  # noqa: ARG002 -- as above
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 -- as above
    ) -> requests.Response:
        reply = self._handle(_request(request))
        body: IO[bytes] | RawIOBase = BytesIO(b"" if request.method == "HEAD" else reply.body)
        if reply.delivery is not None:
            limit = _read_timeout(timeout)
            _wait(request, head_arrival(reply.delivery, limit))
            if request.method != "HEAD":
                body = _Body(reply.delivery, reply.body, limit)
        raw = HTTPResponse(
            body=body,
            headers=HTTPHeaderDict(reply.framed_headers),
            status=reply.status,
            reason=responses.get(reply.status, ""),
            version=11,
            preload_content=False,
            decode_content=False,
            request_method=request.method,
        )
        return self.build_response(request, raw)


class _Body(RawIOBase):
    """A body that arrives slowly or in part. Reading raises the errors of a socket, or ends early."""

    def __init__(self, delivery: Delivery, content: bytes, timeout: float | None) -> None:
        self._arrivals = body_arrivals(delivery, content, timeout)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._left:
            arrival = next(self._arrivals, Arrival(0))
            _pause(arrival)
            if arrival.failure is Failure.TIMEOUT:
                raise TimeoutError(arrival.text)
            if arrival.failure is Failure.RESET:
                raise ConnectionResetError(arrival.text)
            self._left = arrival.data
        part, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(part)] = part
        return len(part)


def _wait(request: requests.PreparedRequest, arrival: Arrival) -> None:
    """Wait for the head of the reply. Raises the exception of requests if none arrives."""
    _pause(arrival)
    match arrival.failure:
        case None:
            return
        case Failure.TIMEOUT:
            raise requests.ReadTimeout(arrival.text, request=request)
        case Failure.REFUSED:
            raise requests.ConnectionError(arrival.text, request=request)
        case Failure.RESET:
            cause: Exception = ConnectionResetError(arrival.text)
        case _:
            cause = RemoteDisconnected("Remote end closed connection without response")
    raise requests.ConnectionError(ProtocolError("Connection aborted.", cause), request=request)


def _pause(arrival: Arrival) -> None:
    if arrival.seconds:
        time.sleep(arrival.seconds)


def _read_timeout(timeout: object) -> float | None:
    """The read timeout in seconds: `timeout` is a number, a pair, a `Timeout` of urllib3, or None."""
    if isinstance(timeout, Timeout):
        found = timeout.read_timeout
        return found if isinstance(found, int | float) else None
    if isinstance(timeout, tuple):
        return cast("tuple[float | None, float | None]", timeout)[1]
    return cast("float | None", timeout)


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
