"""A call as code, and sending it again."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_hex

from kling_mock.control_api import call_models, models, parameters
from kling_mock.control_api.calls import found_call
from kling_mock.control_api.kept_call import (
    AGAIN,
    base_url_of,
    kept_body,
    kept_headers,
    kept_host,
    kept_path,
    key_of,
    shown_key,
)
from kling_mock.control_api.problems import Problem
from kling_mock.control_api.redacted import Redaction
from kling_mock.control_api.shown import show_call
from kling_mock.exports.literals import json_text
from kling_mock.exports.request_body import pictures_in
from kling_mock.exports.request_code import LANGUAGES, SentRequest
from kling_mock.fake import Fake
from kling_mock.http import JSON_TYPE, Headers, Request
from kling_mock.records import CallRecord

# The characters of a reply that are shown.
REPLY_SHOWN = 65_536


def read_code(fake: Fake, id: str, query: parameters.CodeQuery) -> models.PlainText:  # noqa: A002 -- the name in the path
    """Read a call as code that sends its request: a shell command, or a script of Python or JavaScript."""
    call = found_call(fake, id)
    body = kept_body(call)
    hide = Redaction(fake).hide
    base = query.base_url or base_url_of(call)
    url = base.rstrip("/") + hide(kept_path(call))
    request = SentRequest(
        call.method,
        url,
        _shown_headers(hide(dict(kept_headers(call))), with_body=body is not None),
        shown_key(fake, call),
        hide(body),
    )
    return models.PlainText(LANGUAGES[query.as_](request).encode())


def _shown_headers(headers: Mapping[str, str], *, with_body: bool) -> Headers:
    """The headers for code: those that a library sets itself, or that are not ASCII, are left out."""
    kept = {
        name: value
        for name, value in headers.items()
        if name not in ("accept", "user-agent") and (name + value).isascii() and (name + value).isprintable()
    }
    return tuple((({"content-type": JSON_TYPE[1]} if with_body else {}) | kept).items())


def send_again(fake: Fake, id: str, body: parameters.AgainBody) -> call_models.SentCall:  # noqa: A002 -- the name in the path
    """Send the request of a call again, as a client would: with another body, or with changed fields."""
    call = found_call(fake, id)
    sent = body.body if body.body is not None else kept_body(call)
    if body.changes:
        sent = {**(sent or {}), **body.changes}
    for each in pictures_in(sent):
        raise Problem(409, f"{each.field}: the bytes of an inline picture are not kept; give it in changes")
    path, key, mark = kept_path(call), key_of(fake, call), token_hex(8)
    headers: Headers = ((AGAIN, mark), ("host", kept_host(call)))
    if key is not None:
        headers = (*headers, ("authorization", f"Bearer {key}"))
    headers = (*headers, *kept_headers(call))
    content = b"" if sent is None else json_text(sent, None).encode("utf-8", "surrogatepass")
    reply = fake.handle(Request(call.method, path, "", headers, content, _origin(fake, call)))
    made = next((each for each in reversed(fake.calls) if (AGAIN, mark) in each.headers), None)
    if made is None:  # the state cannot be written
        raise Problem(503, reply.body.decode("utf-8", "replace")[:REPLY_SHOWN])
    kind = reply.content_type or ""
    text = reply.body.decode("utf-8", "replace")[:REPLY_SHOWN] if "json" in kind or "text" in kind else None
    return call_models.SentCall(show_call(made), text)


def _origin(fake: Fake, call: CallRecord) -> str | None:
    """The origin of the request, which is that of the result URLs of its task."""
    if call.task_id is None or call.method != "POST":
        return None
    task = fake.find_task(call.task_id)
    return None if task is None else task.read()[0].record.origin
