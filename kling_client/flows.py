"""Create, query and watch a task, as flows: which calls are made, which again, and when it is over.

the call          no connection   cut or late       429     503 + Retry-After   other 5xx         4xx
GET               again           again             again   again               again             raise
POST (is billed)  again           SubmitUncertain   again   again               SubmitUncertain   raise
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from contracts.vocabulary import MEGABYTE
from kling_client.config import Config
from kling_client.errors import (
    ApiError,
    KlingError,
    ServerError,
    SubmitUncertain,
    TransportError,
    UnexpectedReply,
    UnreadableReceipt,
    WaitTimeout,
)
from kling_client.replies import Reply, Snapshot, is_transient, read_task
from kling_client.request import Draft
from kling_client.retry import Timer, read_retry_after
from kling_client.snapshot import TaskSnapshot
from kling_client.steps import Call, Failure, Flow, Head, Stage, read, send, show, sleep

Task = TypeVar("Task", bound=TaskSnapshot)

JSON_LIMIT: Final = 8 * MEGABYTE
USER_AGENT: Final = "kling-client"

log = logging.getLogger("kling_client")


def submit(config: Config, draft: Draft, blank: Task) -> Flow[Task]:
    """Create a task and return `blank` filled in. Sent again only where the service provably did nothing."""
    call = _call(config, "POST", config.create_url, draft.content)
    snapshot = yield from _persist(config, call, draft.external_task_id)
    task = blank.seen(snapshot)
    log.info("task %r created (request id %r)", task.id, task.request_id)
    return task


def query(config: Config, task: Task) -> Flow[Task]:
    """The task as it is now."""
    snapshot = yield from _persist(config, _call(config, "GET", config.task_url(task.id)))
    return _same(task, snapshot)


def watch(config: Config, task: Task, deadline: float, aspect: Callable[[Task], object]) -> Flow[None]:
    """Show the task at once, at each change of `aspect`, and at its end; then stop.

    A poll that fails is repeated like one that found nothing new, and only the deadline ends it.
    """
    timer = Timer(config.clock, deadline)
    if task.terminal:
        yield from show(task)
        return
    pauses = config.poll.pauses()
    shown: object = None
    while True:
        call = _call(config, "GET", config.task_url(task.id), timeout=timer.clip(config.timeout))
        found = _judge(config, call, (yield from _exchange(config, call)))
        trouble = found if isinstance(found, _Trouble) else None
        if isinstance(found, _Trouble):
            found.raise_unless_worth_waiting(config)
            log.debug("poll of task %r failed: %s", task.id, found.error)
        else:
            task = _same(task, found.snapshot)
            if aspect(task) != shown:
                shown = aspect(task)
                yield from show(task)
            if task.terminal:
                return
        remaining = timer.remaining
        # A server that asks for more patience than is left is not asked again before its time.
        refused = trouble is not None and trouble.retry_after > remaining
        if not remaining or refused:
            raise WaitTimeout(task, timer.spent) from (None if trouble is None else trouble.error)
        wanted = max(next(pauses), min(found.retry_after, config.retry.max_retry_after))
        pause = min(wanted, remaining)
        yield from sleep(pause)
        timer.slept += pause


@dataclass(frozen=True, slots=True)
class _Seen:
    """A task was read. `retry_after` is when the service suggests to ask again."""

    snapshot: Snapshot
    retry_after: float


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A call failed. `again` tells whether the same call may be sent once more."""

    error: KlingError
    again: bool
    retry_after: float = 0.0

    def raise_unless_worth_waiting(self, config: Config) -> None:
        if not self.again or self.retry_after > config.retry.max_retry_after:
            raise self.error


