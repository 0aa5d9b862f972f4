"""The models of the parameters and bodies that clients send to the control API."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from kling_mock.control_api.models import Model

PAGE: Final = 100
PAGE_MAXIMUM: Final = 1000

# A century, and the fastest clock: later instants are not dates.
Advance = Annotated[float, Meta(ge=0, le=3.2e9)]
BaseURL = Annotated[str, Meta(pattern=r"^https?://[!#-&(-;=?-\[\]-_a-z~]+$", max_length=300)]
Speed = Annotated[float, Meta(ge=0, le=1e6)]


class PageFilter(Model, frozen=True):
    """A page of a list: at most `limit` items. `after` is the `next` of the page before."""

    after: str | None = None
    order: Literal["oldest", "newest"] = "oldest"
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAXIMUM)] = PAGE


class TaskFilter(PageFilter, frozen=True):
    """Filters of tasks. `prompt` is a glob. `after` is the `next` of the page before.

    `text` occurs in id, external id, prompt, failure or account, in upper or lower case.
    """

    status: Literal["submitted", "processing", "succeed", "failed"] | None = None
    account: str | None = None
    operation: str | None = None
    prompt: str | None = None
    external_task_id: str | None = None
    text: str | None = None


class TaskFailure(Model, frozen=True):
    """The end of a failed task: its `task_status_msg`."""

    message: Annotated[str, Meta(min_length=1)]


class ImageQuery(Model, frozen=True):
    """`watermark`: the result with a watermark, if the request enabled that."""

    watermark: bool = False


class AccountFilter(Model, frozen=True):
    """An account, or all of them without this parameter."""

    account: str | None = None


class HistoryQuery(Model, frozen=True):
    """`points` is the largest number of points."""

    points: Annotated[int, Meta(ge=1, le=PAGE_MAXIMUM)] = 200


class ScriptChange(Model, frozen=True):
    """Whether a script applies to requests."""

    enabled: bool


class CallFilter(PageFilter, frozen=True):
    """Filters of calls. `status` is a status such as 429, a class such as 4xx, or 0 for calls without reply.

    `text` occurs in any of the parts of a call, in upper or lower case: path, headers, fields and pictures of
    the request, ids, message, notes. `after` is the `next` of the page before.
    """

    request_id: str | None = None
    task_id: str | None = None
    external_task_id: str | None = None
    account: str | None = None
    rule: str | None = None
    status: Annotated[str, Meta(pattern="^([1-5]xx|[1-5][0-9][0-9]|0)$")] | None = None
    method: str | None = None
    text: str | None = None


class CodeQuery(Model, frozen=True, rename={"as_": "as"}):
    """`as` is the language; `base_url` that of the server, by default the one to which the call was sent."""

    as_: Literal["curl", "httpx", "fetch"] = "curl"
    base_url: BaseURL | None = None


class StoryQuery(Model, frozen=True, rename={"as_": "as"}):
    """`as` is the form: a test for pytest, or a scenario file."""

    as_: Literal["pytest", "scenario"] = "pytest"


class AgainBody(Model, frozen=True):
    """A request to send again: with another body, with changes of its fields, or as it was sent."""

    body: dict[str, Any] | None = None
    changes: dict[str, Any] = {}  # noqa: RUF012 -- msgspec makes a new one for each object


class CallbackFilter(PageFilter, frozen=True):
    """Filters of callbacks. `after` is the `next` of the page before."""

    task_id: str | None = None
    account: str | None = None
    delivered: bool | None = None


class RedeliverBody(Model, frozen=True):
    """A callback to deliver again: with another body, with changes of its fields, or as it was sent."""

    body: dict[str, Any] | None = None
    changes: dict[str, Any] = {}  # noqa: RUF012 -- msgspec makes a new one for each object


class ClockChange(Model, frozen=True):
    """One change of the clock: give one of the fields.

    `advance` moves it forward by a number of seconds; `freeze` and `resume` stop and start it; `speed` sets
    its speed; `skip` moves it to the next event.
    """

    advance: Advance | UnsetType = UNSET
    freeze: Literal[True] | UnsetType = UNSET
    resume: Literal[True] | UnsetType = UNSET
    speed: Speed | UnsetType = UNSET
    skip: Literal[True] | UnsetType = UNSET


class EventFilter(Model, frozen=True):
    """The account whose events are sent, by default all. `last_event_id`: only the events after this one.

    The header Last-Event-ID has the same effect, and takes precedence.
    """

    account: str | None = None
    last_event_id: str | None = None


class ImportQuery(Model, frozen=True):
    """`replace`: whether the tasks and scripts that the server has are replaced."""

    replace: bool = False


class Reset(Model, frozen=True):
    """The account to reset; null: all of them."""

    account: str | None = None


# The models of bodies that may be empty.
OPTIONAL_BODIES: Final = frozenset[type[Model]]({Reset, RedeliverBody, AgainBody})
