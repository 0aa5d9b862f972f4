"""Interception with wrappers that other libraries install on transports before, during or after it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import wrapt

from kling_mock import Fake
from kling_mock.doors.httpx_interception import uncover
from tests.kling_mock.doors.http_libraries import ELSEWHERE, NOT_FOUND, Way

pytestmark = pytest.mark.usefixtures("pristine_transports")


def wrapped(function: Any, log: list[str], name: str) -> Any:
    """A plain wrapper, as a mock or a recorder installs it."""
    if asyncio.iscoroutinefunction(function):

        async def wrapper_async(transport: object, request: Any) -> Any:
            log.append(name)
            return await function(transport, request)

        return wrapper_async

    def wrapper(transport: object, request: Any) -> Any:
        log.append(name)
        return function(transport, request)

    return wrapper


def test_a_wrapper_installed_meanwhile_survives_the_end(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called before the fake and after the end of the interception; then ours is gone from below it."""
    log: list[str] = []
    kind, name = way.HTTPTransport, way.method
    pristine = vars(kind)[name]
    monkeypatch.setattr(kind, name, wrapped(answer_418(way), log, "below"))
    below = vars(kind)[name]
    with Fake().intercept():
        theirs = wrapped(vars(kind)[name], log, "theirs")
        setattr(kind, name, theirs)
        assert way.fetch(NOT_FOUND).status_code == 401
    assert vars(kind)[name] is theirs
    assert way.fetch(NOT_FOUND).status_code == 418
    assert log == ["theirs", "theirs", "below"]
    with Fake().intercept():
        assert way.fetch(NOT_FOUND).status_code == 401
    assert log == ["theirs", "theirs", "below"]  # an interception opened later is asked first
    assert vars(kind)[name] is theirs
    setattr(kind, name, theirs.__closure__ and inner_function(theirs))
    uncover()
    assert vars(kind)[name] is below
    monkeypatch.undo()
    assert vars(kind)[name] is pristine


def inner_function(wrapper: Any) -> Any:
    """The function that a wrapper of `wrapped` calls."""
    return dict(zip(wrapper.__code__.co_freevars, wrapper.__closure__, strict=True))["function"].cell_contents


def answer_418(way: Way) -> Any:
    if way.blocking:
        return lambda _transport, _request: way.library.Response(418)

    async def answer(_transport: object, _request: object) -> Any:
        return way.library.Response(418)

    return answer


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("undone", ["meanwhile", "afterwards"])
def test_instrumentation_observes_each_call_whenever_it_was_installed(
    way: Way, when: str, undone: str
) -> None:
    """Wrappers of wrapt observe and do not answer: they stay on top, and may be removed at any time."""
    log: list[str] = []
    kind, name = way.HTTPTransport, way.method

    def observe(call: Any, _transport: object, args: Any, kwargs: Any) -> Any:
        log.append("observed")
        return call(*args, **kwargs)

    def install() -> None:
        wrapt.wrap_function_wrapper(kind, name, observe)

    def remove() -> None:
        setattr(kind, name, vars(kind)[name].__wrapped__)

    if when == "before":
        install()
    interception = Fake().intercept()
    with interception:
        if when == "meanwhile":
            install()
        assert way.fetch(NOT_FOUND).status_code == 401
        assert way.fetch(NOT_FOUND).status_code == 401
        assert log == ["observed"] * 2
        with Fake().intercept():
            assert way.fetch(NOT_FOUND).status_code == 401
        assert log == ["observed"] * 3
        if undone == "meanwhile":
            remove()
            assert way.fetch(NOT_FOUND).status_code == 401
            assert log == ["observed"] * 3
    if undone == "afterwards":
        remove()


def test_a_mock_object_below_is_called_as_without_us(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """`unittest.mock` replaces a method by an object that is not bound to the transport."""
    from unittest import mock

    kind = mock.Mock if way.blocking else mock.AsyncMock
    theirs = kind(return_value=way.library.Response(418))
    monkeypatch.setattr(way.HTTPTransport, way.method, theirs)
    with Fake().intercept():
        assert way.fetch(ELSEWHERE).status_code == 418
        assert way.fetch(NOT_FOUND).status_code == 401
    (request,) = theirs.call_args.args
    assert str(request.url) == ELSEWHERE


def test_a_wrapper_that_is_undone_after_ours_puts_nothing_back(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patch saves our function and restores it once we have ended: it passes calls on, and is removed."""
    kind, name = way.HTTPTransport, way.method
    pristine = vars(kind)[name]
    with Fake().intercept():
        monkeypatch.setattr(kind, name, answer_418(way))
        assert way.fetch(NOT_FOUND).status_code == 418
    monkeypatch.undo()
    assert vars(kind)[name] is not pristine
    with Fake().intercept():
        assert way.fetch(NOT_FOUND).status_code == 401
    assert vars(kind)[name] is pristine