def _persist(config: Config, call: Call, external_task_id: str | None = None) -> Flow[Snapshot]:
    """The task in the answer to a call, made as often as the table above and `Retry` allow."""
    pauses: Iterator[float] = config.retry.pauses()
    while True:
        found = _judge(config, call, (yield from _exchange(config, call)), external_task_id)
        if isinstance(found, _Seen):
            return found.snapshot
        found.raise_unless_worth_waiting(config)
        pause = next(pauses, None)
        if pause is None:
            raise found.error
        log.info("%s will be sent again: %s", call.method, found.error)
        yield from sleep(max(pause, found.retry_after))


def _exchange(config: Config, call: Call) -> Flow[Reply | Failure]:
    """One call and its whole answer, capped in size and in time."""
    head = yield from send(call)
    if isinstance(head, Failure):
        return head
    if head.encoding:
        # Nothing is decompressed that was not asked for: a few kilobytes can become gigabytes.
        return Reply(head, fault=f"compressed with {head.encoding[:40]!r}, which was not asked for")
    late = config.clock() + call.timeout
    body = bytearray()
    while chunk := (yield from read()):
        if isinstance(chunk, Failure):
            return chunk
        body += chunk
        if len(body) > JSON_LIMIT:
            return Reply(head, fault=f"longer than {JSON_LIMIT} bytes")
        if config.clock() > late:
            return Failure(Stage.SENT, f"the answer was not complete after {call.timeout:g} s")
    return _cut(head, len(body)) or Reply(head, bytes(body))


def _cut(head: Head, received: int) -> Failure | None:
    if head.length is None or head.length <= received or head.status in (204, 304):
        return None
    return Failure(Stage.SENT, f"the answer was cut: {received} of {head.length} bytes")


def _judge(
    config: Config, call: Call, outcome: Reply | Failure, external_task_id: str | None = None
) -> _Seen | _Trouble:
    if isinstance(outcome, Failure):
        return _judge_failure(config, call, outcome, external_task_id)
    billed = call.method == "POST"
    status = outcome.head.status
    hint = read_retry_after(outcome.head.headers)
    try:
        return _Seen(read_task(outcome, config.redact), hint or 0.0)
    except UnexpectedReply as error:
        if billed and 200 <= status < 300:
            return _Trouble(_caused(UnreadableReceipt(error, external_task_id), error), again=False)
        return _Trouble(error, again=False)
    except ApiError as error:
        if not billed or not isinstance(error, ServerError):
            return _Trouble(error, is_transient(error), hint or 0.0)
        if status < 300:  # a refusal in an envelope of success is the service's own, definite word
            return _Trouble(error, again=False)
        if status == 503 and hint is not None:
            return _Trouble(error, again=True, retry_after=hint)
        return _Trouble(_caused(SubmitUncertain(str(error), external_task_id), error), again=False)


def _judge_failure(config: Config, call: Call, failure: Failure, external_task_id: str | None) -> _Trouble:
    reason = config.redact(failure.reason)
    if call.method == "POST" and failure.stage is Stage.SENT:
        return _Trouble(_caused(SubmitUncertain(reason, external_task_id), failure.error), again=False)
    error = TransportError(f"{call.method} {call.url}: {reason} ({failure.stage.value})")
    return _Trouble(_caused(error, failure.error), again=failure.stage is not Stage.IMPOSSIBLE)


def _caused(error: KlingError, cause: Exception | None) -> KlingError:
    error.__cause__ = cause
    return error


def _same(task: Task, snapshot: Snapshot) -> Task:
    """The task as seen now. Raises UnexpectedReply if the answer is about another one."""
    message = snapshot.message
    if task.id not in (message.task_id, message.external_task_id):
        raise UnexpectedReply(200, "", f"the answer is about task {message.task_id[:60]!r}, not {task.id!r}")
    return task.seen(snapshot)


def _call(
    config: Config, method: str, url: str, content: bytes | None = None, timeout: float | None = None
) -> Call:
    headers = {
        "Authorization": f"Bearer {config.api_key}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
    }
    if content is not None:
        headers["Content-Type"] = "application/json"
    return Call(
        method=method,
        url=url,
        headers=headers,
        timeout=config.timeout if timeout is None else timeout,
        private=True,
        content=content,
    )
