"""Applications as receivers: the request that they get, their lifespan, and their exceptions."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any
from wsgiref.validate import validator

import django
import django.conf
import fastapi
import flask
import httpx
import pytest
import starlette.applications
import trio
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake, ManualClock

Status = Annotated[str, fastapi.Body(embed=True)]
STATUSES = ["submitted", "processing", "succeed"]
HOOK = "https://app.test/hook"


@pytest.fixture
def seen() -> list[str]:
    return []


def make_fake(**switches: Any) -> Fake:
    return Fake(clock=ManualClock(), **{"pace": "seconds:1,1", **switches})


def create(fake: Fake, url: str = HOOK) -> None:
    body = {
        "subject_image_list": [{"subject_image": "https://h.test/a"}, {"subject_image": "https://h.test/b"}],
        "callback_url": url,
    }
    with httpx.Client(transport=fake.transport(), headers={"authorization": "Bearer sk-one"}) as client:
        client.post(COMETAPI.base_url + COMETAPI.create_path, json=body).raise_for_status()


def create_and_advance(fake: Fake, url: str = HOOK) -> None:
    create(fake, url)
    fake.clock.advance(5)


async def in_a_loop(fake: Fake, url: str = HOOK) -> None:
    create_and_advance(fake, url)


RUNS: dict[str, Callable[..., None]] = {
    "sync": create_and_advance,
    "asyncio": lambda fake, url=HOOK: asyncio.run(in_a_loop(fake, url)),
    "trio": lambda fake, url=HOOK: trio.run(in_a_loop, fake, url),
}


# -- applications of several frameworks and forms


def plain_wsgi(seen: list[str]) -> Any:
    def app(env: dict[str, Any], start: Callable[..., object]) -> Iterator[bytes]:
        seen.append(json.loads(env["wsgi.input"].read())["task_status"])
        start("204 No Content", [])
        yield b""

    return app


def class_wsgi(seen: list[str]) -> Any:
    class App:
        def __init__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> None:
            self.environ, self.start = environ, start_response

        def __iter__(self) -> Iterator[bytes]:
            seen.append(json.loads(self.environ["wsgi.input"].read())["task_status"])
            self.start("200 OK", [])
            yield b"thanks"

    return App


def flask_app(seen: list[str]) -> flask.Flask:
    app = flask.Flask("receiver")

    @app.post("/hook")
    def hook() -> tuple[str, int]:
        seen.append(flask.request.get_json()["task_status"])
        return "", 204

    return app


def flask_blueprint(seen: list[str]) -> flask.Flask:
    blueprint = flask.Blueprint("hooks", "receiver", url_prefix="/hook")

    @blueprint.post("")
    def hook() -> tuple[str, int]:
        seen.append(flask.request.get_json()["task_status"])
        return "", 204

    app = flask.Flask("receiver")
    app.register_blueprint(blueprint)
    return app


def flask_with_asyncio(seen: list[str]) -> flask.Flask:
    """Synchronous code that starts an event loop, which fails inside a running one."""
    app = flask.Flask("receiver")

    @app.post("/hook")
    def hook() -> tuple[str, int]:
        asyncio.run(asyncio.sleep(0))
        seen.append(flask.request.get_json()["task_status"])
        return "", 204

    return app


async def plain_asgi(seen: list[str], scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        seen.append(json.loads((await receive())["body"])["task_status"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"tha", "more_body": True})
        await send({"type": "http.response.body", "body": b"nks"})


def class_asgi2(seen: list[str]) -> Any:
    class App:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            await plain_asgi(seen, self.scope, receive, send)

    return App


def function_asgi2(seen: list[str]) -> Any:
    def app(scope: Any) -> Any:
        return partial(plain_asgi, seen, scope)

    return app


def asgi_of_both_forms(seen: list[str]) -> Any:
    async def app(scope: Any, receive: Any = None, send: Any = None) -> None:
        await plain_asgi(seen, scope, receive, send)

    return app


def starlette_app(seen: list[str]) -> Any:
    async def hook(request: Request) -> Response:
        seen.append((await request.json())["task_status"])
        return Response(status_code=204)

    async def dispatch(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response

    return starlette.applications.Starlette(
        routes=[Route("/hook", hook, methods=["POST"])],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=dispatch)],
    )


def starlette_endpoint(seen: list[str]) -> Any:
    class Hook(HTTPEndpoint):
        async def post(self, request: Request) -> Response:
            seen.append((await request.json())["task_status"])
            return Response(status_code=204)

    return Hook


def fastapi_app(seen: list[str]) -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.post("/hook", status_code=204)
    async def hook(task_status: Status) -> None:
        seen.append(task_status)

    return app


def fastapi_sync(seen: list[str]) -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.post("/hook", status_code=204)
    def hook(task_status: Status) -> None:
        asyncio.run(asyncio.sleep(0))
        seen.append(task_status)

    return app


def fastapi_mounted(seen: list[str]) -> Any:
    return starlette.applications.Starlette(routes=[Mount("/api", app=fastapi_app(seen))])


def django_urls(seen: list[str]) -> Any:
    from django.http import HttpResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    def hook(request: Any) -> HttpResponse:
        seen.append(json.loads(request.body)["task_status"])
        return HttpResponse(status=204)

    def crash(request: Any) -> HttpResponse:
        raise LookupError("no such order")

    return [
        path("hook", csrf_exempt(hook)),
        path("protected", hook),
        path("crash", csrf_exempt(crash)),
    ]


@pytest.fixture
def django_module(seen: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django with the views above. Its settings exist once in a process."""
    import types

    if not django.conf.settings.configured:
        django.conf.settings.configure(
            ALLOWED_HOSTS=["app.test"],
            ROOT_URLCONF="receiver_urls",
            MIDDLEWARE=[
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
            ],
            LOGGING_CONFIG=None,
            SECRET_KEY="made up",
        )
        django.setup()
    from django.urls import clear_url_caches

    urls = types.ModuleType("receiver_urls")
    urls.__dict__["urlpatterns"] = django_urls(seen)
    monkeypatch.setitem(sys.modules, "receiver_urls", urls)
    clear_url_caches()
    yield
    clear_url_caches()


