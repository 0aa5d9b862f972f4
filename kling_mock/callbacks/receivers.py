"""Recognises the receiver that a test gives: a URL, a function, or an ASGI or WSGI application.

Applications are recognised by the number of their parameters, so no framework is imported.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from kling_mock.callbacks.model import AttemptResult, Callback
from kling_mock.callbacks.policy import ANSWER_SECONDS, refusal, without_secrets
from kling_mock.settings import Reach

ACCEPTED: Final = (
    "a URL, a function or async function of one parameter (the Callback), an ASGI application "
    "(scope, receive, send), a WSGI application (environ, start_response), or None"
)


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
        raise TypeError(f"deliver_to: must be {ACCEPTED}; got {_shown(receiver)}{_hint(receiver)}")
    name = _name(receiver)
    kind = _kind(receiver)
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
    from kling_mock.doors.webhook_sender import CallbackClient

    client = CallbackClient()
    loop = ReceiverLoop(client.close, real_time=True)

    def call(callback: Callback) -> AttemptResult:
        posted = client.attempt(callback._replace(url=url), lambda target: refusal(target, reach))
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
            f"a callback receiver must not return a task or future ({_shown(returned)}), which only its own "
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
            f"not {_shown(returned)}"
        )
    return int(status)


def _is_mock(value: object) -> bool:
    mock: Any = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock)


# -- recognition


def _kind(receiver: Callable[..., object]) -> str:
    """`function`, `asgi`, `asgi2` or `wsgi`. Raises TypeError for a callable that is none of these."""
    try:
        parameters = list(inspect.signature(receiver).parameters.values())
    except (TypeError, ValueError):  # a function written in C
        return "function"
    keywords = [
        each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty
    ]
    positional = [
        each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    required = [each for each in positional if each.default is each.empty]
    variadic = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    if not keywords:
        asgi = len(required) == 3 or [each.name for each in positional] == ["scope", "receive", "send"]
        if asgi and _is_application(receiver, "__await__"):
            return "asgi"
        if len(required) == 2 and _is_application(receiver, "__iter__") and not _is_async(receiver):
            return "wsgi"
        if len(required) <= 1 and (positional or variadic):
            return _kind_of_one(receiver, required[0].name if required else "")
    raise TypeError(
        f"deliver_to: must be {ACCEPTED}; {_shown(receiver)} has the parameters "
        f"({', '.join(map(str, parameters))})"
    )


def _kind_of_one(receiver: Callable[..., object], parameter: str) -> str:
    """The kind of a callable with one parameter."""
    if isinstance(receiver, type):
        call = _method(receiver)
        if inspect.iscoroutinefunction(call) and len(inspect.signature(call).parameters) == 3:
            return "asgi2"  # self, receive, send
        raise TypeError(
            f"deliver_to: must be {ACCEPTED}; got the class {receiver.__qualname__}: pass an instance"
        )
    if _any(receiver, inspect.isgeneratorfunction) or _any(receiver, inspect.isasyncgenfunction):
        raise TypeError(f"deliver_to: must be {ACCEPTED}; got the generator function {_name(receiver)}")
    return "asgi2" if parameter == "scope" else "function"


def _is_application(receiver: object, method: str) -> bool:
    """Whether a class may be an application: its instances are then what a call of an application returns."""
    return not isinstance(receiver, type) or hasattr(receiver, method)


def _method(receiver: object) -> Any:
    """The method that a call runs; of a class, the one that a call of its instances runs."""
    return getattr(receiver, "__call__")  # noqa: B004, B009 -- the method itself is inspected


def _is_async(receiver: Callable[..., object]) -> bool:
    return _any(receiver, inspect.iscoroutinefunction)


def _any(receiver: Callable[..., object], holds: Callable[[object], bool]) -> bool:
    """Whether a property holds for a function, or for the method of a callable object."""
    while isinstance(receiver, partial):
        receiver = receiver.func
    return holds(receiver) or holds(_method(receiver))


def _name(receiver: object) -> str:
    name: object = getattr(receiver, "__qualname__", None)
    return name if isinstance(name, str) else type(receiver).__qualname__


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}... ({type(value).__qualname__})"


def _hint(receiver: object) -> str:
    if inspect.iscoroutine(receiver):
        receiver.close()  # otherwise Python warns that it was never awaited
        return ". Pass the async function itself, without calling it"
    if isinstance(receiver, types.ModuleType):
        return ". Pass the application in the module, such as module.app"
    if hasattr(receiver, "post"):
        return ". Pass the application, or a function that calls the client"
    return ""
