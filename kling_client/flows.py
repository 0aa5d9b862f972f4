"""Create, query, watch and list tasks, as flows that implement retries and deadlines.

request           no connection   cut or timed out   429     503 + Retry-After   other 5xx         4xx
GET               retry           retry              retry   retry               retry             raise
POST (is billed)  retry           SubmitUncertain    retry   retry               SubmitUncertain   raise
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from kling_client.config import Config
from kling_client.credentials import Redact
from kling_client.errors import (
    ApiError,
    AuthError,
    ConfigError,
    KlingError,
    ServerError,
    SubmitUncertain,
    TransportError,
    UnexpectedReply,
    UnreadableReceipt,
    WaitTimeout,
)
from kling_client.replies import Reply, is_transient, read_task, read_tasks
from kling_client.request import Draft
from kling_client.retry import Timer, read_retry_after
from kling_client.snapshot import Snapshot, TaskSnapshot
from kling_client.steps import Call, Failure, Flow, Head, Stage, read, send, show, sleep
from kling_contracts.gateways import Gateway
from kling_contracts.vocabulary import MEGABYTE, PAGE_FIRST, PAGE_LAST, PAGE_SIZE_MAXIMUM, PAGE_SIZE_MINIMUM

T = TypeVar("T")
Task = TypeVar("Task", bound=TaskSnapshot)
Reader = Callable[[Reply, Redact], T]

JSON_LIMIT: Final = 8 * MEGABYTE
USER_AGENT: Final = "kling-client"
EXPIRED_TOKEN: Final = 1004
# Consecutive responses of status 2xx that are not tasks, after which a wait ends: a proxy or a login page
# does not go away, and one such response may be an accident, like a 502.
ODD_REPLIES: Final = 3

log = logging.getLogger("kling_client")


def submit(config: Config, draft: Draft, blank: Task) -> Flow[Task]:
    """Create a task; return a copy of `blank` with its state. Retried only if no task was created."""
    call = _call(config, "POST", config.create_url, draft.content)
    snapshot = yield from _persist(config, call, read_task, draft.external_task_id)
    task = blank.seen(snapshot)
    log.info("task %r created (request id %r)", task.id, task.request_id)
    return task


def query(config: Config, task: Task) -> Flow[Task]:
    """Query a task once; return its new state. Errors name the task."""
    call = _call(config, "GET", config.task_url(task.id))
    try:
        snapshot = yield from _persist(config, call, read_task)
        return _same(config, task, snapshot)
    except KlingError as error:
        error.concerns(task.id, _named(call))
        raise


def listing(config: Config, blank: TaskSnapshot, page_size: int) -> Flow[None]:
    """Show every task of the account, newest first, as a copy of `blank`. Pages are requested when needed.

    Raises ConfigError, before any request, if the gateway has no list route or `page_size` is out of range.
    """
    require_list(config.gateway)
    least, most = PAGE_SIZE_MINIMUM.value, PAGE_SIZE_MAXIMUM.value
    if not least <= page_size <= most:
        raise ConfigError(f"page_size: must be from {least} to {most}, not {page_size}")
    return _pages(config, blank, page_size)


def require_list(gateway: Gateway) -> None:
    """Raise ConfigError if a gateway has no list route."""
    if not gateway.lists:
        raise ConfigError(
            f"{gateway.title} has no route that lists tasks; keep the ids and query them one by one"
        )


def _pages(config: Config, blank: TaskSnapshot, page_size: int) -> Flow[None]:
    known: set[str] = set()
    for number in range(PAGE_FIRST.value, PAGE_LAST.value + 1):
        call = _call(config, "GET", config.page_url(number, page_size))
        page = yield from _persist(config, call, read_tasks)
        for snapshot in page:
            # Tasks created meanwhile shift earlier ones to later pages, so those appear twice.
            if snapshot.message.task_id not in known:
                known.add(snapshot.message.task_id)
                yield from show(blank.seen(snapshot))
        if len(page) < page_size:
            return


def watch(config: Config, task: Task, deadline: float, aspect: Callable[[Task], object]) -> Flow[None]:
    """Poll a task; show its first state and each change of `aspect(task)`, until it is terminal.

    After a poll with a temporary failure, polling continues as after an unchanged state, until the deadline.
    So it does after a 2xx response that is not this task; the third such response in a row is raised. Errors
    name the task.
    """
    timer = Timer(config.clock, deadline)
    if task.terminal:
        yield from show(task)
        return
    pauses = config.poll.pauses()
    shown: object = None
    odd = 0
    while True:
        call = _call(config, "GET", config.task_url(task.id), timeout=timer.clip(config.timeout))
        found = yield from _poll(config, task, call)
        error: KlingError | None = None
        if isinstance(found, _Trouble):
            error = found.error
            error.concerns(task.id, _named(call))
            odd = odd + 1 if found.odd else 0
            if 0 < odd < ODD_REPLIES:
                log.info("poll of task %r had an odd response: %s", task.id, error)
            else:
                found.raise_unless_worth_waiting(config)
                log.debug("poll of task %r failed: %s", task.id, error)
        else:
            odd = 0
            task = found.value
            if aspect(task) != shown:
                shown = aspect(task)
                yield from show(task)
            if task.terminal:
                return
        remaining = timer.remaining
        # A Retry-After beyond the deadline ends the wait: an earlier poll would be refused.
        refused = error is not None and found.retry_after > remaining
        if not remaining or refused:
            raise WaitTimeout(task, timer.spent) from error
        wanted = max(next(pauses), min(found.retry_after, config.retry.max_retry_after))
        pause = min(wanted, remaining)
        yield from sleep(pause)
        timer.slept += pause


def _poll(config: Config, task: Task, call: Call) -> Flow[_Seen[Task] | _Trouble]:
    """The new state of a task; a response about another task is a trouble too."""
    found = yield from _ask(config, call, read_task)
    if isinstance(found, _Trouble):
        return found
    try:
        return _Seen(_same(config, task, found.value), found.retry_after)
    except UnexpectedReply as error:
        return _Trouble(error, again=False)


@dataclass(frozen=True, slots=True)
class _Seen(Generic[T]):
    """The parsed value of a success response. `retry_after`: its Retry-After in seconds, or 0."""

    value: T
    retry_after: float


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A failed call. `again`: the same call may be retried. `retry_after` is in seconds."""

    error: KlingError
    again: bool
    retry_after: float = 0.0

    @property
    def expired(self) -> bool:
        """Whether the service rejected the token as expired; it did nothing else with the request then."""
        error = self.error
        return isinstance(error, AuthError) and (error.status, error.code) == (401, EXPIRED_TOKEN)

    @property
    def odd(self) -> bool:
        """Whether the response had status 2xx and yet was not a task."""
        return isinstance(self.error, UnexpectedReply) and 200 <= self.error.status < 300

    def raise_unless_worth_waiting(self, config: Config) -> None:
        if not self.again or self.retry_after > config.retry.max_retry_after:
            raise self.error


