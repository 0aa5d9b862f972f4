"""Servers with wrong responses: not JSON, no envelope, no request_id, disclosed internals."""

from __future__ import annotations

import json
from typing import Final

from tests.contracts.verify.faulty_servers.base import Group
from tests.contracts.verify.faulty_servers.messages import Request, Response
from tests.contracts.verify.faulty_servers.refusals import invalid, malformed

group: Final = Group()
_HTML: Final = b"<html><head><title>%d</title></head><body><h1>Error</h1></body></html>"
_TRACEBACK: Final = (
    'Traceback (most recent call last):\n  File "/srv/app/views.py", line 42, in create\nKeyError: '
)


def _html(response: Response, status: int = 0) -> None:
    response.status = status or response.status
    response.headers["content-type"] = "text/html; charset=utf-8"
    response.content = _HTML % response.status


@group.after("responses.json")
def html_for_unknown_tasks(request: Request, response: Response) -> None:
    """Unknown tasks are answered with an HTML page."""
    if request.task_id and response.status in (400, 404):
        _html(response)


@group.after("responses.json")
def text_plain(request: Request, response: Response) -> None:
    """Responses have Content-Type text/plain."""
    if request.is_api:
        response.headers["content-type"] = "text/plain; charset=utf-8"


@group.after("responses.json")
def no_content_type(request: Request, response: Response) -> None:
    """Responses with a task have no Content-Type."""
    if request.task_id:
        response.headers.pop("content-type", None)


@group.after("responses.json")
def html_without_a_key(request: Request, response: Response) -> None:
    """Requests with a missing or invalid key are answered with a proxy's HTML page."""
    if response.status == 401:
        _html(response)


@group.after("responses.json")
def json_twice(request: Request, response: Response) -> None:
    """Errors are encoded twice."""
    if response.status == 400:
        response.content = json.dumps(response.content.decode()).encode()


@group.after("responses.success")
def created(request: Request, response: Response) -> None:
    """A create is answered with 201."""
    if request.creates and response.status == 200:
        response.status = 201


@group.after("responses.success")
def accepted(request: Request, response: Response) -> None:
    """A create is answered with 202."""
    if request.creates and response.status == 200:
        response.status = 202


@group.after("responses.success")
def code_as_text(request: Request, response: Response) -> None:
    """code is "0"."""
    if request.is_api and response.good:
        response.body["code"] = "0"


@group.after("responses.success")
def code_200(request: Request, response: Response) -> None:
    """code is the HTTP status."""
    if request.is_api and response.good:
        response.body["code"] = 200


@group.after("responses.success")
def no_code(request: Request, response: Response) -> None:
    """Queries have no code."""
    if request.task_id and response.good:
        response.body.pop("code")


@group.after("responses.success")
def code_false(request: Request, response: Response) -> None:
    """code of a success is false."""
    if request.is_api and response.good:
        response.body["code"] = False


@group.after("responses.success")
def no_message(request: Request, response: Response) -> None:
    """Successful responses have no message."""
    if request.is_api and response.good:
        response.body.pop("message")


@group.after("responses.success")
def message_null(request: Request, response: Response) -> None:
    """The message of a successful response is null."""
    if request.is_api and response.good:
        response.body["message"] = None


@group.after("responses.success")
def bare_task(request: Request, response: Response) -> None:
    """A query is answered with the bare task, without the envelope."""
    if request.task_id and response.good:
        response.json = response.body["data"]


@group.after("responses.error_status")
def errors_with_200(request: Request, response: Response) -> None:
    """Errors have status 200; only the code shows them."""
    if invalid(request, response):
        response.status = 200


@group.after("responses.error_status")
def unknown_tasks_with_200(request: Request, response: Response) -> None:
    """An unknown task is an error with status 200."""
    if request.task_id and response.status == 400:
        response.status = 200


@group.after("responses.request_id")
def no_request_id_in_errors(request: Request, response: Response) -> None:
    """Errors have no request_id."""
    if response.status >= 400:
        response.body.pop("request_id", None)


@group.after("responses.request_id")
def no_request_id_in_queries(request: Request, response: Response) -> None:
    """Queries have no request_id."""
    if request.task_id and response.good:
        response.body.pop("request_id", None)


@group.after("responses.request_id")
def request_id_null(request: Request, response: Response) -> None:
    """request_id is null."""
    if request.creates and response.good:
        response.body["request_id"] = None


@group.after("responses.request_id")
def request_id_number(request: Request, response: Response) -> None:
    """request_id is a number."""
    if request.is_api and response.good:
        response.body["request_id"] = 17


@group.after("responses.request_id_unique")
def one_request_id(request: Request, response: Response) -> None:
    """request_id is a constant."""
    if "request_id" in response.peek:
        response.body["request_id"] = "00000000-0000-0000-0000-000000000000"


@group.after("responses.no_key")
def key_in_errors(request: Request, response: Response) -> None:
    """The error for an invalid request repeats the Authorization header."""
    if invalid(request, response) and response.status == 400 and "message" in response.body:
        response.body["message"] = f"refused (Authorization: {request.headers.get('authorization')})"


@group.after("responses.no_key")
def key_in_a_header(request: Request, response: Response) -> None:
    """Responses repeat the key in a debugging header."""
    if request.task_id and request.key:
        response.headers["x-debug-caller"] = request.key


@group.after("responses.no_echo")
def echoes_the_prompt(request: Request, response: Response) -> None:
    """The error for a prompt that is too long repeats it."""
    prompt = str(request.peek.get("prompt"))
    if request.creates and response.status == 400 and len(prompt) > 2500 and "message" in response.peek:
        response.body["message"] = f"prompt is too long: {prompt}"


@group.after("responses.no_internals")
def traceback(request: Request, response: Response) -> None:
    """The message of an error is a traceback."""
    if invalid(request, response) and "message" in response.peek:
        response.body["message"] = f"{_TRACEBACK}'prompt'"


@group.after("responses.no_internals")
def traceback_for_tasks(request: Request, response: Response) -> None:
    """The error for an unknown task contains a traceback."""
    if request.task_id and response.status == 400:
        response.body["details"] = f"{_TRACEBACK}'{request.task_id[:20]}'"


@group.after("responses.no_internals")
def stack_of_node(request: Request, response: Response) -> None:
    """The error for malformed JSON contains a stack trace of a JavaScript server."""
    if malformed(request) and response.status == 400:
        response.body["stack"] = (
            "SyntaxError: Unexpected end\n    at JSON.parse (<anonymous>)\n    at parse (/app/body.js:92:19)"
        )


@group.after("responses.json")
def byte_order_mark(request: Request, response: Response) -> None:
    """Responses to queries begin with a byte order mark."""
    if request.task_id and response.status == 400:
        response.content = b"\xef\xbb\xbf" + response.content