def django_wsgi(_: list[str]) -> Any:
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def django_asgi(_: list[str]) -> Any:
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


APPS: list[Callable[[list[str]], Any]] = [
    plain_wsgi,
    class_wsgi,
    flask_app,
    flask_blueprint,
    flask_with_asyncio,
    lambda seen: partial(plain_asgi, seen),
    class_asgi2,
    function_asgi2,
    asgi_of_both_forms,
    starlette_app,
    starlette_endpoint,
    fastapi_app,
    fastapi_sync,
    django_wsgi,
    django_asgi,
]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("make", APPS, ids=lambda make: make.__name__)
@pytest.mark.usefixtures("django_module")
def test_an_application_receives_callbacks(
    make: Callable[[list[str]], Any], run: str, seen: list[str]
) -> None:
    """Also inside a running event loop, before the call to the fake returns."""
    fake = make_fake()
    fake.callbacks.deliver_to(make(seen))
    RUNS[run](fake)
    assert seen == STATUSES
    assert all(callback.delivered for callback in fake.callbacks)
    fake.callbacks.deliver_to(None)
    fake.check()


# -- the request


def echo_asgi(found: list[dict[str, object]]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"  # no support for lifespans
        message = await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        target = scope["raw_path"].decode(), scope["query_string"].decode()
        found.append(
            {
                "method": scope["method"],
                "path": scope["path"],
                "target": target,
                "root": scope["root_path"],
                "scheme": scope["scheme"],
                "headers": headers,
                "body": message["body"],
            }
        )
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})
        assert (await receive())["type"] == "http.disconnect"

    return app


def echo_wsgi(found: list[dict[str, object]]) -> Any:
    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        names = {name: name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_")}
        names |= {"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"}
        path, _, query = environ["REQUEST_URI"].partition("?")
        assert query == environ["QUERY_STRING"]
        found.append(
            {
                "method": environ["REQUEST_METHOD"],
                "path": environ["PATH_INFO"].encode("latin-1").decode(),
                "target": (path, query),
                "root": environ["SCRIPT_NAME"],
                "scheme": environ["wsgi.url_scheme"],
                "headers": {shown: environ[name] for name, shown in names.items()},
                "body": environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])),
            }
        )
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    checked = validator(app)

    def of_two_parameters(environ: Any, start_response: Any) -> Iterable[bytes]:
        return checked(environ, start_response)

    return of_two_parameters


