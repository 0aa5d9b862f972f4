"""Callbacks derived from plans and the clock, with their delivery attempts.

A callback is due for every change of a task whose request has a `callback_url` (the setting
`callback_submitted` omits the first). Only delivery attempts are stored. Sources: the trigger and the body (a
bare task object) are official; repeating until a receiver accepts (at-least-once) is assumed.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from kling_contracts.redaction import hide_in_urls
from kling_contracts.virtual_time.functions import system_time
from kling_contracts.vocabulary import TaskStatus
from kling_mock.plan import NEVER, Transition
from kling_mock.records import EDITED, SENT, AttemptRecord, TaskRecord, TaskState
from kling_mock.render import task_message
from kling_mock.rng import draw_bits
from kling_mock.settings import Settings
from kling_mock.webhook_secret import WebhookSecret

CONTENT_TYPE = "application/json; charset=utf-8"


class Callback(NamedTuple):
    """The callback for one change of one task. `due` is in Unix seconds.

    `position` is the index of the change in the task's history. `refused` is the reason for which a server
    does not send it (setting `callbacks`), or None. `webhook_id` is the same in all attempts. `signature` has
    the header fields of the signature, if the setting `webhook_secret` is set.
    """

    task_id: str
    url: str
    status: TaskStatus
    due: float
    position: int
    body: dict[str, object]
    attempts: tuple[AttemptRecord, ...]
    refused: str | None = None
    webhook_id: str = ""
    signature: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """Without secrets of the URL, and without the body."""
        subject = f"{self.task_id} {self.status} to {self.url!r}"
        return hide_in_urls(f"Callback({subject}, due={self.due}, attempts={self.attempts!r})")

    @property
    def content(self) -> bytes:
        """The body as sent: the bare task object in JSON, without an envelope."""
        return json.dumps(self.body, ensure_ascii=False).encode()

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of the content: its type and signature."""
        return {"content-type": CONTENT_TYPE, **dict(self.signature)}

    def signed(self, secret: WebhookSecret | None) -> Callback:
        """This callback, signed at the present system time, or unchanged without a secret."""
        if secret is None:
            return self
        return self._replace(signature=secret.headers(self.webhook_id, self.content, system_time()))

    @property
    def delivered(self) -> bool:
        return is_delivered(self.attempts)

    def next_attempt(self, retries: Sequence[float]) -> float | None:
        """The instant of the next attempt in Unix seconds; None if the callback is delivered or given up."""
        return next_attempt(self.due, self.attempts, retries)


def is_delivered(attempts: Iterable[AttemptRecord]) -> bool:
    """Whether the receiver has accepted a callback as it was sent first."""
    return any(attempt.delivered and attempt.kind != EDITED for attempt in attempts)


def next_attempt(due: float, attempts: Sequence[AttemptRecord], retries: Sequence[float]) -> float | None:
    """The instant of the next attempt in Unix seconds; None if the callback is delivered or given up.

    `retries` are the pauses between attempts in seconds. Attempts by the test use up none of them.
    """
    if not attempts:
        return due
    if is_delivered(attempts):
        return None
    failed = [attempt for attempt in attempts if attempt.kind == SENT]
    if not failed:
        return due
    return None if len(failed) > len(retries) else failed[-1].at + retries[len(failed) - 1]


class Response(Protocol):
    """A response of an HTTP library or a web framework: only its status is read."""

    @property
    def status_code(self) -> int: ...


class ASGIApplication(Protocol):
    def __call__(self, scope: Any, receive: Any, send: Any, /) -> Awaitable[object]: ...


class WSGIApplication(Protocol):
    def __call__(self, environ: Any, start_response: Any, /) -> Iterable[bytes]: ...


class DoubleCallable(Protocol):
    """An application of ASGI 2: a class, or a function of the scope that returns a coroutine function."""

    def __call__(self, scope: Any, /) -> Callable[[Any, Any], Awaitable[object]]: ...


# A URL, an application, or a function that returns a status or a response. None counts as 200; an exception
# is a failed attempt.
Returned = int | Response | None
ReceiverFunction = Callable[[Callback], Returned | Awaitable[Returned]]
Receiver = ReceiverFunction | ASGIApplication | WSGIApplication | DoubleCallable | str


class AttemptResult(NamedTuple):
    """The result of an attempt: an HTTP status, and an exception that the test should see.

    `error` explains a missing status, if the exception does not.
    """

    status: int | None
    problem: BaseException | None = None
    error: str | None = None


class DueCallback(NamedTuple):
    """A callback that is due, without its body: the change of a task that causes it."""

    task: TaskState
    position: int
    change: Transition


def due_callbacks(task: TaskState, settings: Settings, until: float) -> Iterator[DueCallback]:
    """The callbacks of one task that are due by an instant (Unix seconds), oldest first."""
    for position, change in enumerate(changes_of(task, until)):
        if position or settings.callback_submitted:
            yield DueCallback(task, position, change)


def changes_of(task: TaskState, until: float = NEVER) -> Sequence[Transition]:
    """The changes of a task with a `callback_url`, up to an instant; by default also the planned ones."""
    if not task.record.request.callback_url:
        return ()
    return [change for change in task.history(until) if change.at < NEVER]


def callback_of(task: TaskState, settings: Settings, position: int, change: Transition) -> Callback:
    """The callback for the change at this position of a task's history."""
    record = task.record
    return Callback(
        record.id,
        record.request.callback_url or "",
        change.status,
        change.at,
        position,
        task_message(record, task.plan, change, settings.seed),
        task.attempts_at(position),
        webhook_id=webhook_id(record, settings.seed, position),
    )


def webhook_id(record: TaskRecord, seed: int, position: int) -> str:
    """The id of the callback for a change: decimal digits, like those of the service."""
    return str(draw_bits(seed, record.account, record.number, "webhook", position))
