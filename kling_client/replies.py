"""Parses responses into tasks; every other response becomes an ApiError or UnexpectedReply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar, cast

from kling_client.credentials import Redact
from kling_client.errors import (
    ApiError,
    AuthError,
    Conflict,
    KlingError,
    NotFound,
    RateLimited,
    ServerError,
    UnexpectedReply,
    printable,
)
from kling_client.retry import read_retry_after
from kling_client.snapshot import Snapshot
from kling_client.steps import Head
from kling_contracts.messages import Envelope, MalformedMessage, TaskMessage
from kling_contracts.redaction import hide_in_urls
from kling_contracts.vocabulary import ERRORS, TaskStatus

T = TypeVar("T")

BODY_SHOWN: Final = 2048
# Before the redaction, so that a key at the cut is still recognized.
_BODY_READ: Final = 2 * BODY_SHOWN
_MESSAGE_SHOWN: Final = 500
# The same for other texts: redaction of megabytes takes seconds.
_TEXT_READ: Final = 4096

# CometAPI sends these two refusals as 5xx although no task was created (captured). They are definite: a
# retry does not help.
REFUSED_WORDS: Final = frozenset({"model_not_found", "invalid_request"})
# Codes of 429 responses that waiting does not resolve: account in arrears, blocked IP address.
LASTING_CODES: Final = frozenset({1100, 1101, 1102, 1304})

_AUTH_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1004, 1103})
_MISSING_CODES: Final = frozenset({1202, 1203, "task_not_exist"})
_MISSING_TEXT: Final = re.compile(r"task not found\b", re.IGNORECASE)
_TAKEN_TEXT: Final = re.compile(r"external_task_id .* already exists", re.IGNORECASE | re.DOTALL)
# Depth to which `data` is searched for a refusal of the service behind a gateway.
_WRAPPERS: Final = 4
_GATEWAY_REQUEST_ID: Final = re.compile(r"\(request id: ([^()]{1,100})\)")


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete response. `fault` is the reason if its body was not read."""

    head: Head
    body: bytes = b""
    fault: str = ""


class _Refusal(NamedTuple):
    code: int | str
    message: str
    request_id: str | None


def read_task(reply: Reply, redact: Redact) -> Snapshot:
    """The task in a success response. Raises ApiError or UnexpectedReply for any other response."""
    return _read(reply, redact, lambda envelope: _snapshot(envelope.data, envelope, redact))


def read_tasks(reply: Reply, redact: Redact) -> list[Snapshot]:
    """The tasks of a page, in order. Raises ApiError or UnexpectedReply."""

    def parse(envelope: Envelope) -> list[Snapshot]:
        data = envelope.data
        if not isinstance(data, list):
            raise MalformedMessage(f"data must be a list, not {type(data).__name__}")
        return [_snapshot(each, envelope, redact) for each in cast("list[object]", data)]

    return _read(reply, redact, parse)


def _snapshot(data: object, envelope: Envelope, redact: Redact) -> Snapshot:
    message = TaskMessage.from_wire(data)
    status, failure = message.task_status, message.task_status_msg
    if not isinstance(status, TaskStatus) or failure is not None:
        if not isinstance(status, TaskStatus):
            status = redact(status)
        message = replace(
            message, task_status=status, task_status_msg=None if failure is None else redact(failure)
        )
    request_id = envelope.request_id
    return Snapshot(
        message, None if request_id is None else redact(request_id), cast("Mapping[str, object]", data)
    )


def _read(reply: Reply, redact: Redact, parse: Callable[[Envelope], T]) -> T:
    status = reply.head.status
    wire = decode(reply.body)
    refusal = _read_refusal(wire, status)
    if refusal is not None:
        raise _api_error(refusal, reply.head, redact)
    fault = reply.fault or ("not JSON" if wire is None else "not a response of this API")
    if status == 429 or status >= 500:
        # The status alone suffices: such responses often come from a proxy, as HTML or empty.
        kind = RateLimited if status == 429 else ServerError
        raise kind(
            status, None, fault, _request_id(wire, redact), retry_after=read_retry_after(reply.head.headers)
        )
    if 300 <= status < 400:
        location = redact(hide_in_urls(reply.head.headers.get("location", "")))[:200]
        fault = f"redirect to {location!r}, not followed; check the base URL"
    elif wire is None and not reply.fault:
        fault += "; check the base URL"  # a web page, usually
    if reply.fault or not 200 <= status < 300:
        raise UnexpectedReply(status, _shown(reply, redact), fault, _request_id(wire, redact))
    try:
        return parse(Envelope.from_wire(wire))
    except MalformedMessage as error:
        reason = redact(fault if wire is None else str(error))
        error.args = (reason,)  # it may quote a part of the key
        raise UnexpectedReply(status, _shown(reply, redact), reason, _request_id(wire, redact)) from error