@pytest.mark.parametrize("make", [echo_asgi, echo_wsgi])
@pytest.mark.parametrize(
    ("url", "host", "path", "target"),
    [
        (HOOK, "app.test", "/hook", ("/hook", "")),
        ("http://app.test:8080/a/b?x=1&y=%20z", "app.test:8080", "/a/b", ("/a/b", "x=1&y=%20z")),
        ("https://app.test:443", "app.test", "/", ("/", "")),
        ("https://app.test?token=1", "app.test", "/", ("/", "token=1")),
        ("http://u:p@[::1]:80/%C3%A4%2Fb#part", "[::1]", "/ä/b", ("/%C3%A4%2Fb", "")),
        ("https://bücher.test/ü?ä=1", "xn--bcher-kva.test", "/ü", ("/%C3%BC", "%C3%A4=1")),
    ],
)
def test_the_request_is_that_of_the_callback_url(
    make: Any, url: str, host: str, path: str, target: tuple[str, str]
) -> None:
    found: list[dict[str, Any]] = []
    fake = make_fake(pace="held:submitted")
    fake.callbacks.deliver_to(make(found))
    create(fake, url)
    fake.callbacks.deliver_to(None)
    fake.check()
    (callback,) = fake.callbacks
    (request,) = found
    headers = request.pop("headers")
    assert headers.pop("user-agent").startswith("kling-mock/")
    assert headers == {
        "host": host,
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(callback.content)),
    }
    assert request == {
        "method": "POST",
        "path": path,
        "target": target,
        "root": "",
        "scheme": url.partition(":")[0],
        "body": callback.content,
    }


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("under", ["asgi", "wsgi"])
def test_a_mounted_application_is_reached_by_the_path_of_the_callback_url(
    under: str, run: str, seen: list[str]
) -> None:
    fake = make_fake()
    app: Any = fastapi_mounted(seen)
    if under == "wsgi":
        app = DispatcherMiddleware(flask.Flask("other"), {"/api": flask_app(seen)})
    fake.callbacks.deliver_to(app)
    RUNS[run](fake, "https://app.test/api/hook?order=7")
    assert seen == STATUSES
    fake.callbacks.deliver_to(None)
    fake.check()


@pytest.mark.parametrize("make", [flask_app, starlette_app, fastapi_app, django_wsgi, django_asgi])
@pytest.mark.usefixtures("django_module")
def test_another_path_is_a_failed_attempt_with_404(make: Any, seen: list[str]) -> None:
    fake = make_fake(pace="held:submitted")
    fake.callbacks.deliver_to(make(seen))
    create(fake, "https://app.test/other")
    assert [each.status for each in fake.callbacks[0].attempts] == [404]
    fake.callbacks.deliver_to(None)
    fake.check()


@pytest.mark.parametrize("make", [django_wsgi, django_asgi])
@pytest.mark.parametrize(
    ("url", "status"), [("https://app.test/protected", 403), ("https://other.test/hook", 400)]
)
@pytest.mark.usefixtures("django_module")
def test_django_protects_a_view_as_it_does_from_the_service(
    make: Any, url: str, status: int, seen: list[str]
) -> None:
    """CSRF for a view that is not exempt, and ALLOWED_HOSTS."""
    fake = make_fake(pace="held:submitted")
    fake.callbacks.deliver_to(make(seen))
    create(fake, url)
    assert [each.status for each in fake.callbacks[0].attempts] == [status]
    assert seen == []
    fake.callbacks.deliver_to(None)
    fake.check()


# -- lifespan


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("library", [fastapi.FastAPI, starlette.applications.Starlette])
def test_an_application_lives_from_the_first_callback_until_it_is_replaced(library: Any, run: str) -> None:
    """On one event loop, with the state of its lifespan."""
    events: list[str] = []
    loops: list[object] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, object]]:
        events.append("startup")
        loops.append(asyncio.get_running_loop())
        yield {"orders": events}
        loops.append(asyncio.get_running_loop())
        events.append("shutdown")

    async def hook(request: Request) -> Response:
        loops.append(asyncio.get_running_loop())
        request.state.orders.append((await request.json())["task_status"])
        return Response(status_code=204)

    fake = make_fake()
    fake.callbacks.deliver_to(library(lifespan=lifespan, routes=[Route("/hook", hook, methods=["POST"])]))
    assert events == []
    RUNS[run](fake)
    assert events == ["startup", *STATUSES]
    fake.callbacks.deliver_to(None)
    assert events == ["startup", *STATUSES, "shutdown"]
    assert len(set(map(id, loops))) == 1
    fake.check()


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


# -- exceptions


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
