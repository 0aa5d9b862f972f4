"""The models of the results of the control API. All instants are in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all models. An unknown field is an error."""


class Picture(Model, frozen=True):
    """A picture of a create request: its URL, or the size in bytes and SHA-256 of its inline bytes."""

    field: str
    sha256: str
    url: str | None = None
    size: Count = 0


class CreateRequest(Model, frozen=True):
    """A create request with defaults filled in: its values by field, and its pictures."""

    values: dict[str, Any]
    pictures: tuple[Picture, ...] = ()
    watermark: bool = False


class StatusChange(Model, frozen=True):
    """A status of a task, and the instant of the change to it."""

    status: str
    at: float


class TaskFault(Model, frozen=True):
    """A fault of a task, and the number of replies that showed it."""

    kind: str
    value: Any = None
    after: Count = 0
    polls: Count | None = None
    seconds: float | None = None
    script: int | None = None
    shown: Count = 0


class Task(Model, frozen=True):
    """A task. `failure` is its `task_status_msg`; `polls` counts the queries that found it.

    `images` are the result URLs; `next_change` is the instant of its next planned change, if that is known.
    """

    id: str
    account: str
    number: int
    operation: str
    status: str
    failure: str | None
    polls: Count
    created: float
    units: int
    request: CreateRequest
    history: tuple[StatusChange, ...]
    faults: tuple[TaskFault, ...]
    images: tuple[str, ...]
    next_change: float | None


class TaskPage(Model, frozen=True):
    """A page of tasks, oldest first. `next` is the parameter `after` of the next page."""

    tasks: tuple[Task, ...]
    next: str | None


class Event(Model, frozen=True):
    """The next event by the plans of all tasks: `kind` is task, callback, window or script."""

    kind: Literal["task", "callback", "window", "script"]
    at: float
    task_id: str | None = None
    account: str | None = None


class ClockJump(Model, frozen=True):
    """An advance of the clock."""

    at: float
    seconds: float


class ClockReading(Model, frozen=True):
    """The clock. `speed` is in seconds per second of system time; a frozen clock has speed 0.

    `jumps` are its latest advances. `next_event` is the event to which `skip` moves it.
    """

    now: float
    speed: float
    frozen: bool
    jumps: tuple[ClockJump, ...]
    next_event: Event | None


class Account(Model, frozen=True):
    """An account: units spent or reserved, images unfinished now, and the largest number of these so far."""

    name: str
    tasks: int
    spend: int
    unfinished: int
    peak_concurrency: int


class Accounts(Model, frozen=True):
    """All accounts that have sent a request, and their totals. The peak in `total` is that of all at once."""

    accounts: tuple[Account, ...]
    total: Account


class Call(Model, frozen=True):
    """A request to the imitated service, and its reply: an entry of the journal. Credentials are not kept.

    `shown` is the task status in the reply, `actual` the true one if it differs; `rule` is the id of the rule
    that refused the request; `script` is the id of the script that was applied; `status` is 0 without reply.
    """

    id: str
    at: float
    account: str | None
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    request: CreateRequest | None
    status: int
    task_id: str | None
    shown: str | None
    actual: str | None
    rule: str | None
    message: str | None
    script: int | None
    notes: tuple[str, ...]
    faults: tuple[str, ...]


class CallPage(Model, frozen=True):
    """A page of calls, oldest first. `next` is the parameter `after` of the next page."""

    calls: tuple[Call, ...]
    next: str | None


class Done(Model, frozen=True):
    """The change was made."""

    ok: Literal[True] = True


class ScriptInfo(Model, frozen=True):
    """A script: its document, and the number of requests to which it was applied.

    `uses_left` null: any number. A script that lasts a number of seconds ends at the instant `until`.
    """

    id: Count
    account: str | None
    document: dict[str, Any]
    description: str
    used: Count
    uses_left: Count | None
    until: float | None


class ScriptList(Model, frozen=True):
    """Scripts, oldest first."""

    scripts: tuple[ScriptInfo, ...]


class AttemptInfo(Model, frozen=True):
    """An attempt to deliver a callback: the status of the response, or the error.

    `kind` is sent, duplicate, redelivered or edited; `duration` is in real seconds; `retry_at` is the time of
    the next attempt after a failed one.
    """

    number: int
    at: float
    status: int | None
    error: str | None
    kind: str
    duration: float
    retry_at: float | None


class CallbackInfo(Model, frozen=True):
    """A callback: the change of a task that causes it, its body and its attempts.

    `refused` is the reason for which the server does not send it; `next_attempt` is null if there is none.
    """

    id: str
    task_id: str
    account: str
    url: str
    status: str
    due: float
    delivered: bool
    attempts: tuple[AttemptInfo, ...]
    next_attempt: float | None
    refused: str | None
    body: dict[str, Any]


def callback_id(task_id: str, position: int) -> str:
    """The id of a callback: that of its task, and the position of the change in the history of the task."""
    return f"{task_id}-{position}"


class CallbackPage(Model, frozen=True):
    """A page of callbacks, oldest first. `next` is the parameter `after` of the next page."""

    callbacks: tuple[CallbackInfo, ...]
    next: str | None


class SettingsInfo(Model, frozen=True):
    """The settings by name. `fixed` has the reason for each one that cannot change while the server runs."""

    settings: dict[str, Any]
    fixed: dict[str, str]


class EventStream(Model, frozen=True):
    """A stream of server-sent events, from the event after `after` on, or from now on."""

    after: str | None
    account: str | None


class TaskEvent(Model, frozen=True):
    """A change of a task, at its instant."""

    task_id: str
    account: str
    status: str
    at: float
    failure: str | None


class CallbackEvent(Model, frozen=True):
    """An attempt to deliver a callback."""

    id: str
    task_id: str
    account: str
    attempt: AttemptInfo


class HTMLPage(Model, frozen=True):
    """A page for a browser."""

    content: bytes


class StateLines(Model, frozen=True):
    """All state of a server, as lines of JSON."""

    content: bytes


# The media types of results that are not JSON.
MEDIA_TYPES: Final[Mapping[type[Model], str]] = MappingProxyType(
    {EventStream: "text/event-stream", HTMLPage: "text/html", StateLines: "application/x-ndjson"}
)
