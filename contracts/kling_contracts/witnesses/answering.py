"""Servers whose answers are wrong: no JSON, no envelope, no request_id, too much told."""

from __future__ import annotations

import json
from typing import Final

from kling_contracts.witnesses.message import Answer, Ask
from kling_contracts.witnesses.refusal import invalid, malformed
from kling_contracts.witnesses.witness import Group

group: Final = Group()
_HTML: Final = b"<html><head><title>%d</title></head><body><h1>Error</h1></body></html>"
_TRACEBACK: Final = (
    'Traceback (most recent call last):\n  File "/srv/app/views.py", line 42, in create\nKeyError: '
)


def _html(answer: Answer, status: int = 0) -> None:
    answer.status = status or answer.status
    answer.headers["content-type"] = "text/html; charset=utf-8"
    answer.content = _HTML % answer.status


@group.after("responses.json")
def html_for_unknown_tasks(ask: Ask, answer: Answer) -> None:
    """Unknown tasks are answered with a page for people."""
    if ask.task_id and answer.status in (400, 404):
        _html(answer)


@group.after("responses.json")
def html_for_unknown_paths(ask: Ask, answer: Answer) -> None:
    """The router's own error page."""
    if answer.status in (404, 405):
        _html(answer)


@group.after("responses.json")
def empty_errors(ask: Ask, answer: Answer) -> None:
    """A wrong method is refused with no body."""
    if answer.status == 405:
        answer.content = b""


@group.after("responses.json")
def text_plain(ask: Ask, answer: Answer) -> None:
    """Answers are JSON, but say that they are text."""
    if ask.is_api:
        answer.headers["content-type"] = "text/plain; charset=utf-8"


@group.after("responses.json")
def no_content_type(ask: Ask, answer: Answer) -> None:
    """Answers about tasks do not say what they are."""
    if ask.task_id:
        answer.headers.pop("content-type", None)


@group.after("responses.json")
def html_without_a_key(ask: Ask, answer: Answer) -> None:
    """A proxy answers requests without a key."""
    if answer.status == 401:
        _html(answer)


@group.after("responses.json")
def json_twice(ask: Ask, answer: Answer) -> None:
    """Errors are encoded twice."""
    if answer.status == 400:
        answer.content = json.dumps(answer.content.decode()).encode()


@group.after("responses.success")
def created(ask: Ask, answer: Answer) -> None:
    """A create is answered with 201."""
    if ask.creates and answer.status == 200:
        answer.status = 201


@group.after("responses.success")
def accepted(ask: Ask, answer: Answer) -> None:
    """A create is answered with 202."""
    if ask.creates and answer.status == 200:
        answer.status = 202


@group.after("responses.success")
def code_as_text(ask: Ask, answer: Answer) -> None:
    """code is "0"."""
    if ask.is_api and answer.good:
        answer.body["code"] = "0"


@group.after("responses.success")
def code_200(ask: Ask, answer: Answer) -> None:
    """code is the HTTP status."""
    if ask.is_api and answer.good:
        answer.body["code"] = 200


@group.after("responses.success")
def no_code(ask: Ask, answer: Answer) -> None:
    """Queries have no code."""
    if ask.task_id and answer.good:
        answer.body.pop("code")


@group.after("responses.success")
def code_false(ask: Ask, answer: Answer) -> None:
    """code is false where there is no error."""
    if ask.is_api and answer.good:
        answer.body["code"] = False


@group.after("responses.success")
def no_message(ask: Ask, answer: Answer) -> None:
    """Successes have no message."""
    if ask.is_api and answer.good:
        answer.body.pop("message")


@group.after("responses.success")
def message_null(ask: Ask, answer: Answer) -> None:
    """The message of a success is null."""
    if ask.is_api and answer.good:
        answer.body["message"] = None


@group.after("responses.success")
def bare_task(ask: Ask, answer: Answer) -> None:
    """A query is answered with the task alone."""
    if ask.task_id and answer.good:
        answer.json = answer.body["data"]


