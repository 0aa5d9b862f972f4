"""An adapter for `requests.Session.mount`: requests are answered in process, without sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPMessage, RemoteDisconnected, responses
from io import BytesIO, RawIOBase
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse, Retry, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from kling_mock.delivery import Delivery
from kling_mock.doors.arrivals import Arrival, Failure, body_arrivals, head_arrival
from kling_mock.http import Reply, Request

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class FakeAdapter(HTTPAdapter):
    """Answers every request to the prefix for which it is mounted.

    `max_retries` is that of `HTTPAdapter`: a number of connection errors, or a `Retry` of urllib3.
    """

    def __init__(self, handle: Callable[[Request], Reply], max_retries: Retry | int = 0) -> None:
        super().__init__(max_retries=max_retries)
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
        asked, limit = _request(request), _read_timeout(timeout)
        retries: Retry = self.max_retries
        while True:
            reply = self._handle(asked)
            failure = None if reply.delivery is None else _wait(request, head_arrival(reply.delivery, limit))
            if failure is not None:
                retries = _after_failure(retries, request, failure)
                retries.sleep()
                continue
            raw = _raw_response(request, reply, limit)
            if not retries.is_retry(asked.method, reply.status, "retry-after" in raw.headers):
                return self.build_response(request, raw)
            try:
                retries = retries.increment(asked.method, request.url, response=raw)
            except MaxRetryError as error:
                if retries.raise_on_status:
                    raise requests.exceptions.RetryError(error, request=request) from error
                return self.build_response(request, raw)
            retries.sleep(raw)


def _raw_response(request: requests.PreparedRequest, reply: Reply, timeout: float | None) -> HTTPResponse:
    body: IO[bytes] | RawIOBase = BytesIO(b"" if request.method == "HEAD" else reply.body)
    if reply.delivery is not None and request.method != "HEAD":
        body = _Body(reply.delivery, reply.body, timeout)
    return HTTPResponse(
        body=body,
        headers=HTTPHeaderDict(reply.framed_headers),
        status=reply.status,
        reason=responses.get(reply.status, ""),
        version=11,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
        original_response=cast("Any", _OriginalResponse(reply)),
    )


class _OriginalResponse:
    """The part of a response of `http.client` that is used: requests reads cookies from its `msg`."""

    def __init__(self, reply: Reply) -> None:
        self.msg = HTTPMessage()
        for name, value in reply.headers:
            self.msg.add_header(name, value)

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        """Without effect: there is no connection."""


def _after_failure(retries: Retry, request: requests.PreparedRequest, failure: HTTPError) -> Retry:
    """The retries that are left after a failure. Raises the exception of requests if it is not retried."""
    try:
        return retries.increment(request.method, request.url, error=failure)
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error, request=request) from None
    except (ProtocolError, MaxRetryError) as error:
        raise requests.ConnectionError(error, request=request) from None


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


def _wait(request: requests.PreparedRequest, arrival: Arrival) -> HTTPError | None:
    """Wait for the head of the reply; return the exception of urllib3 if none arrives."""
    _pause(arrival)
    host = urlsplit(request.url or "").hostname or ""
    match arrival.failure:
        case None:
            return None
        case Failure.TIMEOUT:
            return ReadTimeoutError(HTTPConnectionPool(host), request.url or "", arrival.text)
        case Failure.REFUSED:
            return NewConnectionError(HTTPConnection(host), arrival.text)
        case Failure.RESET:
            cause: Exception = ConnectionResetError(arrival.text)
        case _:
            cause = RemoteDisconnected("Remote end closed connection without response")
    return ProtocolError("Connection aborted.", cause)


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
