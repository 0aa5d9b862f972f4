"""The exceptions of the client, as one tree.

    KlingError
    ├── ConfigError                 invalid key, base URL or argument; nothing was sent (also a ValueError)
    ├── InvalidRequest              the request breaks the API's rules; nothing was sent
    ├── TransportError              no complete response was received
    │   └── SubmitUncertain         ... to a create: it may have been accepted and billed
    │       └── UnreadableReceipt   ... status 2xx, but an unreadable body (also an UnexpectedReply)
    ├── ApiError                    the service or a gateway returned an error
    │   ├── AuthError               invalid, expired or unauthorized key
    │   ├── NotFound                unknown task or route
    │   ├── Conflict                the external id is already in use
    │   ├── RateLimited             rate or concurrency limit, or no balance
    │   └── ServerError             HTTP 5xx
    ├── UnexpectedReply             the response does not belong to this API
    ├── InvalidSignature            a callback is not signed, or not with the secret
    ├── TaskFailed                  the task ended with status `failed`
    ├── WaitTimeout                 the deadline passed; the task continues (also a TimeoutError)
    └── DownloadError               a result could not be downloaded

All can be pickled, have `task_id`, `request` (method and URL) and `request_id` (each may be None), and never
contain the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from kling_contracts.explained_error import ExplainedError
from kling_contracts.redaction import hide_in_urls
from kling_contracts.rules import Violation

if TYPE_CHECKING:
    from kling_client.snapshot import TaskSnapshot

E = TypeVar("E", bound="KlingError")

# Codes of an unknown task; other codes of NotFound concern the route.
TASK_CODES: Final = frozenset({1201, "task_not_exist"})
# User and password in a URL, or in a text in its place, which may have no scheme.
_USER: Final = re.compile(r"(\A|//)[^/]*@")
_LONGEST_URL: Final = 300


def _revive(kind: type[E], args: tuple[object, ...], state: Mapping[str, object]) -> E:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _mention(request_id: str | None) -> str:
    return f" (request id {request_id})" if request_id else ""


def printable(text: str, limit: int = 2000) -> str:
    """Untrusted text as one printable line: no line breaks, control characters or lone surrogates."""
    shown = text[:limit].encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else " " for char in shown)


def _labelled(violation: Violation, labels: Mapping[str, str]) -> str:
    text, path = str(violation), violation.field
    return hide_in_urls(labels.get(path, path) + text.removeprefix(path))


class KlingError(ExplainedError):
    """Base class of the exceptions of this package.

    `task_id` is the task that the call was about, `request` its method and URL, `request_id` the service's id
    of the response. Each is None if there was none.
    """

    task_id: str | None = None
    request: str | None = None
    request_id: str | None = None

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))

    def concerns(self, task_id: str | None, request: str | None) -> None:
        """Set task and request, and add the task to the message unless it is named there."""
        self.request = self.request or request
        if task_id and self.task_id is None:
            self.task_id = task_id
            if self.args and task_id not in str(self.args[0]):
                self.args = (f"{self.args[0]} (task {printable(task_id, 100)})", *self.args[1:])

    def __reduce__(self) -> tuple[object, ...]:
        # The default would call __init__ with the finished text as its only argument.
        return _revive, (type(self), self.args, self.__dict__)


class ConfigError(KlingError, ValueError):
    """The key, the base URL or an argument is invalid. Nothing was sent."""


class InvalidRequest(KlingError):
    """The request breaks rules of the API. Nothing was sent.

    `violations` lists all of them, `messages` has a text for each, which names the file of an image. They
    include rules that the service checks only later: it would accept the request and the task would fail.
    """

    def __init__(self, violations: Sequence[Violation], *, labels: Mapping[str, str] | None = None) -> None:
        """`labels` replace the paths of fields in the messages."""
        self.violations = tuple(violations)
        self.messages = tuple(_labelled(violation, labels or {}) for violation in self.violations)
        hint = ""
        if any(map(_may_be_path, self.violations)):
            hint = " (pass a file as pathlib.Path; strings are sent unchanged)"
        super().__init__("; ".join(self.messages) + hint)


def _may_be_path(violation: Violation) -> bool:
    """Whether the value may be the path of a file: it is not base64, and no mistake follows its length."""
    return violation.rule.id.endswith(".base64") and violation.received.endswith(")")


class TransportError(KlingError):
    """No complete response was received. `__cause__` is the error of the HTTP library."""


class SubmitUncertain(TransportError):
    """A create was sent, but its outcome is unknown: the task may exist and be billed.

    The client therefore does not send it again. `external_task_id` is the caller's own id, if given.
    """

    def __init__(self, reason: str, external_task_id: str | None = None) -> None:
        self.external_task_id = external_task_id
        named = f" (external_task_id {external_task_id})" if external_task_id else ""
        # Not super(): in UnreadableReceipt the next class is UnexpectedReply, whose arguments differ.
        KlingError.__init__(
            self,
            f"the request may have been accepted and billed{named}: {reason}; "
            "check whether the task exists before sending it again",
        )


class UnexpectedReply(KlingError):
    """The response does not belong to this API: HTML, empty, invalid JSON, compressed, a redirect, too long.

    `status` is the HTTP status, 0 for a callback, `body` the first 2 kB of the body as text.
    """

    def __init__(
        self,
        status: int,
        body: str = "",
        reason: str = "not a response of this API",
        request_id: str | None = None,
    ) -> None:
        self.status, self.body, self.request_id = status, body, request_id
        shown = f": {body[:200]!r}" if body else ""
        named = "" if request_id and request_id in shown else _mention(request_id)
        source = f"HTTP {status}, " if status else "callback: "
        super().__init__(f"{source}{reason}{shown}{named}")


class InvalidSignature(KlingError):
    """A callback must not be trusted. `reason` is one of four.

    `unsigned`: a header is missing; `malformed`: the time is not a number; `stale`: the callback was sent
    more than 5 minutes ago, or in the future; `mismatch`: the body or a header was altered, or the secret is
    another, which cannot be distinguished.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class UnreadableReceipt(SubmitUncertain, UnexpectedReply):
    """A create got status 2xx with an unreadable body: a task was probably created, but its id is unknown."""

    def __init__(self, reply: UnexpectedReply, external_task_id: str | None = None) -> None:
        SubmitUncertain.__init__(self, str(reply), external_task_id)
        self.status, self.body, self.request_id = reply.status, reply.body, reply.request_id