@group.after("responses.error_status")
def errors_with_200(ask: Ask, answer: Answer) -> None:
    """Errors are told by code alone; the status is always 200."""
    if invalid(ask, answer):
        answer.status = 200


@group.after("responses.error_status")
def unknown_tasks_with_200(ask: Ask, answer: Answer) -> None:
    """An unknown task is an error with status 200."""
    if ask.task_id and answer.status == 400:
        answer.status = 200


@group.after("responses.request_id")
def no_request_id_in_errors(ask: Ask, answer: Answer) -> None:
    """Errors have no request_id."""
    if answer.status >= 400:
        answer.body.pop("request_id", None)


@group.after("responses.request_id")
def no_request_id_in_queries(ask: Ask, answer: Answer) -> None:
    """Queries have no request_id."""
    if ask.task_id and answer.good:
        answer.body.pop("request_id", None)


@group.after("responses.request_id")
def request_id_null(ask: Ask, answer: Answer) -> None:
    """request_id is null."""
    if ask.creates and answer.good:
        answer.body["request_id"] = None


@group.after("responses.request_id")
def request_id_number(ask: Ask, answer: Answer) -> None:
    """request_id is a number."""
    if ask.is_api and answer.good:
        answer.body["request_id"] = 17


@group.after("responses.request_id_unique")
def one_request_id(ask: Ask, answer: Answer) -> None:
    """request_id is a constant."""
    if "request_id" in answer.peek:
        answer.body["request_id"] = "00000000-0000-0000-0000-000000000000"


@group.after("responses.request_id_unique")
def request_id_of_the_task(ask: Ask, answer: Answer) -> None:
    """request_id is the id of the task."""
    if answer.task:
        answer.body["request_id"] = answer.task["task_id"]


@group.after("responses.no_key")
def key_in_errors(ask: Ask, answer: Answer) -> None:
    """The error for a bad request tells the whole header."""
    if invalid(ask, answer) and answer.status == 400 and "message" in answer.body:
        answer.body["message"] = f"refused (Authorization: {ask.headers.get('authorization')})"


@group.after("responses.no_key")
def key_in_a_header(ask: Ask, answer: Answer) -> None:
    """Answers carry the caller's key for debugging."""
    if ask.task_id and ask.key:
        answer.headers["x-debug-caller"] = ask.key


@group.after("responses.no_echo")
def echoes_the_prompt(ask: Ask, answer: Answer) -> None:
    """The error for a prompt that is too long repeats it."""
    prompt = str(ask.peek.get("prompt"))
    if ask.creates and answer.status == 400 and len(prompt) > 2500 and "message" in answer.peek:
        answer.body["message"] = f"prompt is too long: {prompt}"


@group.after("responses.no_internals")
def traceback(ask: Ask, answer: Answer) -> None:
    """The message of an error is a traceback."""
    if invalid(ask, answer) and "message" in answer.peek:
        answer.body["message"] = f"{_TRACEBACK}'prompt'"


@group.after("responses.no_internals")
def traceback_for_tasks(ask: Ask, answer: Answer) -> None:
    """What an unknown task raised is shown."""
    if ask.task_id and answer.status == 400:
        answer.body["details"] = f"{_TRACEBACK}'{ask.task_id[:20]}'"


@group.after("responses.no_internals")
def stack_of_node(ask: Ask, answer: Answer) -> None:
    """Errors have the stack of a JavaScript server."""
    if malformed(ask) and answer.status == 400:
        answer.body["stack"] = (
            "SyntaxError: Unexpected end\n    at JSON.parse (<anonymous>)\n    at parse (/app/body.js:92:19)"
        )


@group.after("responses.json")
def byte_order_mark(ask: Ask, answer: Answer) -> None:
    """Answers to queries begin with a byte order mark."""
    if ask.task_id and answer.status == 400:
        answer.content = b"\xef\xbb\xbf" + answer.content
