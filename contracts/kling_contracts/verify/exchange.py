"""One request with its answer, and one callback, as recorded in the evidence. Neither contains a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast
from urllib.parse import unquote

from kling_contracts.gateways import ErrorShape
from kling_contracts.messages import Envelope, MalformedMessage, TaskMessage
from kling_contracts.verify.probes import Probe

# Replacements of keys. An answer that contains one of these contained a key.
KEY_MARK: Final = "$KLING_API_KEY"
SECOND_KEY_MARK: Final = "$KLING_SECOND_API_KEY"
MARKS: Final = (KEY_MARK, SECOND_KEY_MARK)

# Codes of gateways that do not mean an error, so a reservation stays spent.
_NO_ERRORS: Final = (*range(200, 300), "success", "SUCCESS", "ok", "200")

Headers = tuple[tuple[str, str], ...]


def _decoded(content: bytes) -> object:
    """Decode JSON as RFC 8259 defines it: UTF-8, no byte order mark, no NaN. None if it is invalid."""
    try:
        return cast("object", json.loads(content.decode(), parse_constant=refuse_constant))
    except (ValueError, RecursionError):
        return None


def refuse_constant(name: str) -> object:
    """Refuse NaN and Infinity, which Python's parser accepts; for `parse_constant` of `json.loads`."""
    raise ValueError(f"{name} is not valid JSON")


def _header(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name), None)


def _media_type(headers: Headers) -> str:
    """The Content-Type in lower case, without parameters; empty if there is none."""
    return (_header(headers, "content-type") or "").partition(";")[0].strip().lower()


