"""The page at `/`, for a browser that opens the address of a server."""

from __future__ import annotations

from kling_contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE, CONTROL_PREFIX, HEALTH_PATH
from kling_mock import __version__
from kling_mock.http import Reply, Request
from kling_mock.settings import Settings

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>kling-mock</title>
<link rel="icon" href="{root}{control}/ui/icon.svg" type="image/svg+xml">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:3em auto;padding:0 1em;
overflow-wrap:break-word}}
code{{background:#8882;padding:.1em .3em;border-radius:.2em}}</style></head><body>
<h1>kling-mock {version}</h1>
<p>This is a <strong>fake</strong> of Kling's image API for tests and development: nothing here costs money
or reaches the real service.</p>
<h2>Keys</h2><p>{keys}</p>
<h2>Routes</h2><ul>{routes}</ul>
<h2>Links</h2><ul><li><a href="{root}{control}/">{control}/</a>: the dashboard: tasks and calls, live</li>
<li><a href="{root}{health}">{health}</a>: whether this server answers</li>
<li><a href="{root}{control}/docs">{control}/docs</a>: the control API, which steers this server</li></ul>
<h2>Your code</h2><p><code>{base_variable}={origin} {key_variable}={key}</code></p>
</body></html>
"""


def wants_index(request: Request) -> bool:
    """Whether a request opens the page. With a key it is a call of the API, and gets the 404 of the API."""
    return (
        request.path == "/" and request.method in ("GET", "HEAD") and request.header("authorization") is None
    )


def index_reply(request: Request, settings: Settings) -> Reply:
    origin = settings.base_url or request.origin or ""
    routes = [
        f"<li>{_escape(gateway.title)}: <code>POST {_escape(path)}</code>, "
        f"<code>GET {_escape(path)}/&lt;task_id&gt;</code></li>"
        for gateway in settings.gateways
        for path in gateway.create_paths
    ]
    page = _PAGE.format(
        version=_escape(__version__),
        keys=_keys(settings),
        routes="".join(routes),
        root=_escape(_root(request)),
        health=HEALTH_PATH,
        control=CONTROL_PREFIX,
        origin=_escape(origin),
        base_variable=BASE_URL_VARIABLE,
        key_variable=API_KEY_VARIABLE,
        key=_escape(next((key for key in settings.plain_keys if key in _public(settings)), "...")),
    )
    headers = (("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"))
    return Reply(200, headers, page.encode())


def _escape(text: str) -> str:
    from html import escape  # only here: a server without this page does not need it

    return escape(text)


def _root(request: Request) -> str:
    """The path below which the application is mounted."""
    _, _, rest = (request.origin or "").partition("://")
    return rest[rest.find("/") :] if "/" in rest else ""


def _public(settings: Settings) -> list[str]:
    """The keys that are not secrets."""
    return [key for key in settings.keys if key.startswith("sk-mock") and ":" not in key]


def _keys(settings: Settings) -> str:
    if not settings.keys:
        return "Any key is accepted; each is an account of its own."
    shown = [f"<code>{_escape(key)}</code>" for key in _public(settings)]
    hidden = len(settings.keys) - len(shown)
    rest = [f"{hidden} given at the start of the server (not shown)"] if hidden else []
    return f"Accepted: {', '.join([*shown, *rest])}; each is an account of its own."