def _persist(config: Config, call: Call, reader: Reader[T], external_task_id: str | None = None) -> Flow[T]:
    """The parsed response of a call, retried by the table above within the limits of `Retry`."""
    pauses: Iterator[float] = config.retry.pauses()
    while True:
        found = yield from _ask(config, call, reader, external_task_id)
        if isinstance(found, _Seen):
            return found.value
        found.raise_unless_worth_waiting(config)
        pause = next(pauses, None)
        if pause is None:
            raise found.error
        log.info("%s will be retried: %s", call.method, found.error)
        yield from sleep(max(pause, found.retry_after))


def _ask(
    config: Config, call: Call, reader: Reader[T], external_task_id: str | None = None
) -> Flow[_Seen[T] | _Trouble]:
    """The outcome of one call. If its token has expired, it is repeated once with a renewed token."""
    bearer = config.credentials.bearer()
    found = yield from _ask_with(bearer, config, call, reader, external_task_id)
    renewed = config.credentials.renewed(bearer) if isinstance(found, _Trouble) and found.expired else None
    if renewed is None:
        return found
    log.info("%s will be retried with a new token", call.method)
    return (yield from _ask_with(renewed, config, call, reader, external_task_id))


def _ask_with(
    bearer: str, config: Config, call: Call, reader: Reader[T], external_task_id: str | None
) -> Flow[_Seen[T] | _Trouble]:
    """The outcome of one call with a bearer token. Its error has the request."""
    signed = replace(call, headers={"Authorization": f"Bearer {bearer}", **call.headers})
    reply = yield from _exchange(config, signed)
    found = _judge(config, call, reply, reader, external_task_id)
    if isinstance(found, _Trouble):
        found.error.concerns(None, _named(call))
    return found


