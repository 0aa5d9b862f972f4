"""Receivers that a test gives, ready to be called: a URL, a function, or an ASGI or WSGI application."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.callbacks.policy import ANSWER_SECONDS, refusal, without_secrets
from kling_mock.callbacks.receiver_kinds import ACCEPTED, hint, kind_of, name_of, shown
from kling_mock.setting_types import Reach


def _nothing() -> None:
    """Receivers without an event loop have nothing to close."""


@dataclass(frozen=True)
class ConnectedReceiver:
    """A receiver that can be called. `url` is set if it is called over HTTP."""

    name: str
    call: Callable[[Callback], AttemptResult]
    close: Callable[[], None] = _nothing
    url: str | None = None


def connect(receiver: object, reach: Reach) -> ConnectedReceiver:
    """Raises TypeError for an object that is not a receiver, ValueError for a URL that must not be called."""
    url = _url_of(receiver)
    if url is not None:
        return _connect_url(url, reach)
    if not callable(receiver):
        raise TypeError(f"deliver_to: must be {ACCEPTED}; got {shown(receiver)}{hint(receiver)}")
    name = name_of(receiver)
    kind = kind_of(receiver)
    if kind == "function":
        return _connect_function(receiver, name)
    if kind == "wsgi":
        return ConnectedReceiver(name, partial(_call_wsgi, receiver))
    from kling_mock.callbacks.applications import ASGISession
    from kling_mock.callbacks.receiver_loop import ReceiverLoop

    session = ASGISession(receiver, callables=2 if kind == "asgi2" else 1)
    loop = ReceiverLoop(session.close)
    return ConnectedReceiver(name, lambda callback: _as_result(loop.run(session.post(callback))), loop.stop)


# -- over HTTP


def _url_of(receiver: object) -> str | None:
    """The text of a string, or of a URL object of a library."""
    if isinstance(receiver, str):
        return receiver
    if callable(receiver) or isinstance(receiver, BaseException):
        return None
    text = str(receiver)
    return text if text.lower().startswith(("http://", "https://")) else None


def _connect_url(url: str, reach: Reach) -> ConnectedReceiver:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a malformed host or port
        valid = False
    if not valid:
        raise ValueError(f"deliver_to: a string must be an http or https URL with a host; got {url!r}")
    why = refusal(url, reach)
    if why is not None:
        raise ValueError(f"deliver_to: {without_secrets(url)} is not allowed: {why} (setting callbacks)")
    from kling_mock.callbacks.receiver_loop import ReceiverLoop
    from kling_mock.doors.webhook_client import WebhookClient

    client = WebhookClient(reach)
    loop = ReceiverLoop(client.close, real_time=True)

    def call(callback: Callback) -> AttemptResult:
        posted = client.attempt(callback._replace(url=url))
        return _as_result(loop.run(posted, seconds=ANSWER_SECONDS + 5))  # `attempt` keeps the deadline

    return ConnectedReceiver(without_secrets(url), call, loop.stop, url)


# -- in process


def _connect_function(function: Callable[..., object], name: str) -> ConnectedReceiver:
    from kling_mock.callbacks.receiver_loop import ReceiverLoop, loop_here, run_on_trio

    loop = ReceiverLoop()

    def call(callback: Callback) -> AttemptResult:
        returned = function(callback)
        if inspect.isawaitable(returned) and not _is_mock(returned):
            run = run_on_trio if loop_here() == "trio" else loop.run
            returned = run(_coroutine(returned))
        return AttemptResult(status_of(returned))

    return ConnectedReceiver(name, call, loop.stop)


def _coroutine(returned: Any) -> Coroutine[Any, Any, object]:
    """A coroutine with the result of an awaitable. Raises TypeError for a task: its own loop stands still."""
    if inspect.iscoroutine(returned):
        return returned
    import asyncio

    if asyncio.isfuture(returned):
        raise TypeError(
            f"a callback receiver must not return a task or future ({shown(returned)}), which only its own "
            "event loop can await: define the receiver with `async def`, or return None"
        )

    async def awaited() -> object:
        return await returned

    return awaited()


def _call_wsgi(app: Any, callback: Callback) -> AttemptResult:
    from kling_mock.callbacks.applications import post_wsgi
    from kling_mock.callbacks.receiver_loop import in_thread, loop_here

    post = partial(post_wsgi, app, callback)
    # Synchronous code that uses asyncio.run, or Django's database layer, fails inside a running event loop.
    return post() if loop_here() is None else _as_result(in_thread(post))


def _as_result(answer: object) -> AttemptResult:
    assert isinstance(answer, AttemptResult)  # noqa: S101 -- for the type checkers: it passed through a thread
    return answer


def status_of(returned: object) -> int:
    """The HTTP status of a returned value: a status, a response, or None (200). TypeError for others."""
    if returned is None:
        return 200
    status: object = returned
    if not isinstance(returned, int):
        status = getattr(returned, "status_code", None)
        if not isinstance(status, int):
            status = getattr(returned, "status", None)
        if not isinstance(status, int) and _is_mock(returned):
            return 200  # the return value of a mock object that was not configured
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(
            "a callback receiver must return an HTTP status (int) or None, or a response with `status_code`, "
            f"not {shown(returned)}"
        )
    return int(status)


def _is_mock(value: object) -> bool:
    mock: Any = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock)