def _request_id(wire: object, redact: Redact) -> str | None:
    found = cast("Mapping[str, object]", wire).get("request_id") if isinstance(wire, dict) else None
    return printable(redact(found[:_TEXT_READ]), 100) if isinstance(found, str) and found else None


def _shown(reply: Reply, redact: Redact) -> str:
    # In UTF-16 there are NULs between the characters of the key.
    text = reply.body[:_BODY_READ].replace(b"\0", b"").decode("utf-8", "replace")
    return redact(text)[:BODY_SHOWN]


def decode(body: bytes | str) -> object:
    """The JSON value of a body; None if it is not JSON or UTF-8, or exceeds the parser's limits."""
    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return None


def _read_refusal(wire: object, status: int) -> _Refusal | None:
    if not isinstance(wire, dict):
        return None
    body = cast("Mapping[str, object]", wire)
    code, message, error = body.get("code"), body.get("message"), body.get("error")
    if isinstance(code, int) and not isinstance(code, bool) and code:
        envelope = Envelope.from_wire(body)
        return _Refusal(code, envelope.message, envelope.request_id)
    wrapped = _read_wrapped(body)
    if wrapped is not None:
        return wrapped
    if isinstance(error, dict):
        inner = cast("Mapping[str, object]", error)
        code, message = inner.get("code"), inner.get("message")
        if isinstance(message, str):
            return _with_request_id(code if isinstance(code, str) else "", message)
    elif isinstance(code, str) and code and isinstance(message, str) and body.get("data") is None:
        return _with_request_id(code, message)
    elif code is None and isinstance(message, str) and message and status >= 400:
        return _with_request_id("", message)  # an unavailable route: {"code": null, "message": "404"}
    return None


def _read_wrapped(body: Mapping[str, object]) -> _Refusal | None:
    """The refusal of the service inside the `data` of a gateway's response, which has no code of its own.

    CometAPI: `{"message": M, "data": {"data": {"code": 1201, "message": M, "request_id": R}, "message": M}}`.
    """
    inner: object = body.get("data")
    for _ in range(_WRAPPERS):
        if not isinstance(inner, dict):
            return None
        found = cast("Mapping[str, object]", inner)
        if "task_id" in found:
            return None
        code, message = found.get("code"), found.get("message", body.get("message"))
        if isinstance(code, int) and not isinstance(code, bool) and code and isinstance(message, str):
            request_id = found.get("request_id")
            return _Refusal(code, message, request_id if isinstance(request_id, str) else None)
        inner = found.get("data")
    return None


def _with_request_id(code: str, message: str) -> _Refusal:
    # Gateways put the request id into the message.
    found = _GATEWAY_REQUEST_ID.search(message)
    return _Refusal(code, message, found.group(1) if found else None)


def _api_error(refusal: _Refusal, head: Head, redact: Redact) -> ApiError:
    code, text, request_id = refusal
    # An error may arrive as HTTP 200; then Kling's error table has the status of its code.
    row = ERRORS.get(code) if isinstance(code, int) else None
    status = row.status if row is not None and 200 <= head.status < 300 else head.status
    return _kind(status, code, text)(
        head.status,
        redact(code[:_TEXT_READ])[:100] if isinstance(code, str) else code,
        printable(redact(text[:_TEXT_READ]), _MESSAGE_SHOWN),
        printable(redact(request_id[:_TEXT_READ])) if request_id else None,
        retry_after=read_retry_after(head.headers),
    )


def _kind(status: int, code: int | str, text: str) -> type[ApiError]:
    if code in REFUSED_WORDS:
        return ApiError
    if code in _MISSING_CODES or status == 404 or (code == 1201 and _MISSING_TEXT.match(text)):
        return NotFound
    if status == 409 or (code == 1201 and _TAKEN_TEXT.match(text)):
        return Conflict
    if status == 401 or code in _AUTH_CODES:
        return AuthError
    if status == 429:
        return RateLimited
    return ServerError if status >= 500 else ApiError


def is_transient(error: KlingError) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, RateLimited):
        return error.code not in LASTING_CODES
    return isinstance(error, ServerError)