def _named(call: Call) -> str:
    return f"{call.method} {call.url}"


def _exchange(config: Config, call: Call) -> Flow[Reply | Failure]:
    """Send one call and read its whole response, limited in size and time."""
    begun = config.clock()
    head = yield from send(call)
    if isinstance(head, Failure):
        return head
    if head.encoding:
        # Not decompressed: a few kilobytes can expand to gigabytes.
        return Reply(head, fault=f"Content-Encoding {head.encoding[:40]!r}, which was not requested")
    late = (begun if call.content is None else config.clock()) + call.timeout
    body = bytearray()
    while chunk := (yield from read()):
        if isinstance(chunk, Failure):
            return chunk
        body += chunk
        if len(body) > JSON_LIMIT:
            return Reply(head, fault=f"longer than {JSON_LIMIT} bytes")
        if config.clock() > late:
            return Failure(Stage.SENT, f"the response was incomplete after {call.timeout:g} s")
    return _cut(head, len(body)) or Reply(head, config.credentials.redact_body(bytes(body)))


def _cut(head: Head, received: int) -> Failure | None:
    if head.length is None or head.length <= received or head.status in (204, 304):
        return None
    return Failure(Stage.SENT, f"the response was cut: {received} of {head.length} bytes")


def _judge(
    config: Config, call: Call, outcome: Reply | Failure, reader: Reader[T], external_task_id: str | None
) -> _Seen[T] | _Trouble:
    if isinstance(outcome, Failure):
        return _judge_failure(call, outcome, external_task_id)
    billed = call.method == "POST"
    status = outcome.head.status
    hint = read_retry_after(outcome.head.headers)
    try:
        return _Seen(reader(outcome, config.redact), hint or 0.0)
    except UnexpectedReply as error:
        if billed and 200 <= status < 300:
            return _Trouble(_caused(UnreadableReceipt(error, external_task_id), error), again=False)
        return _Trouble(error, again=False)
    except ApiError as error:
        if not billed or not isinstance(error, ServerError):
            return _Trouble(error, is_transient(error), hint or 0.0)
        if status < 300:  # an error code in a 2xx response is definite: the service itself refused
            return _Trouble(error, again=False)
        if status == 503 and hint is not None:
            return _Trouble(error, again=True, retry_after=hint)
        return _Trouble(_caused(SubmitUncertain(str(error), external_task_id), error), again=False)


def _judge_failure(call: Call, failure: Failure, external_task_id: str | None) -> _Trouble:
    if call.method == "POST" and failure.stage is Stage.SENT:
        return _Trouble(
            _caused(SubmitUncertain(failure.reason, external_task_id), failure.error), again=False
        )
    error = TransportError(f"{call.method} {call.url}: {failure.reason} ({failure.stage.value})")
    return _Trouble(_caused(error, failure.error), again=failure.stage is not Stage.IMPOSSIBLE)


def _caused(error: KlingError, cause: Exception | None) -> KlingError:
    error.__cause__ = cause
    return error


def _same(config: Config, task: Task, snapshot: Snapshot) -> Task:
    """The task with its new state. Raises UnexpectedReply if the response is about another task."""
    message = snapshot.message
    by_external_id = config.gateway.finds_external_ids and task.id == message.external_task_id
    if task.id != message.task_id and not by_external_id:
        other = config.redact(message.task_id[:200])[:60]
        raise UnexpectedReply(
            200, "", f"the response is about task {other!r}, not {task.id!r}", snapshot.request_id
        )
    return task.seen(snapshot)


def _call(
    config: Config, method: str, url: str, content: bytes | None = None, timeout: float | None = None
) -> Call:
    headers = {
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
