"""The models of the results of the control API. All instants are in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all models. An unknown field is an error."""


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


class AccountPoint(Model, frozen=True):
    """The units spent, and the unfinished images, from an instant on."""

    at: float
    spend: int
    unfinished: int


class AccountHistory(Model, frozen=True):
    """The units spent and the concurrency of an account up to `now`: each point holds until the next one.

    A point stands for several changes if there are more than the number of points asked for; it then has the
    largest concurrency among them.
    """

    name: str
    now: float
    points: tuple[AccountPoint, ...]


class Done(Model, frozen=True):
    """The change was made."""

    ok: Literal[True] = True


class ScriptInfo(Model, frozen=True):
    """A script: its document, and the number of requests to which it was applied.

    `uses_left` null: any number. A script that lasts a number of seconds ends at the instant `until`. One
    that is not `enabled` applies to no request.
    """

    id: Count
    account: str | None
    document: dict[str, Any]
    description: str
    used: Count
    uses_left: Count | None
    until: float | None
    enabled: bool


ScriptChangeKind = Literal["written", "used", "removed"]


class ScriptEvent(Model, frozen=True):
    """A script that was written (also: replaced, or switched off or on), used or removed; then it is null."""

    id: Count
    change: ScriptChangeKind
    script: ScriptInfo | None


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
    """A page of callbacks. `next` is the parameter `after` of the next page, `total` the number on all."""

    callbacks: tuple[CallbackInfo, ...]
    next: str | None
    total: Count


class SettingsInfo(Model, frozen=True):
    """The settings by name. `fixed` has the reason for each one that cannot change while the server runs."""

    settings: dict[str, Any]
    fixed: dict[str, str]


FieldKind = Literal["text", "choice", "integer", "number", "flag", "picture", "pictures", "json"]


class RequestField(Model, frozen=True):
    """A field of a create request. `minimum` and `maximum`: of the value, its characters, or its items.

    An item of `pictures` is an object with the key `item`. `json`: a value of another kind.
    """

    name: str
    kind: FieldKind
    doc: str
    required: bool
    default: Any
    options: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    item: str | None


class RouteInfo(Model, frozen=True):
    """A path of a gateway to which create requests of an operation are sent."""

    gateway: str
    operation: str
    title: str
    path: str
    fields: tuple[RequestField, ...]


class Routes(Model, frozen=True):
    """The create routes of the imitated service."""

    routes: tuple[RouteInfo, ...]


class EventStream(Model, frozen=True):
    """A stream of server-sent events, from the event after `after` on, or from now on."""

    after: str | None
    account: str | None


class HTMLPage(Model, frozen=True):
    """A page for a browser."""

    content: bytes


class PNGImage(Model, frozen=True):
    """A picture as a PNG."""

    content: bytes


class PlainText(Model, frozen=True):
    """A text, such as code."""

    content: bytes


class StateLines(Model, frozen=True):
    """All state of a server, as lines of JSON."""

    content: bytes


# The media types of results that are not JSON.
MEDIA_TYPES: Final[Mapping[type[Model], str]] = MappingProxyType(
    {
        EventStream: "text/event-stream",
        HTMLPage: "text/html; charset=utf-8",
        PlainText: "text/plain; charset=utf-8",
        PNGImage: "image/png",
        StateLines: "application/x-ndjson; charset=utf-8",
    }
)
