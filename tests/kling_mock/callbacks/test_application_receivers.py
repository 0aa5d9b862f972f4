"""Applications as receivers: the request that they get, and their lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from wsgiref.validate import validator

import fastapi
import flask
import pytest
import starlette.applications
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.kling_mock.callbacks.frameworks import (
    asgi_of_both_forms,
    class_asgi2,
    class_wsgi,
    django_asgi,
    django_wsgi,
    fastapi_app,
    fastapi_mounted,
    fastapi_sync,
    flask_app,
    flask_blueprint,
    flask_with_asyncio,
    function_asgi2,
    plain_asgi,
    plain_wsgi,
    starlette_app,
    starlette_endpoint,
)
from tests.kling_mock.callbacks.inbox import HOOK
from tests.kling_mock.callbacks.runs import RUNS, STATUSES, create, make_fake

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
