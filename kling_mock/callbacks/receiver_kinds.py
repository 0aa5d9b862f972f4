"""Kinds of receivers, recognised by the number of their parameters, so that no framework is imported."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from functools import partial
from typing import Any, Final

ACCEPTED: Final = (
    "a URL, a function or async function of one parameter (the Callback), an ASGI application "
    "(scope, receive, send), a WSGI application (environ, start_response), or None"
)


def kind_of(receiver: Callable[..., object]) -> str:
    """`function`, `asgi`, `asgi2` or `wsgi`. Raises TypeError for a callable of another kind."""
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
        f"deliver_to: must be {ACCEPTED}; {shown(receiver)} has the parameters "
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
        raise TypeError(f"deliver_to: must be {ACCEPTED}; got the generator function {name_of(receiver)}")
    return "asgi2" if parameter == "scope" else "function"


def _is_application(receiver: object, method: str) -> bool:
    """Whether a class may be an application: a call of an application then returns an instance of it."""
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


def name_of(receiver: object) -> str:
    """The name of a function or class, or of the class of another object."""
    name: object = getattr(receiver, "__qualname__", None)
    return name if isinstance(name, str) else type(receiver).__qualname__


def shown(value: object) -> str:
    """The repr of a value for messages, at most 100 characters of it."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}... ({type(value).__qualname__})"


def hint(receiver: object) -> str:
    """The end of a message about an object that is not callable: a remedy, if one is known."""
    if inspect.iscoroutine(receiver):
        receiver.close()  # otherwise Python warns that it was never awaited
        return ". Pass the async function itself, without calling it"
    if isinstance(receiver, types.ModuleType):
        return ". Pass the application in the module, such as module.app"
    if hasattr(receiver, "post"):
        return ". Pass the application, or a function that calls the client"
    return ""
