"""The models of tasks, and of their events. All instants are in Unix seconds."""

from __future__ import annotations

from typing import Any

from kling_mock.control_api.models import AttemptInfo, Count, Model


class Picture(Model, frozen=True):
    """A picture of a create request: its URL, or the size in bytes and SHA-256 of its inline bytes.

    `thumbnail`: whether a thumbnail of its bytes is kept (setting `thumbnails`).
    """

    field: str
    sha256: str
    url: str | None = None
    size: Count = 0
    thumbnail: bool = False


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


class PlannedChange(Model, frozen=True):
    """A change of a task that is known in advance: at an instant, or with the `polls`-th query from now on.

    `failure` is the `task_status_msg` of a planned failure.
    """

    status: str
    at: float | None
    polls: Count | None
    failure: str | None


class TaskAttempt(Model, frozen=True):
    """An attempt to deliver a callback of a task: the id of the callback, and the status that it reports."""

    id: str
    status: str
    attempt: AttemptInfo


class NextDelivery(Model, frozen=True):
    """The next attempt to deliver a callback of a task: the id of the callback, and the reported status."""

    id: str
    status: str
    at: float
    kind: str


class TaskCallbacks(Model, frozen=True):
    """The callbacks of a task: the latest attempts, the number of all, and the next attempt if it is known.

    `refused` is the reason for which the server does not send them.
    """

    url: str
    attempts: tuple[TaskAttempt, ...]
    total: Count
    next: NextDelivery | None
    refused: str | None


class Task(Model, frozen=True):
    """A task. `title` is that of its operation; `failure` is its `task_status_msg`.

    `polls` counts the queries that found it; `poll_times` are the instants of the latest ones that its plan
    counts. `planned` are the changes that are known in advance; `next_change` is the instant of the first, if
    that is known. `images` are the result URLs. `callbacks` is null without a `callback_url`.
    """

    id: str
    account: str
    number: int
    operation: str
    title: str
    external_task_id: str | None
    status: str
    failure: str | None
    polls: Count
    poll_times: tuple[float, ...]
    created: float
    units: int
    request: CreateRequest
    history: tuple[StatusChange, ...]
    faults: tuple[TaskFault, ...]
    images: tuple[str, ...]
    planned: tuple[PlannedChange, ...]
    next_change: float | None
    callbacks: TaskCallbacks | None


class ImageInfo(Model, frozen=True):
    """A result picture: its URL, size in pixels and in bytes, and the metadata in its PNG text."""

    url: str
    width: Count
    height: Count
    size: Count
    metadata: dict[str, Any]


class TaskPage(Model, frozen=True):
    """A page of tasks. `next` is the parameter `after` of the next page, `total` the number on all pages."""

    tasks: tuple[Task, ...]
    next: str | None
    total: Count


class TaskEvent(Model, frozen=True):
    """A change of a task, at its instant, and the task at present."""

    task_id: str
    account: str
    status: str
    at: float
    failure: str | None
    task: Task


class CallbackEvent(Model, frozen=True):
    """An attempt to deliver a callback."""

    id: str
    task_id: str
    account: str
    attempt: AttemptInfo