def _in_one_line(body: bytes) -> str:
    """The first 160 characters of a body."""
    text = " ".join(body[:400].decode("utf-8", "replace").split())
    return f"{text[:160]}..." if len(text) > 160 else text


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its answer.

    Times are Unix seconds. Without an answer, `status` is 0 and `failure` names the reason. `target` is path
    and query as sent, or a whole URL for another server (a result image). For an image, `answer` is abridged,
    and `size`, `digest` (SHA-256) and `damage` (empty: none) are those of the whole. `credential` is `first`,
    `second`, `none`, or the description of an invalid key.
    """

    number: int
    probe: Probe
    credential: str
    method: str
    target: str
    headers: Headers
    body: bytes
    sent_at: float
    received_at: float
    status: int
    answer_headers: Headers = ()
    answer: bytes = b""
    failure: str = ""
    size: int = 0
    digest: str = ""
    damage: str = ""

    @cached_property
    def asked(self) -> object:
        """The decoded JSON of the request, or None."""
        return _decoded(self.body)

    @property
    def asked_object(self) -> Mapping[str, object]:
        asked = self.asked
        return cast("Mapping[str, object]", asked) if isinstance(asked, dict) else {}

    @property
    def external_id(self) -> str:
        """The external id in the body of a create; empty if it has none."""
        given = self.asked_object.get("external_task_id")
        return given if isinstance(given, str) else ""

    @property
    def callback_token(self) -> str:
        """The last segment of the callback URL in the body of a create; empty if it has none."""
        url = self.asked_object.get("callback_url")
        return url.partition("?")[0].rpartition("/")[2] if isinstance(url, str) else ""

    @cached_property
    def json(self) -> object:
        """The decoded JSON of the answer, or None."""
        return _decoded(self.answer)

    @property
    def json_object(self) -> Mapping[str, object]:
        json = self.json
        return cast("Mapping[str, object]", json) if isinstance(json, dict) else {}

    @property
    def last_segment(self) -> str:
        """The last segment of the path, percent-decoded; in a query for a task, its id."""
        return unquote(self.target.partition("?")[0].rpartition("/")[2])

    @property
    def answered(self) -> bool:
        return self.status != 0

    @property
    def content_type(self) -> str:
        return _media_type(self.answer_headers)

    def header(self, name: str) -> str | None:
        """A header of the answer, by its name in lower case."""
        return _header(self.answer_headers, name)

    @cached_property
    def envelope(self) -> Envelope | None:
        try:
            return Envelope.from_wire(self.json)
        except MalformedMessage:
            return None

    @cached_property
    def task(self) -> TaskMessage | None:
        """The task in the answer, or None."""
        return read_task(self.json_object.get("data"))

    @property
    def is_list(self) -> bool:
        """Whether a list request was answered with an array of any length."""
        return self.status == 200 and isinstance(self.json_object.get("data"), list)

    @property
    def listed(self) -> tuple[TaskMessage, ...]:
        """The tasks in the answer to a list request."""
        data = self.json_object.get("data")
        entries = cast("list[object]", data) if isinstance(data, list) else []
        return tuple(task for task in map(read_task, entries) if task is not None)

    @cached_property
    def accepted(self) -> bool:
        """Whether the answer states that a task was created."""
        data = self.json_object.get("data")
        named = isinstance(data, dict) and bool(cast("dict[str, object]", data).get("task_id"))
        return 200 <= self.status < 300 and (named or self.error_code in (None, 0))

    @cached_property
    def error_object(self) -> Mapping[str, object]:
        """The object with the error: the body, or `data.data` where CometAPI wraps a refusal of Kling's."""
        body = self.json_object
        data = body.get("data")
        inner = cast("Mapping[str, object]", data).get("data") if isinstance(data, dict) else None
        if body.get("code") is None and "error" not in body and isinstance(inner, dict):
            refusal = cast("Mapping[str, object]", inner)
            return refusal if isinstance(refusal.get("code"), int) else body
        return body

    @property
    def error_shape(self) -> ErrorShape | None:
        """The error shape of the answer; None if it is not an error."""
        body = self.error_object
        if isinstance(body.get("error"), dict):
            return ErrorShape.COMET
        code = body.get("code")
        if isinstance(code, str):
            return ErrorShape.TASK
        return ErrorShape.KLING if isinstance(code, int) and not isinstance(code, bool) and code else None

    @property
    def is_error(self) -> bool:
        """Whether the answer is an error; not a success with a task or a list and merely a wrong code."""
        data = self.error_object.get("data")
        shows = isinstance(data, list) or data not in (None, "", {})
        return self.error_shape is not None and not (200 <= self.status < 300 and shows)

    @property
    def error_code(self) -> object:
        """`code` of the answer, at the top level or in `error`."""
        body = self.error_object
        error = body.get("error")
        return cast("dict[str, object]", error).get("code") if isinstance(error, dict) else body.get("code")

    @property
    def is_captured_refusal(self) -> bool:
        """Whether it is the 500 that CometAPI was seen to answer for a malformed body."""
        malformed = self.status == 500 and self.error_shape is ErrorShape.COMET
        return malformed and self.error_code == "invalid_request"

    @property
    def proves_refusal(self) -> bool:
        """Whether the answer proves that nothing was created.

        An error code with a success status does not prove it: some gateways send `"code": "success"`.
        """
        body = self.json_object
        data = body.get("data")
        shows = cast("Mapping[str, object]", data if isinstance(data, dict) else {})
        if shows.get("task_id") or body.get("task_id"):
            return False
        named = self.status == 503 and self.error_code == "model_not_found"
        refused = self.is_error and self.error_code not in _NO_ERRORS
        return (
            400 <= self.status < 500
            or named
            or self.is_captured_refusal
            or (200 <= self.status < 300 and refused)
        )

    @property
    def shown(self) -> str:
        """The answer in one line: status and the first 160 characters of the body."""
        if not self.answered:
            return f"no answer ({self.failure})"
        return f"{self.status} {_in_one_line(self.answer)}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A callback as received.

    `token` is the last part of the path of its URL, `query` its query; `replied` is the status sent back.
    """

    number: int
    token: str
    headers: Headers
    body: bytes
    received_at: float
    replied: int
    query: str = ""

    @cached_property
    def json(self) -> object:
        return _decoded(self.body)

    @cached_property
    def task(self) -> TaskMessage | None:
        return read_task(self.json)

    @property
    def content_type(self) -> str:
        return _media_type(self.headers)

    def header(self, name: str) -> str | None:
        return _header(self.headers, name)

    @property
    def shown(self) -> str:
        return f"callback {_in_one_line(self.body)}"


def read_task(wire: object) -> TaskMessage | None:
    """Parse a task object of the wire; None if it is invalid."""
    try:
        return TaskMessage.from_wire(wire)
    except MalformedMessage:
        return None
