"""Applications that fail: in their lifespan, in a handler, or without a response."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import fastapi
import flask
import pytest
import starlette.applications
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.kling_mock.callbacks.frameworks import django_asgi, django_wsgi
from tests.kling_mock.callbacks.runs import RUNS, create, make_fake


@pytest.mark.parametrize("when", ["startup", "shutdown"])
def test_a_lifespan_that_fails_is_reported(when: str) -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if when == "startup":
            raise LookupError("no database")
        yield
        raise LookupError("no database")

    app = fastapi.FastAPI(lifespan=lifespan)
    app.post("/hook")(lambda: None)
    fake = make_fake(pace="held:submitted", callback_retries=[])
    fake.callbacks.deliver_to(app)
    create(fake)
    assert [each.delivered for each in fake.callbacks] == [when == "shutdown"]
    fake.callbacks.deliver_to(None)
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    (problem,) = caught.value.exceptions
    assert isinstance(problem, LookupError)
    assert "raised by the callback receiver FastAPI" in problem.__notes__[0]


def crashing_flask(*, testing: bool) -> flask.Flask:
    app = flask.Flask("receiver")
    app.testing = testing

    @app.post("/crash")
    def crash() -> str:
        raise LookupError("no such order")

    return app


def crashing_fastapi() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.post("/crash")
    def crash() -> str:
        raise LookupError("no such order")

    return app


CRASHING: dict[str, Callable[[], Any]] = {
    "flask": lambda: crashing_flask(testing=False),
    "flask testing": lambda: crashing_flask(testing=True),
    "fastapi": crashing_fastapi,
    "django wsgi": lambda: django_wsgi([]),
    "django asgi": lambda: django_asgi([]),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", CRASHING)
@pytest.mark.usefixtures("django_module")
def test_an_exception_of_a_handler_is_reported_with_its_traceback(name: str, run: str) -> None:
    """Also if the framework answers 500 and logs it."""
    fake = make_fake(pace="held:submitted", callback_retries=[])
    fake.callbacks.deliver_to(CRASHING[name]())
    RUNS[run](fake, "https://app.test/crash")
    (attempt,) = fake.callbacks[0].attempts
    expected = "LookupError('no such order')"
    if name == "flask testing":  # a WSGI server answers 500 for it; the application has not answered
        assert (attempt.status, attempt.error) == (None, expected)
    else:
        assert (attempt.status, attempt.error) == (500, f"the receiver answered 500: {expected}")
    fake.callbacks.deliver_to(None)
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    (problem,) = caught.value.exceptions
    assert isinstance(problem, LookupError)
    assert "raised by the callback receiver" in problem.__notes__[0]
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == "crash"


@pytest.mark.parametrize("status", [503, 204])
def test_an_exception_that_the_application_handles_is_its_own_matter(status: int) -> None:
    """It is logged, and the answer is not 500."""
    app = flask.Flask("receiver")

    @app.post("/hook")
    def hook() -> tuple[str, int]:
        try:
            int("database")
        except ValueError:
            logging.getLogger("app").exception("no database")
        return "", status

    fake = make_fake(pace="held:submitted", callback_retries=[])
    fake.callbacks.deliver_to(app)
    create(fake)
    assert [each.status for each in fake.callbacks[0].attempts] == [status]
    fake.check()


def test_an_exception_after_the_response_is_reported_but_the_callback_is_delivered() -> None:
    async def later() -> None:
        raise LookupError("in the background")

    async def hook(request: Request) -> Response:
        return Response(status_code=204, background=BackgroundTask(later))

    app = starlette.applications.Starlette(routes=[Route("/hook", hook, methods=["POST"])])
    fake = make_fake(pace="held:submitted")
    fake.callbacks.deliver_to(app)
    create(fake)
    assert [(each.status, each.error) for each in fake.callbacks[0].attempts] == [(204, None)]
    fake.callbacks.deliver_to(None)
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    assert [str(each) for each in caught.value.exceptions] == ["in the background"]


async def silent_asgi(scope: Any, receive: Any, send: Any) -> None: ...


def silent_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def function_of_two(callback: Any, seen: Any) -> None: ...


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (silent_asgi, "the ASGI application returned without a response"),
        (silent_wsgi, "the WSGI application returned without a call of start_response"),
        (function_of_two, "a WSGI application must return an iterable of bytes"),
    ],
)
def test_an_application_without_an_answer_is_an_error(app: Any, message: str) -> None:
    fake = make_fake(pace="held:submitted", callback_retries=[])
    fake.callbacks.deliver_to(app)
    create(fake)
    fake.callbacks.deliver_to(None)
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    assert message in str(caught.value.exceptions[0])
