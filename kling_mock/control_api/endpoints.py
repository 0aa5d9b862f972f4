"""The table of endpoints: method, path, handler, and the errors that it may cause.

The parameters of a handler are typed: `fake`, then the names in the path, `query`, and `body` or `content`
(bytes). Their models, the model of its result and its description (the first line of the docstring) are read
from the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple, get_type_hints

from kling_contracts.vocabulary import CONTROL_PREFIX
from kling_mock.control_api import (
    account_history,
    accounts,
    call_code,
    callbacks,
    calls,
    clock,
    parameters,
    pictures,
    routes,
    rules,
    scripts,
    server,
    settings,
    stories,
    tasks,
)


class Signature(NamedTuple):
    """The parameters of a handler: names in the path, models of query and body (None: it has none).

    `raw`: the handler gets the bytes of the body, of at most `body_cap` bytes.
    """

    path: tuple[str, ...]
    query: type[Any] | None
    body: type[Any] | None
    result: type[Any]
    summary: str
    raw: bool = False


class Endpoint(NamedTuple):
    """One row of the table. `problems` are the statuses of its own errors, beside those of all endpoints."""

    method: str
    path: str
    handler: Callable[..., Any]
    problems: tuple[int, ...] = ()

    @property
    def needs_body(self) -> bool:
        """Whether an empty body is an error."""
        body = self.signature.body
        return self.signature.raw or (body is not None and body not in parameters.OPTIONAL_BODIES)

    @property
    def signature(self) -> Signature:
        return _signature(self.handler)


@lru_cache(maxsize=256)
def _signature(handler: Callable[..., Any]) -> Signature:
    hints = get_type_hints(handler)
    names = list(inspect.signature(handler).parameters)[1:]
    path = tuple([name for name in names if name not in ("query", "body", "content")])
    summary = (inspect.getdoc(handler) or "").partition("\n")[0]
    return Signature(
        path, hints.get("query"), hints.get("body"), hints["return"], summary, "content" in names
    )


def _at(path: str) -> str:
    return CONTROL_PREFIX + path


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint("GET", _at("/tasks"), tasks.list_tasks, (404,)),
    Endpoint("GET", _at("/tasks/{id}"), tasks.read_task, (404,)),
    Endpoint("POST", _at("/tasks/{id}/release"), tasks.release_task, (404, 409)),
    Endpoint("POST", _at("/tasks/{id}/succeed"), tasks.succeed_task, (404, 409)),
    Endpoint("POST", _at("/tasks/{id}/fail"), tasks.fail_task, (404, 409)),
    Endpoint("GET", _at("/tasks/{id}/images/{index}"), pictures.read_image, (404, 409)),
    Endpoint("GET", _at("/tasks/{id}/images/{index}/info"), pictures.read_image_info, (404, 409)),
    Endpoint("GET", _at("/tasks/{id}/inputs/{index}"), pictures.read_input, (404,)),
    Endpoint("GET", _at("/tasks/{id}/story"), stories.read_story, (404, 409)),
    Endpoint("GET", _at("/clock"), clock.read_clock),
    Endpoint("POST", _at("/clock"), clock.change_clock, (409,)),
    Endpoint("GET", _at("/accounts"), accounts.list_accounts),
    Endpoint("GET", _at("/accounts/{name}"), accounts.read_account),
    Endpoint("GET", _at("/accounts/{name}/history"), account_history.read_account_history),
    Endpoint("GET", _at("/calls"), calls.list_calls, (404,)),
    Endpoint("GET", _at("/calls/{id}"), calls.read_call, (404,)),
    Endpoint("GET", _at("/calls/{id}/code"), call_code.read_code, (404, 409)),
    Endpoint("GET", _at("/calls/{id}/story"), stories.read_story_of_call, (404, 409)),
    Endpoint("POST", _at("/calls/{id}/send"), call_code.send_again, (404, 409, 503)),
    Endpoint("GET", _at("/rules/{id}"), rules.read_rule, (404,)),
    Endpoint("GET", _at("/scripts"), scripts.list_scripts),
    Endpoint("POST", _at("/scripts"), scripts.write_script),
    Endpoint("DELETE", _at("/scripts"), scripts.remove_scripts),
    Endpoint("GET", _at("/scripts/{id}"), scripts.read_script_info, (404,)),
    Endpoint("PUT", _at("/scripts/{id}"), scripts.replace_script, (404,)),
    Endpoint("PATCH", _at("/scripts/{id}"), scripts.switch_script, (404,)),
    Endpoint("GET", _at("/scripts/{id}/misses"), scripts.list_misses, (404,)),
    Endpoint("DELETE", _at("/scripts/{id}"), scripts.remove_script, (404,)),
    Endpoint("POST", _at("/tasks/{id}/faults"), scripts.add_fault, (404, 409)),
    Endpoint("GET", _at("/callbacks"), callbacks.list_callbacks, (404,)),
    Endpoint("GET", _at("/callbacks/{id}"), callbacks.read_callback, (404,)),
    Endpoint("POST", _at("/callbacks/{id}/redeliver"), callbacks.redeliver_callback, (404, 409)),
    Endpoint("GET", _at("/settings"), settings.read_settings),
    Endpoint("PATCH", _at("/settings"), settings.change_settings, (409,)),
    Endpoint("GET", _at("/routes"), routes.list_routes),
    Endpoint("GET", _at("/events"), server.open_events),
    Endpoint("GET", _at("/state"), server.read_state, (409,)),
    Endpoint("POST", _at("/state"), server.write_state, (409, 503)),
    Endpoint("POST", _at("/reset"), server.reset),
    Endpoint("GET", _at("/openapi.json"), server.read_openapi),
    Endpoint("GET", _at("/docs"), server.read_page),
)