class ApiError(KlingError):
    """The service, or a gateway in front of it, returned an error.

    `status` is the HTTP status; `code` Kling's integer or a gateway's string (possibly empty), None if the
    body is not an error of this API; `retry_after` the seconds of a Retry-After header.
    """

    def __init__(
        self,
        status: int,
        code: int | str | None,
        message: str,
        request_id: str | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        self.status, self.code, self.message = status, code, message
        self.request_id, self.retry_after = request_id, retry_after
        coded = f", code {code}" if code not in (None, "") else ""
        later = f"; retry after {retry_after:g} s" if retry_after is not None else ""
        hint = f"; {self.hint}" if self.hint else ""
        # Gateways put the request id into the message.
        named = "" if request_id and request_id in message else _mention(request_id)
        super().__init__(f"HTTP {status}{coded}: {message}{later}{hint}{named}")

    @property
    def hint(self) -> str:
        """A suggestion how to proceed; may be empty."""
        return ""


class AuthError(ApiError):
    """The key is missing, invalid or expired, or lacks the permission."""

    @property
    def hint(self) -> str:
        return "check the key, and that it belongs to this gateway"


class NotFound(ApiError):
    """The task does not exist for this key, or the route does not exist."""

    @property
    def hint(self) -> str:
        if self.code in TASK_CODES:
            return "check the task id, and that the key belongs to the account of the task"
        return "check the base URL and the gateway"


class Conflict(ApiError):
    """A task with this external id already exists. No task was created."""

    @property
    def hint(self) -> str:
        return "query the existing task, or use another external_task_id"


class RateLimited(ApiError):
    """HTTP 429: too many requests or concurrent tasks, or (by `code`) insufficient balance."""


class ServerError(ApiError):
    """HTTP 5xx."""


class TaskFailed(KlingError):
    """The task ended with status `failed`; `task.failure` is the service's reason."""

    def __init__(self, task: TaskSnapshot) -> None:
        self.task, self.task_id, self.request_id = task, task.id, task.request_id
        super().__init__(f"task {task.id} failed: {task.failure}{_mention(task.request_id)}")


class WaitTimeout(KlingError, TimeoutError):
    """The deadline passed; the task itself continues. `task` is its last known state.

    `waited` is in seconds. If the last poll failed, `__cause__` is its error.
    """

    def __init__(self, task: TaskSnapshot, waited: float) -> None:
        self.task, self.waited = task, waited
        self.task_id, self.request_id = task.id, task.request_id
        super().__init__(
            f"task {task.id} has not finished after {waited:.1f} s (status: {task.status or 'unknown'}); "
            f"resume with client.task({task.id!r}).wait(){_mention(task.request_id)}"
        )


class DownloadError(KlingError):
    """A result could not be downloaded. `received` is the number of bytes received. No file remains.

    `url` is that of the result, whole: its query may be a signature. The message and `place` leave out user,
    password and query.
    """

    def __init__(self, url: str, received: int, reason: str) -> None:
        self.url, self.received = url, received
        where = _bare(url)
        super().__init__(f"{where}: {reason} ({received} bytes received)" if where else reason)

    @property
    def place(self) -> str:
        """The URL without user, password and query."""
        return _bare(self.url)


def _bare(url: str) -> str:
    bare = printable(_USER.sub(r"\1", re.split("[?#]", url, maxsplit=1)[0]), len(url))
    return bare if len(bare) <= _LONGEST_URL else f"{bare[:_LONGEST_URL]}... ({len(bare)} characters)"
