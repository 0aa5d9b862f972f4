"""Callbacks as requests to ASGI and WSGI applications, without a socket and without importing a framework.

The request is the one that a server would send: POST to the path and query of the task's `callback_url`, with
its host as the Host header.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.callbacks.post_request import headers_of, target_of

ASGIMessage = MutableMapping[str, Any]


@contextmanager
def _logged(found: list[BaseException]) -> Generator[None]:
    """Collect the exceptions that are logged: frameworks answer 500 and log the exception of a handler."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                found.append(record.exc_info[1])

    collector = Collector(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(collector)
    try:
        yield
    finally:
        root.removeHandler(collector)


def _answer(status: int, logged: list[BaseException]) -> AttemptResult:
    # Other statuses are the application's decision, even if it has logged an exception.
    return AttemptResult(status, logged[-1] if status == 500 and logged else None)


class ASGISession:
    """Requests to one ASGI application on one event loop, within one lifespan of the application.

    `callables`: 2 for the form of ASGI 2, `app(scope)(receive, send)`.
    """

    def __init__(self, app: Any, callables: int = 1) -> None:
        self._app = app
        self._callables = callables
        self._lifespan: _Lifespan | None = None

    async def _call(self, scope: ASGIMessage, receive: Any, send: Any) -> None:
        if self._callables == 2:
            await self._app(scope)(receive, send)
        else:
            await self._app(scope, receive, send)

    async def post(self, callback: Callback) -> AttemptResult:
        """Post a callback. Raises the exception of the application if it has not answered."""
        target = target_of(callback.url)
        if self._lifespan is None:
            lifespan = _Lifespan(self._call)
            await lifespan.start()
            self._lifespan = lifespan
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": target.scheme,
            "path": unquote_to_bytes(target.path).decode("utf-8", "replace"),
            "raw_path": target.path.encode("ascii"),
            "query_string": target.query.encode("ascii"),
            "root_path": "",
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in headers_of(callback, target).items()
            ],
            "client": ("127.0.0.1", 50000),
            "server": (target.host, target.port),
            "state": self._lifespan.state.copy(),
        }
        exchange = _Exchange(callback.content)
        logged: list[BaseException] = []
        with _logged(logged):
            try:
                await self._call(scope, exchange.receive, exchange.send)
            except asyncio.CancelledError:
                raise
            except Exception as problem:
                if exchange.status is None:
                    raise
                # For example of a background task, after the response.
                return AttemptResult(exchange.status, problem)
        if exchange.status is None:
            raise RuntimeError("the ASGI application returned without a response")
        return _answer(exchange.status, logged)

    async def close(self) -> None:
        """End the lifespan of the application. Raises the exception of its shutdown."""
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await lifespan.end()


class _Exchange:
    """One request to an ASGI application, and the status of its response."""

    def __init__(self, body: bytes) -> None:
        self.status: int | None = None
        self._body: bytes | None = body
        self._complete = asyncio.Event()

    async def receive(self) -> ASGIMessage:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: ASGIMessage) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self._complete.set()


class _Lifespan:
    """Startup and shutdown of an ASGI application; one that does not support them is used without."""

    def __init__(self, call: Any) -> None:
        self.state: dict[str, Any] = {}
        self._call = call
        self._events: asyncio.Queue[ASGIMessage] = asyncio.Queue()
        self._replies: list[ASGIMessage] = []
        self._replied = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises the exception of the application's startup."""
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        self._task = asyncio.create_task(self._call(scope, self._events.get, self._send))
        await self._send_event("startup", self._task)

    async def end(self) -> None:
        """Raises the exception of the application's shutdown."""
        if self._task is not None and not self._task.done():
            await self._send_event("shutdown", self._task)
            await asyncio.wait({self._task})

    async def _send(self, message: ASGIMessage) -> None:
        self._replies.append(message)
        self._replied.set()

    async def _send_event(self, event: str, task: asyncio.Task[None]) -> None:
        self._replies.clear()
        self._replied.clear()
        await self._events.put({"type": f"lifespan.{event}"})
        waiting = asyncio.create_task(self._replied.wait())
        try:
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        failed = bool(self._replies) and self._replies[0]["type"] == f"lifespan.{event}.failed"
        if failed:
            await asyncio.wait({task})
        # Retrieved in any case: an exception without a reply means that lifespans are not supported.
        problem = task.exception() if task.done() and not task.cancelled() else None
        if failed:
            message = self._replies[0].get("message", "")
            raise problem or RuntimeError(f"the ASGI application failed at its {event}: {message}")


def _write(data: bytes) -> None:
    """The function that `start_response` returns: the body is not read."""


def post_wsgi(app: Any, callback: Callback) -> AttemptResult:
    """Post a callback to a WSGI application. Raises the exception of the application if it raises one."""
    target = target_of(callback.url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(target.path).decode("latin-1"),
        "QUERY_STRING": target.query,
        "REQUEST_URI": target.path_and_query,
        "SERVER_NAME": target.host,
        "SERVER_PORT": str(target.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": target.scheme,
        "wsgi.input": io.BytesIO(callback.content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers_of(callback, target).items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    statuses: list[str] = []

    def start_response(status: str, _headers: Any, _exc_info: Any = None, /) -> Any:
        statuses.append(status)
        return _write

    logged: list[BaseException] = []
    with _logged(logged):
        body: Any = app(environ, start_response)
        if not hasattr(body, "__iter__"):
            raise TypeError(
                "a WSGI application must return an iterable of bytes; a receiver with two required "
                f"parameters is called as a WSGI application, and this one returned {body!r}"
            )
        try:
            for _ in body:
                pass
        finally:
            close: Any = getattr(body, "close", None)
            if close is not None:
                close()
    if not statuses:
        raise RuntimeError("the WSGI application returned without a call of start_response")
    return _answer(int(statuses[-1].split(maxsplit=1)[0]), logged)
