"""What can go wrong, as one tree.

    KlingError
    ├── ConfigError                 key, address or an argument is unusable       nothing was sent
    ├── InvalidRequest              the contract refuses the request              nothing was sent
    ├── TransportError              no complete answer came
    │   └── SubmitUncertain         ... to a create: it may be accepted and billed
    │       └── UnreadableReceipt   ... success was answered, but illegibly (also an UnexpectedReply)
    ├── ApiError                    the service or a gateway refused, with a code
    │   ├── AuthError               the key
    │   ├── NotFound                the task or the route
    │   ├── Conflict                the external id is taken
    │   ├── RateLimited             too much at once, or the account is empty
    │   └── ServerError             their fault
    ├── UnexpectedReply             an answer that is none of this API
    ├── TaskFailed                  the task was carried out, and failed
    ├── WaitTimeout                 the task goes on, the waiting is over (also a TimeoutError)
    └── DownloadError               a picture could not be fetched

All of them pickle, say which task and request they are about, and never hold the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from kling_contracts.rules import Violation

if TYPE_CHECKING:
    from kling_client.snapshot import TaskSnapshot

E = TypeVar("E", bound="KlingError")


def _revive(kind: type[E], args: tuple[object, ...], state: Mapping[str, object]) -> E:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _mention(request_id: str | None) -> str:
    return f" (request id {request_id})" if request_id else ""


def printable(text: str, limit: int = 2000) -> str:
    """Text from outside as one line that can be shown anywhere: no forged log lines, no lone surrogates."""
    shown = text[:limit].encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else " " for char in shown)


class KlingError(Exception):
    """The root of everything this package raises about its work."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))

    def __reduce__(self) -> tuple[object, ...]:
        # The default would call __init__ with the finished text as its only argument.
        return _revive, (type(self), self.args, self.__dict__)


class ConfigError(KlingError, ValueError):
    """The key, the base URL or an argument cannot be used. Nothing was sent."""


class InvalidRequest(KlingError):
    """The contract refuses the request. `violations` has all of them. Nothing was sent.

    Violations that would create a task only for it to fail are refused just the same.
    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        lines = [str(violation) for violation in self.violations]
        if any(violation.rule.id.endswith(".base64") for violation in self.violations):
            lines.append("(a file is given as pathlib.Path; text is sent as it is)")
        super().__init__("; ".join(lines))


class TransportError(KlingError):
    """No complete answer came. The library's own error is `__cause__`."""


class SubmitUncertain(TransportError):
    """A create was sent, and nobody can tell whether it was accepted (and will be billed).

    It is not sent again for that reason. `external_task_id` is the caller's own id, if one was given.
    """

    def __init__(self, reason: str, external_task_id: str | None = None) -> None:
        self.external_task_id = external_task_id
        named = f" (external_task_id {external_task_id})" if external_task_id else ""
        # Not super(): in UnreadableReceipt the next class is UnexpectedReply, which takes a status.
        KlingError.__init__(
            self,
            f"the request may have been accepted and billed{named}: {reason}; "
            "look for the task before sending it again",
        )


class UnexpectedReply(KlingError):
    """An answer that is none of this API: HTML, empty, broken JSON, compressed, a redirect, too long.

    `status` is the HTTP status, `body` its first 2 kB as text.
    """

    def __init__(self, status: int, body: str = "", reason: str = "not a message of this API") -> None:
        self.status, self.body = status, body
        shown = f": {body[:200]!r}" if body else ""
        super().__init__(f"HTTP {status}, {reason}{shown}")


class UnreadableReceipt(SubmitUncertain, UnexpectedReply):
    """A create was answered with success, but the answer cannot be read: the task id is lost."""

    def __init__(self, reply: UnexpectedReply, external_task_id: str | None = None) -> None:
        SubmitUncertain.__init__(self, str(reply), external_task_id)
        self.status, self.body = reply.status, reply.body


class ApiError(KlingError):
    """The service or a gateway before it refused the request.

    `status` is the HTTP status; `code` Kling's number, a gateway's word, or None where neither was
    legible; `retry_after` the seconds asked for by a Retry-After header.
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
        # Gateways say the id of the request in the message already.
        named = "" if request_id and request_id in message else _mention(request_id)
        super().__init__(f"HTTP {status}{coded}: {message}{later}{named}")


class AuthError(ApiError):
    """The key is missing, wrong, expired, or has no right to this."""


class NotFound(ApiError):
    """There is no such task for this key, or no such route."""


class Conflict(ApiError):
    """A task with this external id exists already. Nothing was created."""


class RateLimited(ApiError):
    """HTTP 429: too many requests or tasks at once, or (by `code`) an account that cannot pay."""


class ServerError(ApiError):
    """HTTP 5xx."""


class TaskFailed(KlingError):
    """The task ended `failed`; `task.failure` is the service's reason."""

    def __init__(self, task: TaskSnapshot) -> None:
        self.task = task
        super().__init__(f"task {task.id} failed: {task.failure}{_mention(task.request_id)}")


class WaitTimeout(KlingError, TimeoutError):
    """The deadline passed. The task itself goes on: `task` is its last known state.

    `waited` is in seconds. If the last poll got no answer, its error is `__cause__`.
    """

    def __init__(self, task: TaskSnapshot, waited: float) -> None:
        self.task, self.waited = task, waited
        super().__init__(
            f"task {task.id} is still running ({task.status or 'never seen'}) after {waited:.1f} s; "
            f"resume with client.task({task.id!r}).wait(){_mention(task.request_id)}"
        )


class DownloadError(KlingError):
    """A picture could not be fetched. `received` counts the bytes that came; no file was left behind."""

    def __init__(self, url: str, received: int, reason: str) -> None:
        self.url, self.received = url, received
        # The query part of a result URL is a signature: it stays out of logs.
        super().__init__(
            f"{url.partition('?')[0] or 'nothing to fetch'}: {reason} ({received} bytes received)"
        )
