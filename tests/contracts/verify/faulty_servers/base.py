"""Faulty servers, one fault each: the counterexamples of the verifier's checks.

A faulty server wraps a correct server and changes requests, responses or callbacks. Each `Fault` names the
check that must find it; a check without a fault proves nothing. The faults are test data and not in the
wheel, but their descriptions are: `checks/faults.json`, for `explain`.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import httpx

from kling_contracts.gateways import GATEWAYS, Gateway, RefusalReason
from kling_contracts.verify.exchange import Headers
from kling_contracts.verify.session import Answer
from kling_contracts.verify.transport import failed
from kling_mock.doors.httpx import read_request
from kling_mock.http import Reply
from kling_mock.http import Request as FakeRequest
from tests.contracts.verify.faulty_servers.messages import Callback, Request, Response

Serve = Callable[[Request], Response]
Handle = Callable[[FakeRequest], Reply]
# The base URL of all runs; no socket listens there.
SERVER: Final = "http://127.0.0.1:9"
_ASCII: Final = "".join(map(chr, range(128)))


class Behind(NamedTuple):
    """The correct server behind a faulty one: its gateway, its `serve`, and its clock in Unix seconds."""

    gateway: Gateway
    serve: Serve
    now: Callable[[], float]


class FaultyServer:
    """A correct server until a subclass changes its requests, its responses, or both.

    Each run has a new instance, which may keep state. `right` is the correct server behind it.
    """

    def __init__(self, behind: Behind) -> None:
        self.gateway = behind.gateway
        self.right = behind.serve
        self.now = behind.now
        self.lock = threading.Lock()

    def serve(self, request: Request) -> Response:
        """Respond to a request, usually through the correct server."""
        self.before(request)
        response = self.right(request)
        self.after(request, response)
        return response

    def before(self, request: Request) -> None:
        """Change an incoming request."""

    def after(self, request: Request, response: Response) -> None:
        """Change an outgoing response."""

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        """The callbacks that are sent instead of this one: usually itself."""
        yield callback

    def knows(self, request: Request) -> bool:
        """Whether the key of a request is valid: a query with it is refused for other reasons."""
        path = f"{self.gateway.create_path}/unknown"
        query = Request(
            gateway=self.gateway, method="GET", path=path, host=request.host, headers=dict(request.headers)
        )
        return self.right(query).status != 401

    def refuse(self, reason: RefusalReason, **values: object) -> Response:
        """A refusal in the shape of the gateway."""
        refusal = self.gateway.refusals[reason]
        known = {"message": "value is invalid", "id": "", "model": "", "method": "", "path": "", "parts": 0}
        response = Response(status=refusal.status)
        response.json = refusal.body(str(uuid4()), **(known | values))
        return response

    def success(self, data: object) -> Response:
        """A successful response with this data."""
        response = Response()
        word = self.gateway.main.success_word.value
        response.json = {"code": 0, "message": word, "request_id": str(uuid4()), "data": data}
        return response


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A faulty server by name. `catches` is the check that must find it.

    `also` are other checks that find it, because the fault violates several properties.
    """

    name: str
    catches: str
    description: str
    make: Callable[[Behind], FaultyServer]
    gateways: tuple[Gateway, ...] = GATEWAYS
    also: frozenset[str] = frozenset()
    # The number of images that a run needs to find it.
    images: int = 20

    def __str__(self) -> str:
        return f"{self.catches}: {self.name}"


