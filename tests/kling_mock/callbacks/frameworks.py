"""Applications that record the status of each callback, of several frameworks and forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import fastapi
import flask
import starlette.applications
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

Status = Annotated[str, fastapi.Body(embed=True)]


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


def django_wsgi(_: list[str]) -> Any:
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def django_asgi(_: list[str]) -> Any:
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