class Group:
    """The faults of a module, collected by decorators."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(  # noqa: PLR0917 -- the fields of a Fault
        self,
        catches: str,
        name: str,
        description: str,
        make: Callable[[Behind], FaultyServer],
        gateways: tuple[Gateway, ...] = GATEWAYS,
        also: Iterable[str] = (),
        images: int = 20,
    ) -> None:
        self.faults.append(
            Fault(
                name=name.strip("_").replace("_", " "),
                catches=catches,
                description=description,
                make=make,
                gateways=gateways,
                also=frozenset(also),
                images=images,
            )
        )

    def server(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = ()
    ) -> Callable[[type[FaultyServer]], type[FaultyServer]]:
        """A faulty server as a class: its docstring describes the fault."""

        def note(kind: type[FaultyServer]) -> type[FaultyServer]:
            self.add(catches, _words(kind.__name__), _description(kind), kind, gateways or GATEWAYS, also)
            return kind

        return note

    def before(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = (), images: int = 20
    ) -> Callable[[Callable[[Request], object]], Callable[[Request], object]]:
        """A faulty server as a function that changes incoming requests."""

        def note(mutate: Callable[[Request], object]) -> Callable[[Request], object]:
            class Mutating(FaultyServer):
                def before(self, request: Request) -> None:
                    mutate(request)

            self.add(
                catches, mutate.__name__, _description(mutate), Mutating, gateways or GATEWAYS, also, images
            )
            return mutate

        return note

    def after(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = ()
    ) -> Callable[[Callable[[Request, Response], object]], Callable[[Request, Response], object]]:
        """A faulty server as a function that changes outgoing responses."""

        def note(mutate: Callable[[Request, Response], object]) -> Callable[[Request, Response], object]:
            class Mutating(FaultyServer):
                def after(self, request: Request, response: Response) -> None:
                    mutate(request, response)

            self.add(catches, mutate.__name__, _description(mutate), Mutating, gateways or GATEWAYS, also)
            return mutate

        return note

    def refusing(
        self, catches: str, *gateways: Gateway, also: Iterable[str] = (), images: int = 20
    ) -> Callable[[Callable[[Request], bool]], Callable[[Request], bool]]:
        """A faulty server as a predicate: it refuses these valid creates as invalid."""

        def note(refused: Callable[[Request], bool]) -> Callable[[Request], bool]:
            class Refusing(FaultyServer):
                def serve(self, request: Request) -> Response:
                    operation = self.gateway.main
                    sound = request.creates and not operation.read(request.peek).violations
                    if sound and refused(request) and self.knows(request):
                        return self.refuse(RefusalReason.INVALID)
                    return self.right(request)

            self.add(
                catches, refused.__name__, _description(refused), Refusing, gateways or GATEWAYS, also, images
            )
            return refused

        return note


def _description(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


@lru_cache(maxsize=256)
def _parts(target: str) -> tuple[str, str, str]:
    """Scheme and host of a whole URL, else an empty string; the path and the query, percent-encoded."""
    host = ""
    if target.startswith(("http://", "https://")):
        url = httpx.URL(target)
        host, target = f"{url.scheme}://{url.netloc.decode('ascii')}", url.raw_path.decode("ascii")
    path, _, query = quote(target, safe=_ASCII).partition("?")
    return host or SERVER, path, query


class FaultyTransport(httpx.BaseTransport):
    """A faulty server in front of a fake: `send` for a run without HTTP, and a transport of httpx.

    Callbacks do not pass through it: the code that delivers them calls `deliver` for the ones to send.
    """

    def __init__(
        self, fault: Fault, gateway: Gateway, handle: Handle, now: Callable[[], float] = time.time
    ) -> None:
        self._gateway = gateway
        self._handle = handle
        self._faulty = fault.make(Behind(gateway, self._pass_on, now))

    def send(self, method: str, target: str, headers: Headers, body: bytes | None) -> Answer:
        """The answer that `HttpTransport` returns for the same request over `handle_request`."""
        try:
            host, path, query = _parts(target)
            merged: dict[str, str] = {}
            for name, value in headers:
                key = name.lower()
                merged[key] = f"{merged[key]}, {value}" if key in merged else value
            response = self._serve(method, host, path, query, merged, body or b"")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return failed(error)
        content = response.content
        answered = {**response.headers, "content-length": str(len(content))}
        return Answer(response.status, tuple((name.lower(), it) for name, it in answered.items()), content)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        sent = dict(request.headers.items())  # much faster than dict(request.headers)
        response = self._serve(request.method, host, path, query, sent, request.read())
        content = response.content
        headers = response.headers | {"content-length": str(len(content))}
        return httpx.Response(response.status, headers=headers, content=content, request=request)

    def _serve(  # noqa: PLR0917 -- the parts of a request
        self, method: str, host: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> Response:
        return self._faulty.serve(
            Request(
                raw=body,
                gateway=self._gateway,
                method=method,
                path=path,
                query=query,
                host=host,
                headers=headers,
            )
        )

    def deliver(self, callback: Callback) -> Iterable[Callback]:
        """The callbacks that are sent instead of this one."""
        return self._faulty.call_back(callback)

    def _pass_on(self, request: Request) -> Response:
        target = f"{request.path}?{request.query}" if request.query else request.path
        headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
        sent = read_request(
            request.method, target.encode(), headers, request.content, httpx.LocalProtocolError
        )
        reply = self._handle(sent)
        assert reply.delivery is None, "the fake behind a faulty server sends its replies as a whole"
        body = b"" if request.method == "HEAD" else reply.body
        return Response(raw=body, status=reply.status, headers=dict(reply.framed_headers))
